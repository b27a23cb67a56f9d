/** The private folder of control sockets: where it is, and that none is left behind. */
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { CannotLook } from "../../provider/errors.ts";
import { makeSshFolder } from "../../provider/host/ssh-folder.ts";

let parent: string;
beforeEach(() => (parent = mkdtempSync(path.join(os.tmpdir(), "f-"))));
afterEach(() => rmSync(parent, { recursive: true, force: true }));

/** The id of a process that has ended. */
const dead = (): number => spawnSync("true").pid;

describe("the private folder", () => {
  it("is this process's own, and short", () => {
    const folder = makeSshFolder([parent]);
    expect(path.dirname(folder)).toBe(parent);
    expect(path.basename(folder)).toMatch(new RegExp(`^houses-${process.pid}-`));
    expect(statSync(folder).mode & 0o777).toBe(0o700);
  });

  it.each<[string, string, NodeJS.Platform]>([
    ["too long", "x".repeat(80), "linux"],
    ["too long for macOS", "x".repeat(60), "darwin"],
    ["with blanks", "a b", "linux"],
    ["with signs that ssh replaces", "a%h", "linux"],
    ["not there", "none", "linux"],
  ])("is elsewhere where the first choice is %s", (_, name, platform) => {
    const first = path.join(parent, name);
    if (name !== "none") mkdirSync(first);
    const folder = makeSshFolder([first, parent], platform);
    expect(path.dirname(folder)).toBe(parent);
  });

  it("is as long as it may be and no longer", () => {
    const room = (platform: NodeJS.Platform): number => (platform === "darwin" ? 86 : 90);
    for (const platform of ["linux", "darwin"] as const) {
      for (let length = 1; length < 90; length++) {
        const first = path.join(parent, `${platform}${length}`, "y".repeat(length));
        mkdirSync(first, { recursive: true });
        const socket = path.join(makeSshFolder([first, parent], platform), "99999999");
        expect(socket.length).toBeLessThanOrEqual(room(platform));
      }
    }
  });

  it("is missed in words where there is no place", () => {
    const make = () => makeSshFolder([path.join(parent, "none"), path.join(parent, "a b")]);
    expect(make).toThrow(CannotLook);
    expect(make).toThrow(
      /no place for ssh's control sockets: .*ENOENT.*; .*characters.* Set TMPDIR to a short path/,
    );
  });

  it("of a dead process is removed by the next, and nothing else is", () => {
    const left = path.join(parent, `houses-${dead()}-abcdef`);
    mkdirSync(left);
    writeFileSync(path.join(left, "1"), "");
    const kept = [
      `houses-${process.pid}-abcdef`,
      `houses-${dead()}`,
      `houses-${dead()}-a.b`,
      "other-1-abcdef",
    ];
    for (const name of kept) mkdirSync(path.join(parent, name));
    mkdirSync(path.join(parent, "precious"));
    symlinkSync("precious", path.join(parent, `houses-${dead()}-linked`));
    makeSshFolder([parent]);
    expect(existsSync(left)).toBe(false);
    expect(readdirSync(parent)).toEqual(expect.arrayContaining([...kept, "precious"]));
    expect(readdirSync(parent).filter((name) => name.endsWith("-linked"))).toHaveLength(1);
  });
});
