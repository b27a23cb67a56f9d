/**
 * What the beds of this kernel share, whatever checkout they belong to: which subnet is whose, and the kernel limit
 * that was raised for them. The last bed to go puts the limit back.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

import { exclusively } from "../toolchain/exclusive.ts";
import { run } from "./command.ts";
import { REGISTRY, bedFolder, shortId } from "./paths.ts";
import { SUBNETS, overlaps, subnet } from "./subnet.ts";

interface Entry {
  /** Folder of the bed. */
  folder: string;
  /** Number of its subnet. */
  subnet: number;
}

const INSTANCES = "/proc/sys/fs/inotify/max_user_instances";
/** Each systemd holds about seven, and they are counted per user over all machines. */
const ENOUGH_INSTANCES = 8192;
const ORIGINAL = path.join(REGISTRY, "inotify-instances");

const locked = <T>(work: () => Promise<T>): Promise<T> =>
  exclusively(path.join(REGISTRY, "lock"), () => undefined, work);

const entryFile = (bed: string): string => path.join(REGISTRY, `${shortId(bedFolder(bed))}.json`);

/**
 * Number of the bed's subnet: the one it has, else a free one, the first tried being always the same for a bed.
 * @throws Error when all are taken
 */
export function register(bed: string): Promise<number> {
  return locked(async () => {
    raiseInstances();
    const own = readEntry(entryFile(bed));
    if (own) return own.subnet;
    const first = parseInt(shortId(bedFolder(bed)), 16) % SUBNETS;
    const taken = new Set(entries().map((entry) => entry.subnet));
    const foreign = await usedOnThisMachine();
    for (let step = 0; step < SUBNETS; step++) {
      const number = (first + step) % SUBNETS;
      if (taken.has(number) || foreign.some((range) => overlaps(range, subnet(number)))) continue;
      const entry: Entry = { folder: bedFolder(bed), subnet: number };
      writeFileSync(entryFile(bed), JSON.stringify(entry));
      return number;
    }
    throw new Error(`every subnet of 198.18.0.0/15 is taken on this machine: take other beds down first`);
  });
}

export function registeredSubnet(bed: string): number | undefined {
  return readEntry(entryFile(bed))?.subnet;
}

/** Gives the subnet back. The last one to leave restores the kernel's limit. */
export function unregister(bed: string): Promise<void> {
  return locked(async () => {
    rmSync(entryFile(bed), { force: true });
    if (entries().length === 0) restoreInstances();
    return Promise.resolve();
  });
}

function entries(): Entry[] {
  if (!existsSync(REGISTRY)) return [];
  return readdirSync(REGISTRY)
    .filter((name) => name.endsWith(".json"))
    .map((name) => readEntry(path.join(REGISTRY, name)))
    .filter((entry) => entry !== undefined);
}

function readEntry(file: string): Entry | undefined {
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Entry) : undefined;
}

/** Destinations this machine has a way to that is more than the way out. */
async function usedOnThisMachine(): Promise<string[]> {
  const routes = JSON.parse(await run(["ip", "-json", "-4", "route", "show", "table", "all"])) as {
    dst: string;
  }[];
  return routes.map((route) => route.dst).filter((dst) => dst !== "default");
}

function raiseInstances(): void {
  const now = readFileSync(INSTANCES, "utf8");
  if (Number(now) >= ENOUGH_INSTANCES) return;
  if (!existsSync(ORIGINAL)) {
    mkdirSync(REGISTRY, { recursive: true });
    writeFileSync(ORIGINAL, now);
  }
  writeFileSync(INSTANCES, `${ENOUGH_INSTANCES}`);
}

/** What somebody else set since is left alone. */
function restoreInstances(): void {
  if (!existsSync(ORIGINAL)) return;
  const original = readFileSync(ORIGINAL, "utf8");
  if (Number(readFileSync(INSTANCES, "utf8")) === ENOUGH_INSTANCES) writeFileSync(INSTANCES, original);
  rmSync(ORIGINAL);
}

/** The kernel limit that was raised for the beds, as a sentence for the operator. */
export function raisedLimit(): string | undefined {
  if (!existsSync(ORIGINAL)) return undefined;
  const original = readFileSync(ORIGINAL, "utf8").trim();
  return `fs.inotify.max_user_instances is raised from ${original} to ${ENOUGH_INSTANCES} until the last bed is down`;
}
