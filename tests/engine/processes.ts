/** The processes that belong to a workspace, found by where they are and what they were started as. Linux only. */
import { readFileSync, readdirSync, readlinkSync } from "node:fs";

export interface OwnProcess {
  pid: number;
  /** Its words, separated by blanks. */
  command: string;
}

/** Living processes whose working directory is inside `dir` or whose command line names it. */
export function processesOf(dir: string): OwnProcess[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid): OwnProcess[] => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
        // A zombie has no command line any more and does nothing.
        if (command === "") return [];
        const folder = readlinkSync(`/proc/${pid}/cwd`);
        const inside = folder === dir || folder.startsWith(`${dir}/`) || command.includes(`${dir}/`);
        return inside ? [{ pid: Number(pid), command }] : [];
      } catch (error) {
        // It ended while it was being looked at, or it is somebody else's.
        const { code } = error as NodeJS.ErrnoException;
        if (code === "ENOENT" || code === "ESRCH" || code === "EACCES") return [];
        throw error;
      }
    });
}

/** Kills a process at once. Returns whether it was there: it may have come to its end since it was looked for. */
export function killNow(pid: number): boolean {
  try {
    return process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}
