/**
 * The private folder of a process that uses ssh: control sockets and files of known hosts. Made at the first connection,
 * removed when the process ends; what a killed process left is removed by the next.
 */
import { chmodSync, lstatSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { CannotLook } from "../errors.ts";

const PREFIX = "houses-";
/** Longest path of a control socket, in bytes: ssh adds 17 for a moment, and the limits are 108 and 104. */
const LONGEST: Partial<Record<NodeJS.Platform, number>> = { darwin: 86 };
const LONGEST_ELSEWHERE = 90;
/** Room for the names in the folder. */
const NAMES = 8;

/**
 * Makes the folder `houses-<process id>-XXXXXX`.
 *
 * @param candidates folders to make it in, best first
 * @throws CannotLook when none of them will do
 */
export function makeSshFolder(
  candidates: string[] = [os.tmpdir(), "/tmp"],
  platform: NodeJS.Platform = process.platform,
): string {
  const longest = LONGEST[platform] ?? LONGEST_ELSEWHERE;
  const reasons: string[] = [];
  for (const parent of new Set(candidates)) {
    const start = path.join(parent, `${PREFIX}${process.pid}-`);
    // In its options ssh replaces %, ~ and ${…}, and splits at blanks.
    if (!/^\/[A-Za-z0-9/._+-]*$/.test(start))
      reasons.push(`${parent} has characters that ssh would not take`);
    else if (Buffer.byteLength(start) + 6 + 1 + NAMES > longest)
      reasons.push(`${parent} is too long for a socket's path, which has at most ${longest} bytes`);
    else {
      try {
        sweep(parent);
        const folder = mkdtempSync(start);
        chmodSync(folder, 0o700);
        return folder;
      } catch (error) {
        reasons.push((error as Error).message);
      }
    }
  }
  throw new CannotLook(
    `there is no place for ssh's control sockets: ${reasons.join("; ")}. Set TMPDIR to a short path of a folder that can be written to`,
  );
}

/** Removes what processes that no longer live have left in a folder. */
function sweep(parent: string): void {
  for (const name of readdirSync(parent)) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-[A-Za-z0-9]{6}$`).exec(name)?.[1];
    if (pid === undefined || alive(Number(pid))) continue;
    const folder = path.join(parent, name);
    const stat = lstatSync(folder, { throwIfNoEntry: false });
    if (stat?.isDirectory() && stat.uid === process.getuid?.())
      rmSync(folder, { recursive: true, force: true });
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
