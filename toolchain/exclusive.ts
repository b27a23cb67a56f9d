/** One at a time, across processes of this machine: whoever comes second waits, and a dead owner does not count. */
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { processInfo } from "./process-info.ts";

/** Runs `work` while holding the lock file. `onWait` is told the owner's process id once, when there is one to wait for. */
export async function exclusively<T>(
  lockFile: string,
  onWait: (pid: number) => void,
  work: () => Promise<T>,
): Promise<T> {
  mkdirSync(path.dirname(lockFile), { recursive: true });
  for (let announced = false; !tryLock(lockFile); await sleep(500)) {
    const owner = livingOwner(lockFile);
    if (owner === undefined) {
      removeDead(lockFile);
      continue;
    }
    if (!announced) onWait(owner);
    announced = true;
  }
  try {
    return await work();
  } finally {
    rmSync(lockFile, { force: true });
  }
}

/**
 * `target`, made by `make` where there is none: by the first who wants it, while the others wait. `make` has to bring it
 * about in one step, a rename, because whoever finds it takes it for whole. Returns `target`.
 */
export async function madeOnce(
  target: string,
  onWait: (pid: number) => void,
  make: () => Promise<void>,
): Promise<string> {
  if (existsSync(target)) return target;
  await exclusively(`${target}.lock`, onWait, async () => {
    if (!existsSync(target)) await make();
  });
  return target;
}

function tryLock(lockFile: string): boolean {
  try {
    writeFileSync(lockFile, `${process.pid}\n`, { flag: "wx" });
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

/** Of several that find the owner dead, one removes the lock; the others might remove that one's own. */
function removeDead(lockFile: string): void {
  const removal = `${lockFile}.removal`;
  if (tryLock(removal)) {
    if (livingOwner(lockFile) === undefined) rmSync(lockFile, { force: true });
    rmSync(removal, { force: true });
  } else if (livingOwner(removal) === undefined) rmSync(removal, { force: true });
}

/** Process id of who holds the lock file. A process that started after it was written got its number from the owner, who is dead. */
export function livingOwner(lockFile: string): number | undefined {
  try {
    const lockedAt = statSync(lockFile).mtimeMs;
    const pid = Number(readFileSync(lockFile, "utf8"));
    // Between the file's creation and its first byte there is no number to read; its maker is alive.
    if (pid === 0) return Date.now() - lockedAt < 5000 ? pid : undefined;
    const owner = processInfo(pid);
    return owner !== undefined && owner.startedAt.getTime() < lockedAt + 2000 ? pid : undefined;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
