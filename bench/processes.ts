/**
 * All processes of a command, found while it runs: those that carry a variable of its environment, which processes that
 * left the tree, such as ssh's masters, still have, and children of those known, which may have been given another
 * environment. Linux only.
 */
import { randomBytes } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";

const VARIABLE = "WIZARD_HOUSES_BENCH";

export interface Watch {
  /** To be added to the command's environment. */
  env: NodeJS.ProcessEnv;
  /** Ids of its processes that live now. */
  living(): string[];
}

export function watch(): Watch {
  const mark = randomBytes(8).toString("hex");
  const known = new Map<string, boolean>();
  const isOurs = (pid: string): boolean => {
    const parent = /^PPid:\s+(\d+)$/m.exec(procText(pid, "status"))?.[1];
    return (
      procText(pid, "environ").includes(`${VARIABLE}=${mark}`) ||
      (parent !== undefined && known.get(parent) === true)
    );
  };
  return {
    env: { [VARIABLE]: mark },
    living() {
      const now = new Set(readdirSync("/proc").filter((name) => /^\d+$/.test(name)));
      for (const pid of known.keys()) if (!now.has(pid)) known.delete(pid);
      for (const pid of now) if (!known.has(pid)) known.set(pid, isOurs(pid));
      return [...now].filter((pid) => known.get(pid));
    },
  };
}

/** A file of /proc/<pid>; empty if the process has ended meanwhile or is somebody else's. */
export function procText(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH" || code === "EACCES") return "";
    throw error;
  }
}
