/** Runs commands inside a machine without logging in: no session, no line in its log. */
import { type Outcome, type RunOptions, attempt } from "./command.ts";
import { leaderOf } from "./alive.ts";
import type { MachineRecord } from "./records.ts";

const ENVIRONMENT = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/root",
  LC_ALL: "C.UTF-8",
};

/**
 * Runs a program, or a script for /bin/sh, as the machine's root, in all its namespaces. The process does not belong to
 * the machine's control groups: it runs in a frozen machine too, and is not ended with it.
 */
export function inside(
  machine: MachineRecord,
  command: readonly string[] | string,
  options: Omit<RunOptions, "env"> = {},
): Promise<Outcome> {
  const argv = typeof command === "string" ? ["/bin/sh", "-c", command] : command;
  const enter = [
    "nsenter",
    `--target=${leaderOf(machine)}`,
    "--mount",
    "--uts",
    "--ipc",
    "--net",
    "--pid",
    "--cgroup",
  ];
  return attempt([...enter, "--", ...argv], { ...options, env: ENVIRONMENT });
}
