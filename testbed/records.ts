/** What is written down about each machine of a bed, before it is made, so that it can be found again after a crash. */
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";

import type { Flavour } from "./image.ts";
import { machineFolder, machinesFolder } from "./paths.ts";

/** The two files of cloud-init's data source NoCloud. */
export interface Seed {
  userData: string;
  metaData: string;
}

export interface MachineRecord {
  bed: string;
  name: string;
  /** From 1; says address and kernel names. */
  number: number;
  flavour: Flavour;
  /** Folder of the image it stands on. */
  image: string;
  address: string;
  address6: string;
  /** `ssh-ed25519 AAAA…`; empty for a machine that is told by cloud-init. */
  hostKey: string;
  /** What cloud-init is told, for the flavour `cloud`. */
  seed?: Seed | undefined;
  /** Whether the overlay has been made this machine's own. */
  personal: boolean;
  /** Whether its packets are dropped. */
  cutOff: boolean;
  /** Process id of what runs its systemd-nspawn; absent when it was never started or was stopped. */
  pid?: number | undefined;
}

export const machineName = (number: number): string => `house-${String(number).padStart(2, "0")}`;

const recordFile = (bed: string, name: string): string => path.join(machineFolder(bed, name), "machine.json");

export function readRecord(bed: string, name: string): MachineRecord | undefined {
  const file = recordFile(bed, name);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as MachineRecord) : undefined;
}

export function writeRecord(record: MachineRecord): void {
  const file = recordFile(record.bed, record.name);
  mkdirSync(path.dirname(file), { recursive: true });
  // A seed has a key in it.
  writeFileSync(`${file}.new`, JSON.stringify(record, undefined, 2), { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** Changes a machine's record and returns it as it is now. */
export function amend(bed: string, name: string, change: Partial<MachineRecord>): MachineRecord {
  const record = readRecord(bed, name);
  if (!record) throw new Error(`bed ${bed} has no machine ${name}: it was taken down`);
  const amended = { ...record, ...change };
  writeRecord(amended);
  return amended;
}

/** All machines of a bed, by number. */
export function recordsOf(bed: string): MachineRecord[] {
  const folder = machinesFolder(bed);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .map((name) => readRecord(bed, name))
    .filter((record) => record !== undefined)
    .sort((a, b) => a.number - b.number);
}
