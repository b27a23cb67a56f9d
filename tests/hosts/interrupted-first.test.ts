/** The first release of a house, cut by a power failure: there is nothing to go back to, and the next update finishes it. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";

import { kill, start } from "../../testbed/index.ts";
import { hold, IS_HELD, makeHoldable } from "./hold.ts";
import { HOUSE, makeOneHouse, type OneHouse } from "./one-house.ts";

let house: OneHouse;
beforeAll(async () => {
  house = await makeOneHouse({ healthDeadline: 40, revertAfter: 15 });
  await makeHoldable(house.machine);
});
afterAll(() => house?.fleet.cleanup());
afterEach(async () => {
  const { code, stdout, stderr } = await house.fleet.run("destroy", ["--yes"]);
  expect(code, stdout + stderr).toBe(0);
});

/** Cuts the power when the host comes to a step. */
async function cut(step: string): Promise<void> {
  await hold(house.machine, step);
  const { result } = house.fleet.start("up", ["--yes", "--recover"]);
  await house.until(step, 60, () => house.holds(IS_HELD));
  await kill(house.machine);
  expect((await result).code).not.toBe(0);
  await start(house.machine);
}

describe("a first release, when the host loses its power", () => {
  it.each([
    ["before the timer runs", "systemd-run *wizard-revert*"],
    ["before it is switched to", "mv *current*"],
  ])("%s, is begun anew by the next update", async (_, step) => {
    await cut(step);
    expect(await house.standing()).toMatchObject({ current: "", pending: true, healthy: false });
    const { code, stdout, stderr } = await house.up("--recover");
    expect(code, stdout + stderr).toBe(0);
    const { current, ...now } = await house.standing();
    expect(now).toEqual({ knownGood: current, rejected: [], pending: false, healthy: true });
  });

  it("when it has just been switched to, is taken back at boot, with nothing left running", async () => {
    await cut("systemctl daemon-reload*");
    await house.until("the revert", 60, async () => !(await house.standing()).pending);
    expect(await house.standing()).toMatchObject({ current: "", knownGood: "", healthy: false });
    expect((await house.standing()).rejected).toHaveLength(1);
    await house.host(`rm ${HOUSE}/rejected`);
    const { code, stdout, stderr } = await house.up("--recover");
    expect(code, stdout + stderr).toBe(0);
    expect((await house.standing()).healthy).toBe(true);
  });
});
