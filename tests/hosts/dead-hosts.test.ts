/** Ten hosts of which some are dead, hang or are somebody else: the others converge, and nothing is lost. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import {
  blackhole,
  changeHostKey,
  freeze,
  kill,
  setAddress,
  start,
  unblackhole,
  unfreeze,
  type Machine,
} from "../../testbed/index.ts";
import { hostEntry, inside, makeHostFleet, type HostFleet } from "./fleet.ts";
import { freshMachines } from "./machines.ts";

const NAMES = ["ash", "birch", "cedar", "elm", "fir", "hazel", "larch", "maple", "oak", "pine"];

let machines: Machine[];
let fleet: HostFleet;
const machineOf = (house: string): Machine => machines[NAMES.indexOf(house)]!;

/** Ten houses like Ezra, each on a host of its own, all at once. */
function tenHouses(): void {
  const wizards = path.join(fleet.work.dir, "wizards");
  const ezra = readFileSync(path.join(wizards, "ezra", "house.yaml"), "utf8");
  for (const name of NAMES) {
    mkdirSync(path.join(wizards, name, "skins"), { recursive: true });
    for (const file of ["house.yaml", "config.yaml", "SOUL.md", "skins/ezra.yaml"]) {
      const text = file === "house.yaml" ? ezra : readFileSync(path.join(wizards, "ezra", file), "utf8");
      const own = text.replace(/^host: .*$/m, `host: ${name}`).replaceAll("wizards/ezra", `wizards/${name}`);
      writeFileSync(path.join(wizards, name, file), own);
    }
  }
  for (const other of ["allegro", "bezalel", "ezra"]) rmSync(path.join(wizards, other), { recursive: true });
  fleet.editFleet((file) => {
    file.houses = NAMES;
    file.rollout = "parallel";
    file.hosts = Object.fromEntries(NAMES.map((name, at) => [name, hostEntry(machines[at]!)]));
  });
}

/** Changes something in every house. */
let counter = 0;
function change(): void {
  counter++;
  fleet.edit("wizards/base/SOUL.md", /$/, `\nRule ${counter}.\n`);
}
const marker = (): string => `Rule ${counter}.`;
const has = async (house: string): Promise<boolean> =>
  (await inside(machineOf(house), `cat /srv/wizards/${house}/current/SOUL.md`)).includes(marker());
const resources = (): string[] => {
  const { checkpoint } = JSON.parse(fleet.state()) as {
    checkpoint: { latest: { resources: { urn: string }[]; pending_operations?: unknown[] } };
  };
  expect(checkpoint.latest.pending_operations ?? []).toEqual([]);
  return checkpoint.latest.resources.map(({ urn }) => urn).sort();
};
const others = (house: string): string[] => NAMES.filter((name) => name !== house);

/** One house's host is out of reach: what `drift` and `up` make of it. */
async function withoutOne(house: string, reason: RegExp): Promise<void> {
  const before = resources();
  const drift = await fleet.run("drift");
  expect(drift.code).toBe(4);
  const lines = drift.stdout.split("\n").filter((line) => reason.test(line));
  expect(lines, drift.stdout).toEqual([expect.stringContaining(house)]);
  change();
  const up = await fleet.run("up", ["--yes"]);
  expect(up.code).toBe(4);
  const behind = [];
  for (const other of others(house)) if (!(await has(other))) behind.push(other);
  expect(behind, up.stdout + up.stderr).toEqual([]);
  const summary = (up.stdout + up.stderr).split("What went wrong:")[1] ?? "";
  const told = summary.trim().split("\n");
  expect(told, up.stdout + up.stderr).toEqual([expect.stringMatching(reason)]);
  expect(resources()).toEqual(before);
}

beforeAll(async () => {
  machines = await freshMachines(NAMES.length);
  fleet = await makeHostFleet(Object.fromEntries(NAMES.map((name, at) => [name, machines[at]!])));
  tenHouses();
  const up = await fleet.run("up", ["--yes"]);
  expect(up.code, up.stdout + up.stderr).toBe(0);
});
afterAll(() => fleet?.cleanup());

