/** A few random deploys and faults on three houses; `npm run chaos` makes as many as one likes. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { chaos } from "../chaos/run.ts";
import { makeGround, type Ground } from "../chaos/ground.ts";
import { SEEDS } from "../chaos/options.ts";
import { BED } from "./machines.ts";

const RUNS = 5;
/** Seeds by what they bring: another key and nothing else, and the laptop closed when it has just been switched. */
const [QUIET, LAPTOP_CLOSED] = [6, 29];
const say = (line: string): void => console.log(line);

let ground: Ground;
beforeAll(async () => (ground = await makeGround(BED)));
afterAll(() => ground?.fleet.cleanup());

describe("three houses", { timeout: 600_000 }, () => {
  it("are whole and well after whatever happens, and give no key away", async () => {
    const seed = Math.floor(Math.random() * SEEDS);
    const result = await chaos(ground, { runs: RUNS, seed, sabotage: undefined }, say);
    expect(result).toEqual({ runs: RUNS, broken: 0, leaks: 0, unhealthy: 0, seed });
  });

  it("are not, where a key is written into a journal", async () => {
    const { leaks } = await chaos(ground, { runs: 1, seed: QUIET, sabotage: "secret" }, say);
    expect(leaks).toBe(1);
  });

  // Last, since it leaves a house in the middle.
  it("are not, where the timers of their reverts do nothing", async () => {
    const { broken } = await chaos(ground, { runs: 1, seed: LAPTOP_CLOSED, sabotage: "revert" }, say);
    expect(broken).toBe(1);
  });
});
