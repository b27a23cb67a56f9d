/** What the machine knows about a process: enough to tell a living owner of a lock from a number that was reused. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";

export interface ProcessInfo {
  /** Command line, words separated by blanks. */
  command: string;
  /** When it started, within a second or two. */
  startedAt: Date;
}

/** The process with this id, or undefined when there is none. A zombie counts as none: it will do nothing more. */
export function processInfo(pid: number): ProcessInfo | undefined {
  return existsSync("/proc/self/stat") ? fromProc(pid) : fromPs(pid);
}

function fromProc(pid: number): ProcessInfo | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    if (/^State:\s*[ZX]/m.test(status)) return undefined;
    return {
      command: readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim(),
      startedAt: startOfProcess(pid),
    };
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** Field 22 of /proc/<pid>/stat counts clock ticks, 100 a second on every Linux, since the machine booted. */
function startOfProcess(pid: number): Date {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const bootedAt = /^btime (\d+)$/m.exec(readFileSync("/proc/stat", "utf8"))?.[1];
  if (fields[19] === undefined || bootedAt === undefined) return statSync(`/proc/${pid}`).ctime;
  return new Date(Number(bootedAt) * 1000 + Number(fields[19]) * 10);
}

function isGone(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ESRCH");
}

function fromPs(pid: number): ProcessInfo | undefined {
  try {
    const line = execFileSync("ps", ["-o", "lstart=,args=", "-p", String(pid)], {
      encoding: "utf8",
      env: { ...process.env, LC_ALL: "C" },
    }).trim();
    return { startedAt: new Date(line.slice(0, 24)), command: line.slice(24).trim() };
  } catch (error) {
    // ps exits 1 for a process that does not exist, and prints nothing.
    if (error instanceof Error && "status" in error && error.status === 1) return undefined;
    throw error;
  }
}
