import {
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { exclusively, madeOnce } from "../../toolchain/exclusive.ts";

let folder: string;
let lock: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "exclusive-test-"));
  lock = path.join(folder, "lock");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const noWait = (pid: number): never => {
  throw new Error(`waited for ${pid}`);
};

describe("exclusively", () => {
  it("returns the result and frees the lock", async () => {
    expect(await exclusively(lock, noWait, () => Promise.resolve(existsSync(lock)))).toBe(true);
    expect(existsSync(lock)).toBe(false);
  });

  it("frees the lock when the work fails", async () => {
    await expect(exclusively(lock, noWait, () => Promise.reject(new Error("boom")))).rejects.toThrow("boom");
    expect(existsSync(lock)).toBe(false);
  });

  it("takes over from a process that is gone", async () => {
    writeFileSync(lock, "4999999\n");
    expect(await exclusively(lock, noWait, () => Promise.resolve("done"))).toBe("done");
  });

  it("takes over when the owner's number was given to a later process", async () => {
    writeFileSync(lock, `${process.pid}\n`);
    utimesSync(lock, new Date(0), new Date(0));
    expect(await exclusively(lock, noWait, () => Promise.resolve("done"))).toBe("done");
  });

  it("takes over where somebody died who was about to", async () => {
    writeFileSync(lock, "4999999\n");
    writeFileSync(`${lock}.removal`, "4999999\n");
    expect(await exclusively(lock, noWait, () => Promise.resolve("done"))).toBe("done");
    expect(readdirSync(folder)).toEqual([]);
  });

  it("leaves it to another that is about to", async () => {
    writeFileSync(lock, "4999999\n");
    writeFileSync(`${lock}.removal`, `${process.pid}\n`);
    setTimeout(() => {
      expect(existsSync(lock)).toBe(true);
      rmSync(lock);
    }, 700);
    expect(await exclusively(lock, noWait, () => Promise.resolve("done"))).toBe("done");
  });

  it("waits for a living owner and says for whom, once", async () => {
    writeFileSync(lock, `${process.pid}\n`);
    const waited: number[] = [];
    setTimeout(() => rmSync(lock), 700);
    await exclusively(
      lock,
      (pid) => waited.push(pid),
      () => Promise.resolve(),
    );
    expect(waited).toEqual([process.pid]);
  });
});

describe("madeOnce", () => {
  const target = (): string => path.join(folder, "target");
  let makes = 0;
  const make = async (): Promise<void> => {
    makes++;
    await sleep(100);
    writeFileSync(target(), "whole");
  };
  beforeEach(() => (makes = 0));

  it("makes it for the first, and all who want it at the same time get that one", async () => {
    const waited: number[] = [];
    const onWait = (pid: number): number => waited.push(pid);
    const all = await Promise.all([1, 2, 3].map(() => madeOnce(target(), onWait, make)));
    expect(all).toEqual([target(), target(), target()]);
    expect([makes, waited.length, readFileSync(target(), "utf8")]).toEqual([1, 2, "whole"]);
    expect(readdirSync(folder)).toEqual(["target"]);
  });

  it("neither makes nor waits where it is there", async () => {
    writeFileSync(target(), "there");
    writeFileSync(`${target()}.lock`, `${process.pid}\n`);
    expect(await madeOnce(target(), noWait, make)).toBe(target());
    expect(makes).toBe(0);
  });

  it("leaves it to the next where the making fails", async () => {
    await expect(madeOnce(target(), noWait, () => Promise.reject(new Error("boom")))).rejects.toThrow("boom");
    await madeOnce(target(), noWait, make);
    expect(makes).toBe(1);
  });
});
