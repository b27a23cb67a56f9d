/** The test machines as the bench sees them: a bed of its own, new for each run. */
import { readFileSync } from "node:fs";
import path from "node:path";

import { say } from "../scripts/session.ts";
import { ROOT } from "../scripts/stack.ts";
import { destroyTestbed, ensureTestbed, exec } from "../testbed/index.ts";
import { kernelNames } from "../testbed/paths.ts";

/** Two benches at the same time would disturb each other's figures anyway, so one name is enough. */
const BED = "bench";

export interface Machine {
  name: string;
  address: string;
  /** `ssh-ed25519 AAAA…` */
  hostKey: string;
  /** Name of our end of the machine's network cable. */
  cable: string;
}

export interface Bed {
  machines: Machine[];
  /** Private key that logs in as root. */
  clientKey: string;
  knownHosts: string;
  /** For `ssh -F <file> <name>`. */
  sshConfig: string;
  takeDown(): Promise<void>;
}

export async function bringUpMachines(count: number): Promise<Bed> {
  await destroyTestbed(BED, say);
  const all = await ensureTestbed({ count, bed: BED, progress: say });
  const [first] = all;
  if (first === undefined) throw new Error("the test bed has no machine");
  return {
    machines: all.map(({ name, address, hostKey }, index) => ({
      name,
      address,
      hostKey,
      cable: kernelNames(BED, index + 1).interface,
    })),
    clientKey: first.clientKeyFile,
    knownHosts: first.knownHostsFile,
    sshConfig: first.sshConfigFile,
    takeDown: () => destroyTestbed(BED, say),
  };
}

/** Standard output of a program run inside a machine, as root and not over SSH. Throws an `Error` where it fails. */
export async function inside({ name }: Machine, argv: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await exec({ bed: BED, name }, argv, { input });
  if (code === 0) return stdout;
  throw new Error(
    `${argv[0]} on ${name} ended with ${code}: ${(stderr.trim() || stdout.trim()).slice(-2000)}`,
  );
}

/** Runs a script of bench/host/ inside a machine. Throws an `Error` where it fails. */
export async function runHostScript(machine: Machine, script: string, input?: string): Promise<string> {
  const text = readFileSync(path.join(ROOT, "bench", "host", script), "utf8");
  return inside(machine, ["/bin/sh", "-c", text], input);
}
