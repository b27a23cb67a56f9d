/** A house whose host is gone for good leaves the state, and nothing else changes: no host, no other house, no secret. */
import { readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import type { Deployment, StateResource } from "../../scripts/deployment.ts";
import { nameOf } from "../../scripts/places.ts";
import { houseFolder, treeOf } from "./houses.ts";
import { leaksIn } from "./leaks.ts";
import { dropHouse } from "./many-houses.ts";
import { makeWorkspace, type CommandResult, type Workspace } from "./workspace.ts";

const KEY = "canary-of-a-key-that-is-no-real-one";

let work: Workspace;
const run = (...args: string[]): Promise<CommandResult> => work.run(args);
const said = ({ stdout, stderr }: CommandResult): string => stdout + stderr;

beforeAll(async () => {
  work = makeWorkspace();
  const set = ["config", "set", "--secret", "--path", "wizard-houses:keys.GITEA_TOKEN", KEY];
  expect(await run("pulumi", ...set)).toMatchObject({ code: 0 });
  expect(await run("up")).toMatchObject({ code: 0 });
});
afterAll(() => work.cleanup());

const stateText = (): string => readFileSync(work.stateFile(), "utf8");
function resources(): Map<string, StateResource> {
  const { checkpoint } = JSON.parse(stateText()) as {
    checkpoint: { latest: Deployment["deployment"] };
  };
  return new Map((checkpoint.latest.resources ?? []).map((resource) => [nameOf(resource.urn), resource]));
}
/** What of a resource is not about others. The engine encrypts secrets anew whenever it writes a state it was given. */
function own(resource: StateResource | undefined): unknown {
  const { dependencies: _, propertyDependencies: __, ...rest } = resource ?? {};
  return JSON.parse(JSON.stringify(rest).replace(/"ciphertext":"[^"]+"/g, `"ciphertext":"some"`));
}
const hosts = (): Record<string, string> => treeOf(path.join(work.dir, ".dev/hosts"));

describe("refuses, changes nothing and says what to do", () => {
  it.each<[string, string[], RegExp]>([
    ["no house", ["--abandon"], /which house\? usage: npm run retire -- <house>/],
    ["an option it has not", ["ezra", "--abandon", "--force"], /--force is no option of retire/],
    ["a house on a living host", ["ezra"], /out of wizards\/.*\n?.*npm run up[^]*--abandon/],
    [
      "a house that is not there",
      ["noah", "--abandon"],
      /noah: not in the state of dev, which has (allegro|bezalel|ezra), /,
    ],
    ["a house of wizards/", ["ezra", "--abandon"], /still in wizards\/[^]*take its line[^]*wizards\/ezra/],
  ])("%s", async (_name, args, words) => {
    const before = stateText();
    const { code, stderr } = await run("retire", ...args);
    expect(code).toBe(1);
    expect(stderr).toMatch(words);
    expect(stateText()).toBe(before);
  });
});

describe("a house in the middle of the rollout, on a host where another one stays", () => {
  let before: Map<string, StateResource>;
  const root = (): string => work.hostRoot("tower");

  it("is offered to be given up by the up that cannot take it down; the other one is not", async () => {
    dropHouse(work, "ezra");
    renameSync(root(), `${root()}.aside`);
    writeFileSync(root(), "dead");
    const up = await run("up");
    expect(up.code, said(up)).toBe(4);
    expect(up.stderr).toMatch(/^ {2}allegro: cannot be looked at: /m);
    expect(up.stderr).toMatch(/^ {2}ezra: cannot be looked at: /m);
    expect(up.stderr).toMatch(/npm run retire -- ezra --abandon$/m);
  });

  it("leaves the state, and the host as it is", async () => {
    before = resources();
    const there = hosts();
    const retire = await run("retire", "ezra", "--abandon");
    expect(retire.code, said(retire)).toBe(0);
    expect(retire.stdout).toMatch(/^ezra: taken out of the state of dev, \d+ resources: ezra, /);
    expect(retire.stdout).toMatch(/Nothing was done on host tower, .*hermes-ezra\.service.*wizard-ezra/);
    expect(hosts()).toEqual(there);
    const after = resources();
    const gone = [...before.keys()].filter((name) => !after.has(name)).sort();
    expect(gone).toEqual(expect.arrayContaining(["ezra", "ezra-release", "ezra-user"]));
    expect(gone.filter((name) => !name.startsWith("ezra"))).toEqual([]);
    for (const [name, resource] of after) expect(own(resource), name).toEqual(own(before.get(name)));
    expect(stateText()).not.toContain("ezra-release");
  });

  it("leaves a copy of the state for its owner's eyes, in which keys are as secret as in the state", async () => {
    const folder = path.join(work.dir, ".dev/state-copies");
    const [copy = ""] = readdirSync(folder);
    expect((statSync(folder).mode & 0o777).toString(8)).toBe("700");
    expect((statSync(path.join(folder, copy)).mode & 0o777).toString(8)).toBe("600");
    const text = readFileSync(path.join(folder, copy), "utf8");
    expect(text).toContain("ciphertext");
    expect(leaksIn(text, [KEY])).toEqual([]);
    expect(leaksIn(stateText(), [KEY])).toEqual([]);

    expect(await run("pulumi", "stack", "import", "--file", path.join(folder, copy))).toMatchObject({
      code: 0,
    });
    expect([...resources().keys()].sort()).toEqual([...before.keys()].sort());
    expect(await run("retire", "ezra", "--abandon")).toMatchObject({ code: 0 });
    expect([...resources().keys()]).not.toContain("ezra");
  });

  it("and the fleet goes on: what is left of the house on the host is nobody's", async () => {
    rmSync(root());
    renameSync(`${root()}.aside`, root());
    const left = treeOf(houseFolder(work, "ezra"));
    expect(Object.keys(left)).toContain("current");
    expect(await run("up")).toMatchObject({ code: 0 });
    const up = await run("up", "--expect-no-changes");
    expect(up.code, said(up)).toBe(0);
    expect((await run("drift")).stdout).toMatch(/^no drift: 2 houses/);
    expect(treeOf(houseFolder(work, "ezra"))).toEqual(left);
  });
});

describe("the last house of a host", () => {
  it("takes along what its host's houses share", async () => {
    const root = work.hostRoot("tower");
    dropHouse(work, "allegro");
    renameSync(root, `${root}.aside`);
    writeFileSync(root, "dead");
    expect([...resources().keys()]).toContain("tower-packages");
    expect(await run("retire", "allegro", "--abandon")).toMatchObject({ code: 0 });
    expect([...resources().keys()].filter((name) => /^(tower|allegro)/.test(name))).toEqual([]);
    expect(readFileSync(root, "utf8")).toBe("dead");
    const up = await run("up", "--expect-no-changes");
    expect(up.code, said(up)).toBe(0);
    rmSync(root);
  });
});
