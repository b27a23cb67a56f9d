/**
 * Real Debian machines on this machine, for tests: each with systemd, sshd and cron, its own addresses and host key, and
 * the real harness. `npm run testbed` is the same from the command line.
 */
import { readFileSync } from "node:fs";

import { type BedOptions, DEFAULT_BED, discard, launch, raise, refreshSshFiles, tearDown } from "./bed.ts";
import { isRunning, leaderOf } from "./alive.ts";
import { boot, powerDown, pullPlug, setCutOff } from "./boot.ts";
import { isFrozen, memoryOf, setFrozen } from "./cgroup.ts";
import type { Outcome, RunOptions } from "./command.ts";
import { inside } from "./exec.ts";
import type { Flavour, Progress } from "./image.ts";
import { clientKeyFile, knownHostsFile, makeKey, publicKey, sshConfigFile } from "./keys.ts";
import { replaceAddress } from "./network.ts";
import { kernelNames, mergedRoot } from "./paths.ts";
import { hostKeyFile } from "./personal.ts";
import { type MachineRecord, type Seed, amend, readRecord, recordsOf } from "./records.ts";
import { gatewayFor } from "./subnet.ts";

export type { Flavour, Outcome, Progress, Seed };
export { bedNames } from "./bed.ts";
export { testbedProblem } from "./requirements.ts";

export interface Machine {
  bed: string;
  /** `house-01` … */
  name: string;
  flavour: Flavour;
  address: string;
  address6: string;
  /** Where it reaches this machine. */
  gateway: string;
  /** `ssh-ed25519 AAAA…` */
  hostKey: string;
  /** Private key that logs in as `root`, `operator` (may sudo) and `nosudo` (may not). */
  clientKeyFile: string;
  /** Knows every machine of the bed by name and address. */
  knownHostsFile: string;
  /** For `ssh -F <file> house-01`. */
  sshConfigFile: string;
  /** The machine's whole file tree, as this machine sees it: for looking only, links in it may lead outside. */
  rootFolder: string;
  /** Process id of its PID 1, as this machine counts. Asked anew each time; throws when the machine is off. */
  readonly leaderPid: number;
}

/**
 * The first `count` machines of a bed, made and booted where they are missing or off, thawed and let in where they were
 * frozen or cut off. Each answers on port 22; a new one has nothing failed. Machines beyond `count` stay as they are.
 */
export async function ensureTestbed(options: BedOptions): Promise<Machine[]> {
  return (await raise(options)).map(asMachine);
}

/**
 * One more machine of the flavour `cloud`, which cloud-init makes what the seed says. It is started and not waited for;
 * `start` waits. Its `hostKey` is empty: the seed has it.
 */
export async function launchMachine(bed: string, seed: Seed, progress?: Progress): Promise<Machine> {
  return asMachine(await launch(bed, seed, progress));
}

/** Ends a machine and removes all it wrote. Without it, it does nothing. */
export const discardMachine = ({ bed, name }: Which): Promise<void> => discard(bed, name);

/** The machine of that name as it is now; undefined where there is none. */
export function machineOf({ bed, name }: Which): Machine | undefined {
  const record = readRecord(bed, name);
  return record && asMachine(record);
}

/** Ends and removes the bed with everything its machines wrote. */
export function destroyTestbed(bed = DEFAULT_BED, progress?: Progress): Promise<void> {
  return tearDown(bed, progress);
}

function asMachine(record: MachineRecord): Machine {
  const { bed, name, flavour, address, address6, hostKey } = record;
  return {
    bed,
    name,
    flavour,
    address,
    address6,
    gateway: gatewayFor(address),
    hostKey,
    clientKeyFile: clientKeyFile(bed),
    knownHostsFile: knownHostsFile(bed),
    sshConfigFile: sshConfigFile(bed),
    rootFolder: mergedRoot(bed, name),
    get leaderPid() {
      return leaderOf(recordOf(this));
    },
  };
}

type Which = Pick<Machine, "bed" | "name">;

function recordOf({ bed, name }: Which): MachineRecord {
  const record = readRecord(bed, name);
  if (!record) throw new Error(`bed ${bed} has no machine ${name}: it was taken down`);
  return record;
}

const namesOf = (which: Which): ReturnType<typeof kernelNames> =>
  kernelNames(which.bed, recordOf(which).number);

/**
 * Runs a program (a list of words), or a script for /bin/sh (a string), as root inside the machine, without logging in.
 * Whatever its exit code, that is a result. Rejects when the machine is off or the time is up.
 *
 * For a full disk, mount a small one: `exec(machine, "mount -t tmpfs -o size=1m small /srv/x")`.
 */
