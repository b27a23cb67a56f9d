import { existsSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { exclusively } from "../../toolchain/exclusive.ts";

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
