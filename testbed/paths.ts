/** Where the test bed keeps things, and the names by which it knows its own. */
import { createHash } from "node:crypto";
import { mkdirSync, realpathSync } from "node:fs";
import path from "node:path";

const CHECKOUT = path.dirname(import.meta.dirname);

/** Where the images and the beds are: `$TESTBED_CACHE`, which several checkouts may share, else a folder of this checkout. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  return made(path.resolve(env["TESTBED_CACHE"] || path.join(CHECKOUT, ".cache", "testbed")));
}

export const imagesFolder = (): string => made(path.join(cacheFolder(), "images"));
export const bedsFolder = (): string => made(path.join(cacheFolder(), "run"));

/** Without links in it, as the kernel's list of mounts will have it. */
function made(folder: string): string {
  mkdirSync(folder, { recursive: true });
  return realpathSync(folder);
}

export const bedFolder = (bed: string): string => path.join(bedsFolder(), bed);
export const machinesFolder = (bed: string): string => path.join(bedFolder(bed), "machines");
export const machineFolder = (bed: string, name: string): string => path.join(machinesFolder(bed), name);
export const mergedRoot = (bed: string, name: string): string => path.join(machineFolder(bed, name), "root");

/** What all beds of this kernel share: who has which subnet, what was raised, the lock over both. Gone after a reboot. */
export const REGISTRY = "/run/wizard-houses-testbed";

/** Begins the name of every control group and network namespace made here. */
export const PREFIX = "wizard-houses-";

/** Six hex digits that stand for a folder in names that must be short, such as those of network interfaces. */
export function shortId(folder: string): string {
  return createHash("sha256").update(folder).digest("hex").slice(0, 6);
}

/** Group, namespace and cable of machine `number` of a bed. Interface names have at most 15 characters. */
export function kernelNames(
  bed: string,
  number: number,
): { group: string; namespace: string; interface: string } {
  const id = shortId(bedFolder(bed));
  const own = `${PREFIX}${id}-${number}`;
  return { group: own, namespace: own, interface: `wh${id}-${number}` };
}

/** Group of the programs that make and connect machines. */
export const helpersGroup = (bed: string): string => kernelNames(bed, 0).group;

export const bridgeName = (bed: string): string => `whb${shortId(bedFolder(bed))}`;
