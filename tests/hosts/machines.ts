/** Real Debian machines for the host tests: one bed for all of them, machines as newly made for each file. */
import { ensureTestbed, reset, type Machine } from "../../testbed/index.ts";

/** Its own, so that an operator's beds and the tests do not disturb each other. */
export const BED = "tests";

/** The first `count` machines, with nothing on them but Debian and the harness. */
export async function freshMachines(count: number): Promise<Machine[]> {
  const machines = await ensureTestbed({ count, bed: BED });
  await Promise.all(machines.map((machine) => reset(machine)));
  return machines;
}
