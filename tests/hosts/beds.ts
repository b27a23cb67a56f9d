/** Which beds the host tests use: one for each test file that runs at a time. */
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

import { bedsFolder } from "../../testbed/paths.ts";
import { exclusively, livingOwner } from "../../toolchain/exclusive.ts";

/** The tests' own, so that an operator's beds and theirs do not disturb each other. */
const bedNumber = (number: number): string => `tests-${number}`;

const claimOf = (bed: string): string => path.join(bedsFolder(), `${bed}.claim`);
const locked = <T>(work: () => Promise<T>): Promise<T> =>
  exclusively(path.join(bedsFolder(), "tests.lock"), () => undefined, work);

/**
 * The first bed that is nobody's is this process's, until it gives it back or ends. (Vitest's own number of a worker
 * would be simpler, and two that run at a time may have the same: see Pool.schedule, which frees numbers late.)
 */
export function claimBed(): Promise<string> {
  return locked(() => {
    let number = 1;
    while (livingOwner(claimOf(bedNumber(number))) !== undefined) number++;
    const bed = bedNumber(number);
    writeFileSync(claimOf(bed), `${process.pid}\n`);
    return Promise.resolve(bed);
  });
}

export function giveBack(bed: string): void {
  rmSync(claimOf(bed), { force: true });
}

/** Beds that were claimed or made at some time and that nobody has now. */
export function unclaimedBeds(): string[] {
  const beds = readdirSync(bedsFolder())
    .map((name) => /^(tests-\d+)(\.claim)?$/.exec(name)?.[1])
    .filter((bed) => bed !== undefined);
  return [...new Set(beds)].filter((bed) => livingOwner(claimOf(bed)) === undefined);
}
