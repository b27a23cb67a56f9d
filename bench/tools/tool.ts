/** What the bench knows of a tool that it measures. */
import type { CaseName, ToolName } from "../options.ts";
import type { WantedHouse } from "../wanted.ts";
import type { Machine } from "../machines.ts";
import type { Command, Outcome } from "../process.ts";

/** What all tools are given. */
export interface Ground {
  /** Folder of this bench run; each tool writes into one of its own inside. */
  dir: string;
  machines: Machine[];
  /** Houses in all, which is also how many operations a tool may do at a time. */
  houses: number;
  /** Key that logs in as root, and the pinned host keys. */
  clientKey: string;
  knownHosts: string;
  sshConfig: string;
}

export interface Tool {
  name: ToolName;
  /** What is measured, e.g. `ansible-core 2.19.14, Mitogen 0.3.54`. */
  version: string;
  /** Cases it has; a tool that only reads has `check` alone. */
  cases: readonly CaseName[];
  /** Told before a run, outside of the measured time, what is wanted from now on. */
  want(houses: WantedHouse[], keys: Record<string, string>): Promise<void>;
  /** Told that the hosts have been made bare: what the tool remembers of them is wiped. */
  forget(): Promise<void>;
  /** What an operator would type. */
  command(name: CaseName): Command;
  /** Why a run that ended was none that counts, e.g. because a check found something to change. */
  complaint(name: CaseName, outcome: Outcome): string | undefined;
  /** Ends what a run leaves behind to make the next one faster. */
  cool(): Promise<void>;
}
