/** Waiting for something that takes a look at a machine. */
import { setTimeout as sleep } from "node:timers/promises";

/** Milliseconds between two looks. */
const [SHORTEST, LONGEST] = [100, 1000];

/**
 * Looks until it is so; false where it was in vain. A look takes processor from what it waits for, the more the busier the
 * machine is: it looks for a quarter of the time.
 */
export async function within(seconds: number, condition: () => Promise<boolean>): Promise<boolean> {
  for (const end = Date.now() + seconds * 1000; ;) {
    const from = Date.now();
    if (await condition()) return true;
    if (Date.now() >= end) return false;
    await sleep(Math.min(LONGEST, Math.max(SHORTEST, 3 * (Date.now() - from))));
  }
}
