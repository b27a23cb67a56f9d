/** What is mounted below a folder of ours, and how it goes away. */
import { readFileSync } from "node:fs";

import { inGroup } from "./cgroup.ts";
import { attempt, forEachAtMost, run } from "./command.ts";

/** One of this machine's mounts. */
export interface Mount {
  point: string;
  /** Options of the filesystem itself; of an overlay its layers. */
  options: string;
}

export function mounts(): Mount[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => {
      const [mount = "", filesystem = ""] = line.split(" - ");
      return {
        point: unescaped(mount.split(" ")[4] ?? ""),
        options: unescaped(filesystem.split(" ")[2] ?? ""),
      };
    });
}

/** The kernel writes blanks and backslashes in octal. */
const unescaped = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));

const AT_A_TIME = 16;

async function unmount(point: string): Promise<void> {
  const { code } = await attempt(["umount", point]);
  if (code !== 0) await run(["umount", "--lazy", point]);
}

export function isMounted(point: string): boolean {
  return mounts().some((mount) => mount.point === point);
}

/** Unmounts the folder and all below it, the innermost first. One still in use is detached and goes with its last user. */
export async function unmountBelow(folder: string): Promise<void> {
  const below = mounts()
    .map((mount) => mount.point)
    .filter((point) => point === folder || point.startsWith(`${folder}/`));
  const isInside = (point: string): boolean => below.some((other) => point.startsWith(`${other}/`));
  for (const point of below.filter(isInside).reverse()) await unmount(point);
  // Each waits for the disk, and together they wait once.
  await forEachAtMost(
    AT_A_TIME,
    below.filter((point) => !isInside(point)),
    unmount,
  );
}

/** Mounts an overlay: the first of `lower` is the uppermost. The program that does it runs in the group. */
export async function mountOverlay(
  layers: { lower: readonly string[]; upper: string; work: string },
  point: string,
  group: string,
): Promise<void> {
  for (const folder of [...layers.lower, layers.upper, layers.work]) {
    if (/[:,\\]/.test(folder)) {
      throw new Error(
        `${folder} has a ":", "," or "\\" in its name, which an overlay cannot; set TESTBED_CACHE to another folder`,
      );
    }
  }
  const options = `lowerdir=${layers.lower.join(":")},upperdir=${layers.upper},workdir=${layers.work}`;
  await run(inGroup(group, ["mount", "-t", "overlay", "wizard-houses", "-o", options, point]), {
    title: `mounting the overlay ${point}`,
  });
}