describe("one host of ten", () => {
  it("is dead, and is finished when it is back", async () => {
    await kill(machineOf("cedar"));
    await withoutOne("cedar", /198\.1[89]\.\d+\.\d+\S* .*(refused|no route|timed out|unreachable)/i);
    await start(machineOf("cedar"));
    expect((await fleet.run("up", ["--yes"])).code).toBe(0);
    expect(await has("cedar")).toBe(true);
  });

  it("drops every packet", async () => {
    await blackhole(machineOf("elm"));
    await withoutOne("elm", /198\.1[89]\.\d+\.\d+\S* .*timed out/i);
    await unblackhole(machineOf("elm"));
    expect((await fleet.run("up", ["--yes"])).code).toBe(0);
  });

  it("accepts the connection and hangs", async () => {
    await freeze(machineOf("fir"));
    await withoutOne("fir", /198\.1[89]\.\d+\.\d+\S* .*(timed out|no answer)/i);
    await unfreeze(machineOf("fir"));
    expect((await fleet.run("up", ["--yes"])).code).toBe(0);
  });

  it("has another key than the pinned one", async () => {
    machines[NAMES.indexOf("hazel")] = await changeHostKey(machineOf("hazel"));
    await withoutOne("hazel", /host key/i);
    const { stdout } = await fleet.run("drift");
    expect(stdout).toContain(machineOf("hazel").hostKey);
    fleet.editFleet((file) => (file.hosts["hazel"] = hostEntry(machineOf("hazel"))));
    expect((await fleet.run("up", ["--yes"])).code).toBe(0);
    expect(await has("hazel")).toBe(true);
  });

  it("has moved, and is reached at its new address", async () => {
    const old = machineOf("larch");
    machines[NAMES.indexOf("larch")] = await setAddress(old, old.address.replace(/\d+$/, "200"));
    fleet.editFleet((file) => (file.hosts["larch"] = hostEntry(machineOf("larch"))));
    change();
    const up = await fleet.run("up", ["--yes"]);
    expect(up.code).toBe(0);
    expect(await has("larch")).toBe(true);
    expect((await fleet.run("drift")).code).toBe(0);
  });

  it("is gone for good, and abandoned", async () => {
    await kill(machineOf("maple"));
    fleet.editFleet((file) => {
      file.houses = file.houses.filter((name) => name !== "maple");
      delete file.hosts["maple"];
    });
    rmSync(path.join(fleet.work.dir, "wizards", "maple"), { recursive: true });
    const stuck = await fleet.run("up", ["--yes"]);
    expect(stuck.code, stuck.stdout + stuck.stderr).toBe(4);
    expect(stuck.stdout + stuck.stderr).toContain("npm run retire -- maple --abandon");
    const retired = await fleet.run("retire", ["maple", "--abandon", "--yes"]);
    expect(retired.code, retired.stdout + retired.stderr).toBe(0);
    expect(resources().filter((urn) => urn.includes("maple"))).toEqual([]);
    expect((await fleet.run("up", ["--yes"])).code).toBe(0);
  });

  it("does not keep destroy from the others, and stays in the state", async () => {
    await blackhole(machineOf("oak"));
    const destroy = await fleet.run("destroy", ["--yes"]);
    expect(destroy.code).toBe(4);
    for (const house of ["ash", "pine"]) {
      expect(await inside(machineOf(house), `[ -e /srv/wizards/${house}/current ] || echo gone`)).toBe(
        "gone\n",
      );
    }
    const left = resources().filter((urn) => /::(oak|ash|pine)-/.test(urn));
    expect(left.length).toBeGreaterThan(0);
    expect(left.every((urn) => urn.includes("oak"))).toBe(true);
    await unblackhole(machineOf("oak"));
    expect((await fleet.run("destroy", ["--yes"])).code).toBe(0);
  });
});
