/**
 * Control groups: every process started here is in one of ours from its first moment, with all its children. So what
 * is ours can be found, frozen and ended without ever asking whose process a number is.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { PREFIX } from "./paths.ts";

/** Hierarchies of the first version that a machine needs a place of its own in: systemd's own, and what is measured. */
const FIRST_VERSION = ["name=systemd", "memory", "pids"];

interface Hierarchies {
  /** Mount point of the second version; it freezes and kills. */
  unified: string;
  /** Mount points of the first version, where this machine still has them. */
  others: string[];
}

/** The hierarchies mounted on this machine, or undefined without one that can kill a group. */
export function hierarchies(): Hierarchies | undefined {
  let unified: string | undefined;
  const others: string[] = [];
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n")) {
    const [mount = "", filesystem = ""] = line.split(" - ");
    const point = mount.split(" ")[4] ?? "";
    const [type, , options = ""] = filesystem.split(" ");
    if (type === "cgroup2") unified ??= point;
    if (type === "cgroup" && options.split(",").some((word) => FIRST_VERSION.includes(word)))
      others.push(point);
  }
  return unified === undefined ? undefined : { unified, others };
}

function known(): Hierarchies {
  const found = hierarchies();
  if (!found) throw new Error("no unified control group hierarchy (cgroup2) is mounted on this machine");
  return found;
}

const script = (name: string): string => path.join(import.meta.dirname, name);

/** Makes the group where it is not there. Returns the command that runs `argv` inside it. */
export function inGroup(group: string, argv: readonly string[]): string[] {
  return ["sh", script("launch.sh"), ...made(group), "--", ...argv];
}

/**
 * The same for systemd-nspawn, which is started again when its machine reboots. Below the group it finds the subgroup
 * where it would go itself: a group with subgroups may not hold processes where the kernel has only the second version.
 */
export function inMachineGroup(group: string, argv: readonly string[]): string[] {
  const [unified = "", ...others] = made(group);
  const supervisor = path.join(unified, "supervisor");
  mkdirSync(supervisor, { recursive: true });
  return ["sh", script("power.sh"), supervisor, ...others, "--", ...argv];
}

/** Folders of the group, that of the second version first. */
function made(group: string): string[] {
  const { unified, others } = known();
  const folders = [unified, ...others].map((mount) => path.join(mount, group));
  for (const folder of folders) mkdirSync(folder, { recursive: true });
  return folders;
}

/** Names of our groups that begin with `prefix`. */
export function groups(prefix = PREFIX): string[] {
  const found = hierarchies();
  if (!found) return [];
  const names = [found.unified, ...found.others].flatMap((mount) => readdirSync(mount));
  return [...new Set(names)].filter((name) => name.startsWith(prefix));
}

/** Whether the process is in the group or in one below it. */
export function isIn(group: string, pid: number): boolean {
  try {
    return new RegExp(`^0::/${group}(/|$)`, "m").test(readFileSync(`/proc/${pid}/cgroup`, "utf8"));
  } catch (error) {
    if (error instanceof Error && "code" in error && ["ENOENT", "ESRCH"].includes(String(error.code)))
      return false;
    throw error;
  }
}

function isPopulated(group: string): boolean {
  return /^populated 1$/m.test(read(group, "cgroup.events"));
}

export function isFrozen(group: string): boolean {
  return read(group, "cgroup.freeze").trim() === "1";
}

/** Stops every process of the group where it stands, or lets all go on. Returns when it is so. */
export async function setFrozen(group: string, frozen: boolean): Promise<void> {
  writeFileSync(path.join(known().unified, group, "cgroup.freeze"), frozen ? "1" : "0");
  await until(`${group} to be ${frozen ? "frozen" : "thawed"}`, () =>
    new RegExp(`^frozen ${frozen ? 1 : 0}$`, "m").test(read(group, "cgroup.events")),
  );
}

/** Kills every process of the group, waits for the last to go, and removes the group. Without one it does nothing. */
export async function endGroup(group: string): Promise<void> {
  const { unified, others } = known();
  const kill = path.join(unified, group, "cgroup.kill");
  await until(`the processes of ${group} to end`, () => {
    if (existsSync(kill)) writeFileSync(kill, "1");
    return !isPopulated(group);
  });
  for (const mount of [unified, ...others]) {
    // The kernel lets go of a group some moments after its last process.
    await until(`${group} to be removed`, () => removed(path.join(mount, group)));
  }
}

/**
 * Bytes the group's processes hold that are not a cache of files: their own memory, tmpfs, and the kernel's for them.
 * Undefined where this machine does not count memory by group.
 */
export function memoryOf(group: string): number | undefined {
  const folder = [...known().others, known().unified]
    .map((mount) => path.join(mount, group))
    .find((place) => existsSync(path.join(place, "memory.stat")));
  if (folder === undefined) return undefined;
  const stat = readFileSync(path.join(folder, "memory.stat"), "utf8");
  const value = (key: string): number => Number(new RegExp(`^${key} (\\d+)$`, "m").exec(stat)?.[1] ?? 0);
  const kernel = path.join(folder, "memory.kmem.usage_in_bytes");
  if (existsSync(kernel))
    return value("total_rss") + value("total_shmem") + Number(readFileSync(kernel, "utf8"));
  return value("anon") + value("shmem") + value("kernel");
}

function read(group: string, file: string): string {
  try {
    return readFileSync(path.join(known().unified, group, file), "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && ["ENOENT", "ENODEV"].includes(String(error.code)))
      return "";
    throw error;
  }
}

function removed(folder: string): boolean {
  if (!existsSync(folder)) return true;
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory() && !removed(path.join(folder, entry.name))) return false;
    }
    rmdirSync(folder);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EBUSY") return false;
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return true;
    throw error;
  }
}

/** Waits up to 60 s: a machine with much else to do takes its time to let go of processes. */
async function until(what: string, done: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (let pause = 2; !done(); pause = Math.min(pause * 2, 100)) {
    if (Date.now() > deadline) throw new Error(`waited 60 s for ${what}`);
    await sleep(pause);
  }
}
