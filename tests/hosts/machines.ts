/** Real Debian machines for the host tests: a bed for each file that runs at a time, machines as newly made for each file. */
import { afterAll } from "vitest";

import { ensureTestbed, reset, type Machine } from "../../testbed/index.ts";
import { claimBed, giveBack } from "./beds.ts";

/** The bed of this test file. */
export const BED = await claimBed();

// What is registered first is done last: the file's own cleaning up comes before.
afterAll(() => giveBack(BED));

/** The first `count` machines, with nothing on them but Debian and the harness. */
export async function freshMachines(count: number): Promise<Machine[]> {
  const machines = await ensureTestbed({ count, bed: BED });
  await Promise.all(machines.map((machine) => reset(machine)));
  return machines;
}
