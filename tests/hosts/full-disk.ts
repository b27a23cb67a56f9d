/** A full disk, where one folder is: what is in it fits, and next to nothing else. */
import type { Machine } from "../../testbed/index.ts";
import { inside } from "./fleet.ts";

const COPY = "/run/full";

/** Lays a file system over the folder that has its contents and four blocks to spare. */
export async function fillUp(machine: Machine, folder: string): Promise<void> {
  await inside(
    machine,
    `mkdir ${COPY} && cp -a ${folder}/. ${COPY} &&
     mount -t tmpfs -o nr_blocks=$(($(du -s -B4096 ${COPY} | cut -f 1) + 4)) full ${folder} &&
     cp -a ${COPY}/. ${folder}`,
  );
}

/** The folder is as it was before, without what was written since. */
export async function makeRoom(machine: Machine, folder: string): Promise<void> {
  await inside(machine, `umount -l ${folder} && rm -r ${COPY}`);
}
