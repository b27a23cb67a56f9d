/** One host of ten is dead: the others converge, it is named once, nothing is forgotten, and when it is back all goes on. */
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { housesIn, type Deployment } from "../../scripts/deployment.ts";
import { changeFleet, hostName, houseName, populate } from "./many-houses.ts";
import { makeWorkspace, type CommandResult, type Workspace } from "./workspace.ts";

const COUNT = 10;
const DEAD = 4;
const numbers = Array.from({ length: COUNT }, (_, index) => index + 1);
const living = numbers.filter((number) => number !== DEAD);

let work: Workspace;
beforeAll(async () => {
  work = makeWorkspace();
  populate(work, COUNT);
  changeFleet(work, (text) => text.replace("rollout: canary", "rollout: parallel"));
  expect(await work.run(["up"])).toMatchObject({ code: 0 });
});
afterAll(() => work.cleanup());

const aside = (number: number): string => `${work.hostRoot(hostName(number))}.aside`;
/** A folder that stands for a host, and is none any more. */
function die(number: number): void {
  renameSync(work.hostRoot(hostName(number)), aside(number));
  writeFileSync(work.hostRoot(hostName(number)), "dead");
}
function revive(number: number): void {
  rmSync(work.hostRoot(hostName(number)));
  renameSync(aside(number), work.hostRoot(hostName(number)));
}
const changeSouls = (text: string): void =>
  appendFileSync(path.join(work.dir, "wizards/base/SOUL.md"), `\n${text}\n`);
const soulOf = (number: number): string =>
  readFileSync(
    path.join(work.hostRoot(hostName(number)), "srv/wizards", houseName(number), "current/SOUL.md"),
    "utf8",
  );
const stateHouses = (): string[] => {
  const { checkpoint } = JSON.parse(readFileSync(work.stateFile(), "utf8")) as {
    checkpoint: { latest: Deployment["deployment"] };
  };
  return housesIn({ version: 3, deployment: checkpoint.latest }).map(({ name }) => name);
};
const said = ({ stdout, stderr }: CommandResult): string => stdout + stderr;
const linesWith = (result: CommandResult, words: string): string[] =>
  said(result)
    .split("\n")
    .filter((line) => line.includes(words));
const DEAD_LINE = new RegExp(`^ *${houseName(DEAD)}: cannot be looked at: .* is not a folder$`);

describe("all is well", () => {
  it("and up says so in a few lines, however many houses there are", async () => {
    const up = await work.run(["up"]);
    expect(up.code, said(up)).toBe(0);
    expect(up.stdout).toMatch(/^Updating \(dev\):\nResources:\n {4}\d+ unchanged\n\nDuration: \d+s\n$/);
    expect(up.stderr).toBe("");
  });
});

describe("one host of ten is dead", () => {
  beforeAll(() => die(DEAD));

  it("drift names it once", async () => {
    const before = readFileSync(work.stateFile());
    const drift = await work.run(["drift"]);
    expect(drift.code, said(drift)).toBe(4);
    expect(drift.stdout.split("\n")).toEqual([
      expect.stringMatching(DEAD_LINE),
      "1 house that cannot be looked at",
      "",
    ]);
    expect(drift.stderr).toBe("");
    expect(readFileSync(work.stateFile()).equals(before)).toBe(true);
  });

  it("up updates the others, names it once and keeps it in the state", async () => {
    changeSouls("While one was dead.");
    const up = await work.run(["up"]);
    expect(up.code, said(up)).toBe(4);
    for (const number of living) expect(soulOf(number)).toContain("While one was dead.");
    expect(linesWith(up, houseName(DEAD))).toEqual([expect.stringMatching(DEAD_LINE)]);
    expect(linesWith(up, hostName(DEAD))).toHaveLength(1);
    expect(linesWith(up, "SOUL.md")).toHaveLength(living.length);
    expect(stateHouses()).toHaveLength(COUNT);
  });

  it("up once more says nothing else", async () => {
    const up = await work.run(["up"]);
    expect(up.code).toBe(4);
    expect(up.stderr.trim().split("\n")).toEqual(["What went wrong:", expect.stringMatching(DEAD_LINE)]);
  });

  it("when it is back, the next up finishes the work", async () => {
    revive(DEAD);
    const up = await work.run(["up"]);
    expect(up.code, said(up)).toBe(0);
    expect(soulOf(DEAD)).toContain("While one was dead.");
    expect(linesWith(up, houseName(DEAD))).toHaveLength(1);
    expect(await work.run(["drift"])).toMatchObject({ code: 0 });
  });
});

describe("hosts are elsewhere than the state says", () => {
  it("is no failure where the update reaches them, and has one line", async () => {
    const hosts = path.join(work.dir, ".dev/hosts");
    renameSync(hosts, `${hosts}-moved`);
    writeFileSync(hosts, "gone");
    const file = path.join(work.dir, "Pulumi.dev.yaml");
    const config = readFileSync(file, "utf8");
    writeFileSync(file, config.replace(".dev/hosts", ".dev/hosts-moved"));
    const up = await work.run(["up"]);
    expect(up.code, said(up)).toBe(0);
    expect(linesWith(up, "looked at")).toEqual([
      expect.stringMatching(
        /^house-01, .*: could not be looked at before the update, which then reached them/,
      ),
    ]);
    expect(up.stderr).toBe("");
    expect(await work.run(["drift"])).toMatchObject({ code: 0 });

    writeFileSync(file, config);
    rmSync(hosts);
    renameSync(`${hosts}-moved`, hosts);
    expect(await work.run(["up"])).toMatchObject({ code: 0 });
  });
});

describe("destroy with a dead host, in a rollout one after the other", () => {
  const others = living.map((number) => hostName(number));
  it("takes down all others, keeps the dead one in the state and says how to give it up", async () => {
    changeFleet(work, (text) => text.replace("rollout: parallel", "rollout: serial"));
    expect(await work.run(["up"])).toMatchObject({ code: 0 });
    die(DEAD);
    const destroy = await work.run(["destroy"]);
    expect(destroy.code, said(destroy)).toBe(4);
    for (const host of others) {
      expect(existsSync(path.join(work.hostRoot(host), "srv/wizards")), host).toBe(false);
    }
    expect(stateHouses()).toEqual([houseName(DEAD)]);
    expect(destroy.stderr.trimEnd().split("\n").slice(-3)).toEqual([
      "What went wrong:",
      expect.stringMatching(DEAD_LINE),
      expect.stringContaining(`npm run retire -- ${houseName(DEAD)} --abandon`),
    ]);
  });

  it("and what it says works: the house leaves the state, not its host", async () => {
    const retire = await work.run(["retire", houseName(DEAD), "--abandon"]);
    expect(retire.code, said(retire)).toBe(0);
    expect(stateHouses()).toEqual([]);
    revive(DEAD);
    expect(readdirSync(path.join(work.hostRoot(hostName(DEAD)), "srv/wizards", houseName(DEAD)))).toContain(
      "current",
    );
    expect(await work.run(["destroy"])).toMatchObject({ code: 0 });
  });
});
