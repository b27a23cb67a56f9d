/** A bed: machines beside each other on one bridge. */
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";

import { exclusively } from "../toolchain/exclusive.ts";
import { boot, newMachine } from "./boot.ts";
import { endGroup, groups } from "./cgroup.ts";
import { forEachAtMost } from "./command.ts";
import { type Flavour, type Progress, ensureImage, removeInterruptedBuilds } from "./image.ts";
import { ensureClientKey, writeSshFiles } from "./keys.ts";
import { unmountBelow } from "./mounts.ts";
import { cablesOf, ensureBridge, namespacesOf, removeBridge, unplug } from "./network.ts";
import { PREFIX, bedFolder, bedsFolder, kernelNames, machineFolder, shortId } from "./paths.ts";
import { type MachineRecord, machineName, readRecord, recordsOf } from "./records.ts";
import { register, unregister } from "./registry.ts";
import { ensureRequirements } from "./requirements.ts";
import { MOST_MACHINES, type Subnet, subnet } from "./subnet.ts";

/** Booting is bound by the processor: more at a time is no faster, and each would seem slow. */
const AT_A_TIME = 12;

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
  await ensureRequirements(progress);
  return await locked(bed, progress, async () => {
    const wanted = Array.from({ length: count }, (_, index) => index + 1);
    for (const { name, flavour: other } of recordsOf(bed).slice(0, count)) {
      if (other !== flavour)
        throw new Error(
          `${name} of bed ${bed} is of flavour ${other}; use another bed, or take it down first`,
        );
    }
    const image = await ensureImage(progress);
    mkdirSync(bedFolder(bed), { recursive: true });
    await ensureClientKey(bed);
    const net = subnet(await register(bed));
    await ensureBridge(bed, net);
    await forEachAtMost(AT_A_TIME, wanted, async (number) => {
      await boot(
        readRecord(bed, machineName(number)) ?? (await newMachine(plan(bed, number, flavour, image, net))),
      );
    });
    const all = recordsOf(bed);
    writeSshFiles(bed, all);
    return all.slice(0, count);
  });
}

function plan(
  bed: string,
  number: number,
  flavour: Flavour,
  image: string,
  net: Subnet,
): Omit<MachineRecord, "hostKey" | "personal"> {
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
    await forEachAtMost(AT_A_TIME, groups(`${PREFIX}${shortId(bedFolder(bed))}-`), endGroup);
    for (const namespace of namespacesOf(bed)) {
      await unplug(namespace, kernelNames(bed, Number(namespace.split("-").at(-1))).interface);
    }
    for (const cable of cablesOf(bed)) await unplug("", cable);
    await removeBridge(bed);
    await unmountBelow(bedFolder(bed));
    rmSync(bedFolder(bed), { recursive: true, force: true });
    await unregister(bed);
  });
}

/** Takes one machine's folder as evidence: a bed exists when it has a folder. */
export function beds(): string[] {
  const folder = bedsFolder();
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

export function refreshSshFiles(bed: string): void {
  writeSshFiles(bed, recordsOf(bed));
}

export function rootsOf(bed: string): string[] {
  return recordsOf(bed).map(({ name }) => path.join(machineFolder(bed, name), "root"));
}

function locked<T>(bed: string, progress: Progress, work: () => Promise<T>): Promise<T> {
  const wait = (pid: number): void => progress(`waiting for process ${pid}, which is changing bed ${bed}`);
  return exclusively(path.join(bedsFolder(), `${bed}.lock`), wait, work);
}

function checkName(bed: string): void {
  if (/^[A-Za-z0-9_-]{1,40}$/.test(bed)) return;
  throw new Error(`a bed's name is 1 to 40 letters, digits, "_" or "-", not ${JSON.stringify(bed)}`);
}
