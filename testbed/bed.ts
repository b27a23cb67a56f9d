/** A bed: machines beside each other on one bridge. */
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";

import { exclusively } from "../toolchain/exclusive.ts";
import { boot, powerOn, pullPlug } from "./boot.ts";
import { endGroup, groups } from "./cgroup.ts";
import { forEachAtMost } from "./command.ts";
import {
  type Flavour,
  type Progress,
  ensureCloudLayer,
  ensureImage,
  removeInterruptedBuilds,
} from "./image.ts";
import { ensureClientKey, writeSshFiles } from "./keys.ts";
import { unmountBelow } from "./mounts.ts";
import { ensureBridge, removeNetwork, unplugMachine } from "./network.ts";
import { PREFIX, bedFolder, bedsFolder, machineFolder, shortId } from "./paths.ts";
import { type Planned, newMachine } from "./personal.ts";
import {
  type MachineRecord,
  type Seed,
  amend,
  machineName,
  readRecord,
  recordsOf,
  writeRecord,
} from "./records.ts";
import { register, unregister } from "./registry.ts";
import { ensureRequirements } from "./requirements.ts";
import { MOST_MACHINES, type Subnet, subnet } from "./subnet.ts";

/** Booting is bound by the processor: more at a time is no faster, and each would seem slow. */
const AT_A_TIME = 12;

/** Where systemd-nspawn leaves an empty folder for each machine it ran. */
const NSPAWN_FOLDERS = "/run/systemd/nspawn/propagate";

export interface BedOptions {
  /** Machines wanted, 1 to 240. */
  count: number;
  /** Default `default`. Letters, digits, "_" and "-". */
  bed?: string;
  /** Default `full`. */
  flavour?: Flavour;
  progress?: Progress;
}

export const DEFAULT_BED = "default";

/** Makes the machines that are missing and boots those that are off. Returns the records of the first `count`. */
export async function raise(options: BedOptions): Promise<MachineRecord[]> {
  const { count, bed = DEFAULT_BED, flavour = "full", progress = () => undefined } = options;
  checkName(bed);
  if (!Number.isInteger(count) || count < 1 || count > MOST_MACHINES) {
    throw new Error(`a bed has 1 to ${MOST_MACHINES} machines, not ${count}`);
  }
  if (flavour === "cloud") throw new Error("machines of flavour cloud are made one by one, by launch");
  await ensureRequirements(progress);
  return await locked(bed, progress, async () => {
    const wanted = Array.from({ length: count }, (_, index) => index + 1);
    for (const { name, flavour: other } of recordsOf(bed).slice(0, count)) {
      if (other !== flavour)
        throw new Error(
          `${name} of bed ${bed} is of flavour ${other}; use another bed, or take it down first`,
        );
    }
    const { image, net } = await prepare(bed, progress);
    await forEachAtMost(AT_A_TIME, wanted, async (number) => {
      const planned = plan(bed, number, flavour, image, net);
      await boot(recorded(planned, net) ?? (await newMachine(planned)));
    });
    const all = recordsOf(bed);
    writeSshFiles(bed, all);
    return all.slice(0, count);
  });
}

/** What every machine of a bed stands on and is connected to. */
async function prepare(bed: string, progress: Progress): Promise<{ image: string; net: Subnet }> {
  const image = await ensureImage(progress);
  mkdirSync(bedFolder(bed), { recursive: true });
  await ensureClientKey(bed);
  const net = subnet(await register(bed));
  await ensureBridge(bed, net);
  return { image, net };
}

/**
 * Makes one more machine, as a cloud does: started with what cloud-init is told, and not waited for. The lowest number that
 * is free is its own.
 */
export async function launch(
  bed: string,
  seed: Seed,
  progress: Progress = () => undefined,
): Promise<MachineRecord> {
  checkName(bed);
  await ensureRequirements(progress);
  return await locked(bed, progress, async () => {
    const { image, net } = await prepare(bed, progress);
    await ensureCloudLayer(image, progress);
    const taken = new Set(recordsOf(bed).map(({ number }) => number));
    const number = Array.from({ length: MOST_MACHINES }, (_, index) => index + 1).find((n) => !taken.has(n));
    if (number === undefined) throw new Error(`bed ${bed} has ${MOST_MACHINES} machines, which is the most`);
    const machine = {
      ...plan(bed, number, "cloud", image, net),
      hostKey: "",
      personal: false,
      cutOff: false,
    };
    writeRecord({ ...machine, seed });
    await powerOn({ ...machine, seed });
    return { ...machine, seed };
  });
}

/** Ends one machine and removes all it wrote. Without it, it does nothing. */
export async function discard(bed: string, name: string): Promise<void> {
  await locked(
    bed,
    () => undefined,
    async () => {
      const record = readRecord(bed, name);
      if (!record) return;
      await pullPlug(record);
      await unplugMachine(bed, record.number);
      await unmountBelow(machineFolder(bed, name));
      rmSync(machineFolder(bed, name), { recursive: true, force: true });
    },
  );
}

/** The machine as it was written down. After a reboot of this machine the bed may have got another subnet. */
function recorded(planned: Planned, net: Subnet): MachineRecord | undefined {
  const record = readRecord(planned.bed, planned.name);
  if (!record || net.has(record.address)) return record;
  return amend(planned.bed, planned.name, { address: planned.address, address6: planned.address6 });
}

function plan(bed: string, number: number, flavour: Flavour, image: string, net: Subnet): Planned {
  const [address, address6] = [net.address(number), net.address6(number)];
  return { bed, name: machineName(number), number, flavour, image, address, address6 };
}

/**
 * Ends and removes everything of the bed: what its records tell of, and whatever else carries its names. Nothing else is
 * touched. Without such a bed it does nothing.
 */
export async function tearDown(bed: string, progress: Progress = () => undefined): Promise<void> {
  checkName(bed);
  await locked(bed, progress, async () => {
    await removeInterruptedBuilds(progress);
    await Promise.all(groups(namesOf(bed)).map(endGroup));
    await removeNetwork(bed);
    for (const folder of startingWith(namesOf(bed), NSPAWN_FOLDERS)) rmSync(folder, { recursive: true });
    await unmountBelow(bedFolder(bed));
    rmSync(bedFolder(bed), { recursive: true, force: true });
    await unregister(bed);
  });
}

/** How the names of the bed's groups and namespaces begin. */
const namesOf = (bed: string): string => `${PREFIX}${shortId(bedFolder(bed))}-`;

function startingWith(prefix: string, folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.startsWith(prefix))
    .map((name) => path.join(folder, name));
}

/** Names of the beds there are, also of half-made ones. */
export function bedNames(): string[] {
  return readdirSync(bedsFolder(), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

export function refreshSshFiles(bed: string): void {
  writeSshFiles(bed, recordsOf(bed));
}

function locked<T>(bed: string, progress: Progress, work: () => Promise<T>): Promise<T> {
  const wait = (pid: number): void => progress(`waiting for process ${pid}, which is changing bed ${bed}`);
  return exclusively(path.join(bedsFolder(), `${bed}.lock`), wait, work);
}

function checkName(bed: string): void {
  if (/^[A-Za-z0-9_-]{1,40}$/.test(bed)) return;
  throw new Error(`a bed's name is 1 to 40 letters, digits, "_" or "-", not ${JSON.stringify(bed)}`);
}
