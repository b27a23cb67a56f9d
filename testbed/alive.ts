/** Which processes run a machine. */
import { readFileSync } from "node:fs";

import { processInfo } from "../toolchain/process-info.ts";
import { isIn } from "./cgroup.ts";
import { kernelNames } from "./paths.ts";
import type { MachineRecord } from "./records.ts";

export function isRunning(machine: MachineRecord): boolean {
  return supervisor(machine) !== undefined;
}

/** Process id of what runs the machine, if that is alive. The number alone proves nothing: the group is ours alone. */
function supervisor({ bed, number, pid }: MachineRecord): number | undefined {
  if (pid === undefined || processInfo(pid) === undefined) return undefined;
  return isIn(kernelNames(bed, number).group, pid) ? pid : undefined;
}

/** Process id, on this machine, of the machine's own PID 1. Throws when it is off. */
export function leaderOf(machine: MachineRecord): number {
  const pid = supervisor(machine);
  if (pid === undefined) throw new Error(`${machine.name} is off`);
  const leader = firstOfNamespaceBelow(pid);
  if (leader === undefined) throw new Error(`${machine.name} is between two states`);
  return leader;
}

/** The nearest descendant that is number 1 in a process namespace of its own. */
function firstOfNamespaceBelow(pid: number): number | undefined {
  for (const child of readProc(`${pid}/task/${pid}/children`).split(" ").map(Number)) {
    if (child === 0) continue;
    if (/^NSpid:\t\d+.*\t1$/m.test(readProc(`${child}/status`))) return child;
    const below = firstOfNamespaceBelow(child);
    if (below !== undefined) return below;
  }
  return undefined;
}

/** A process that has ended meanwhile has nothing to tell. */
function readProc(file: string): string {
  try {
    return readFileSync(`/proc/${file}`, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && ["ENOENT", "ESRCH"].includes(String(error.code)))
      return "";
    throw error;
  }
}