export async function exec(
  machine: Which,
  command: readonly string[] | string,
  options: Omit<RunOptions, "env"> = {},
): Promise<Outcome> {
  return await inside(recordOf(machine), command, options);
}

/** Shuts down in order. */
export const powerOff = (machine: Which): Promise<void> => powerDown(recordOf(machine));

/** As a power cut: nothing inside gets to end. */
export const kill = (machine: Which): Promise<void> => pullPlug(recordOf(machine));

/** Boots what is on the machine's disk; returns when it answers. Lifts `freeze` and `blackhole`. */
export const start = (machine: Which): Promise<void> => boot(recordOf(machine));

/** Stops every process: the kernel still accepts connections, nobody answers. */
export const freeze = (machine: Which): Promise<void> => setFrozen(namesOf(machine).group, true);
export const unfreeze = (machine: Which): Promise<void> => setFrozen(namesOf(machine).group, false);

/** Drops every packet to and from the machine, so that connecting to it takes until the caller gives up. */
export const blackhole = (machine: Which): Promise<void> => setCutOff(recordOf(machine), true);
export const unblackhole = (machine: Which): Promise<void> => setCutOff(recordOf(machine), false);

/** Gives the machine another IPv4 address of its bed's subnet; the old one answers no more. Returns the machine as it is now. */
export async function setAddress(machine: Which, address: string): Promise<Machine> {
  const record = recordOf(machine);
  const taken = recordsOf(record.bed).find(
    (other) => other.address === address && other.name !== record.name,
  );
  if (taken) throw new Error(`${address} is ${taken.name}'s`);
  const subnet = (text: string): string => text.split(".").slice(0, 3).join(".");
  if (subnet(address) !== subnet(record.address)) {
    throw new Error(`${address} is not in the subnet of bed ${record.bed}, ${subnet(record.address)}.0/24`);
  }
  if (isRunning(record)) await replaceAddress(namesOf(machine).namespace, record.address, address);
  const changed = amend(record.bed, record.name, { address });
  refreshSshFiles(record.bed);
  return asMachine(changed);
}

/** Gives the running machine another host key, as a new installation at the same address would have. Returns it as it is now. */
export async function changeHostKey(machine: Which): Promise<Machine> {
  const record = recordOf(machine);
  const file = hostKeyFile(record);
  await makeKey(file, record.name);
  // For some moments after its reload sshd takes no connection, or shows the former key.
  const take = `set -e; umask 077; cat >"$0.new"; ssh-keygen -y -f "$0.new" >"$0.pub"; mv "$0.new" "$0"
    systemctl reload ssh
    for try in $(seq 100); do
      ssh-keyscan -t ed25519 127.0.0.1 2>/dev/null | grep -qF "$(cut -d ' ' -f 2 "$0.pub")" && exit
      sleep 0.05
    done
    echo "sshd does not show it" >&2; exit 1`;
  const { code, stderr } = await inside(record, ["/bin/sh", "-c", take, "/etc/ssh/ssh_host_ed25519_key"], {
    input: readFileSync(file, "utf8"),
  });
  if (code !== 0) throw new Error(`${record.name} does not take another host key: ${stderr}`);
  const changed = amend(record.bed, record.name, { hostKey: publicKey(file) });
  refreshSshFiles(record.bed);
  return asMachine(changed);
}

/** As if newly made, with the same name, addresses and host key: what was written on it is gone. Returns when it answers. */
export async function reset(machine: Which): Promise<void> {
  await pullPlug(recordOf(machine));
  await boot(amend(machine.bed, machine.name, { personal: false }));
}

/** `cut off`: it runs, and its packets are dropped. */
export type State = "running" | "frozen" | "cut off" | "off";

export interface MachineStatus extends Pick<
  Machine,
  "bed" | "name" | "flavour" | "address" | "address6" | "hostKey"
> {
  state: State;
  /** Bytes held by its processes; undefined where the kernel does not count them. */
  memory: number | undefined;
}

/** The machines of a bed as they are now. */
export function statusOf(bed: string): MachineStatus[] {
  return recordsOf(bed).map((record) => {
    const { group } = kernelNames(bed, record.number);
    const running = isRunning(record);
    const { name, flavour, address, address6, hostKey } = record;
    const state: State = !running
      ? "off"
      : isFrozen(group)
        ? "frozen"
        : record.cutOff
          ? "cut off"
          : "running";
    return { bed, name, flavour, address, address6, hostKey, state, memory: running ? memoryOf(group) : 0 };
  });
}
