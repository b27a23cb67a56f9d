/** What an operator does to a house without the engine: revoke, the refused releases, the deadman switch's flag. */
import { spawn } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { houseFolder, releaseOf } from "./houses.ts";
import { makeWorkspace, type CommandResult, type Workspace } from "./workspace.ts";

let work: Workspace;
const run = (...args: string[]): Promise<CommandResult> => work.run(args);
const at = (...names: string[]): string => path.join(houseFolder(work, "ezra"), ...names);
const releases = (): string[] => readdirSync(at("releases")).sort();
const current = (): string => path.basename(readlinkSync(at("current")));

/** Another release of every house. */
let rules = 0;
async function release(): Promise<string> {
  appendFileSync(path.join(work.dir, "wizards/base/SOUL.md"), `\nRule ${++rules}.\n`);
  const { code, stdout, stderr } = await run("up");
  expect(code, stdout + stderr).toBe(0);
  return current();
}

beforeAll(async () => {
  work = makeWorkspace();
  expect(await run("up")).toMatchObject({ code: 0 });
});
afterAll(() => work.cleanup());

describe("revoke", () => {
  it("takes a release from the host, and it is never put into force again", async () => {
    const first = current();
    const soul = readFileSync(path.join(work.dir, "wizards/base/SOUL.md"), "utf8");
    const second = await release();
    expect(releases()).toEqual([first, second].sort());

    const { code, stdout } = await run("revoke", "ezra", first);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: `ezra: release ${first} is revoked and gone from the host\n`,
    });
    expect(releases()).toEqual([second]);
    expect(readFileSync(at("revoked"), "utf8")).toMatch(new RegExp(`^${first}\t20\\S+Z\tby hand\n$`));

    writeFileSync(path.join(work.dir, "wizards/base/SOUL.md"), soul);
    const up = await run("up");
    expect(up.code).toBe(1);
    expect(up.stdout + up.stderr).toMatch(new RegExp(`ezra: .*release ${first} has been revoked`));
    expect(current()).toBe(second);
    // The others are none of its business.
    expect(releaseOf(work, "bezalel")).not.toBe(second);
  });

  it("takes every release that may hold a former key, once the new one is confirmed", async () => {
    const before = current();
    const now = await release();
    expect(releases()).toContain(before);
    expect(await run("revoke", "ezra", "KIMI_API_KEY")).toMatchObject({ code: 0 });
    expect(releases()).toEqual([now]);
    expect(readFileSync(at("revoked"), "utf8")).toContain(`${before}\t`);
    const { stdout } = await run("revoke", "ezra", "KIMI_API_KEY");
    expect(stdout).toContain("only the release that runs is there");
  });

  it("takes nothing that has come into force again while it waited for its turn", async () => {
    const before = current();
    const now = await release();
    const turn = (id: string): void => {
      rmSync(at("current"));
      symlinkSync(`releases/${id}`, at("current"));
    };
    const holder = spawn("flock", ["--no-fork", at(".lock"), "sleep", "60"]);
    try {
      const revoking = run("revoke", "ezra", before);
      const waits = new RegExp(`-> FLOCK .*:${statSync(at(".lock")).ino} `);
      while (!waits.test(readFileSync("/proc/locks", "utf8"))) await sleep(50);
      turn(before);
      holder.kill();
      const { code, stderr } = await revoking;
      expect(code).toBe(1);
      expect(stderr).toContain(`current has changed meanwhile: it points to releases/${before}`);
      expect(releases()).toContain(before);
    } finally {
      holder.kill();
      turn(now);
    }
  });

  it.each<[string, () => string[], RegExp]>([
    ["what runs now", () => ["ezra", current()], /is what runs now/],
    [
      "a release that is not there",
      () => ["ezra", "0123456789abcdef"],
      /has no release 0123456789abcdef; it has /,
    ],
    ["neither a release nor a key", () => ["ezra", "no such"], /is neither a release nor the name of a key/],
    ["nothing", () => ["ezra"], /^usage: npm run revoke/],
    [
      "a house that is not there",
      () => ["noah", "KIMI_API_KEY"],
      /there is no house noah; there are bezalel, /,
    ],
    [
      "a stack that is not there",
      () => ["ezra", "KIMI_API_KEY", "-s", "none"],
      /Pulumi\.none\.yaml does not exist/,
    ],
  ])("refuses %s", async (_, args, words) => {
    const before = releases();
    const { code, stderr } = await run("revoke", ...args());
    expect(code).toBe(1);
    expect(stderr.replace(/^ezra: /, "")).toMatch(words);
    expect(releases()).toEqual(before);
  });
});

describe("a release that failed on a host", () => {
  it("is listed, refused, and tried again when it is cleared", async () => {
    const before = current();
    const next = await release();
    // As if it had been reverted.
    const { code } = await run("revoke", "ezra", before);
    expect(code).toBe(0);
    writeFileSync(at("rejected"), `${next}\t2026-01-01T00:00:00Z\tit was not well after the switch\n`);
    expect((await run("rejected", "list", "ezra")).stdout).toBe(
      `ezra: ${next} 2026-01-01T00:00:00Z it was not well after the switch\n`,
    );
    // What is in force is left in force.
    expect(await run("up")).toMatchObject({ code: 0 });
    expect((await run("rejected", "clear", "ezra")).stdout).toContain("cleared, and tried again");
    expect(existsSync(at("rejected"))).toBe(false);
    expect((await run("rejected", "clear", "ezra")).stdout).toContain("nothing was changed");
    expect(await run("rejected", "clear")).toMatchObject({ code: 1 });
  });
});

describe("a house that its deadman switch has given up", () => {
  it("is left alone until that is cleared", async () => {
    const flag = path.join(at(), "../../../var/lib/wizard-houses/ezra/deadman_active");
    mkdirSync(path.dirname(flag), { recursive: true });
    writeFileSync(flag, "2026-01-01T00:00:00Z\tno sign of life for 400 s\n");
    const before = current();
    appendFileSync(path.join(work.dir, "wizards/base/SOUL.md"), "\nBe brave.\n");
    const up = await run("up");
    expect(up.code).toBe(1);
    expect(up.stderr).toContain("when it is repaired: npm run deadman -- clear ezra");
    expect(current()).toBe(before);
    expect((await run("deadman", "status", "ezra")).stdout).toBe(
      "ezra: deadman_active since 2026-01-01T00:00:00Z no sign of life for 400 s\n",
    );
    expect(await run("deadman", "clear", "ezra")).toMatchObject({ code: 0 });
    expect(await run("up")).toMatchObject({ code: 0 });
    expect(current()).not.toBe(before);
    expect(await run("drift")).toMatchObject({ code: 0 });
  });
});
