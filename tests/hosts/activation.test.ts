/**
 * What becomes of a house when a release fails. Each row is a fault; afterwards the host is asked which
 * release runs and whether the agent is well, and the operator what was told.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";

import { BROKEN_HARNESS, type Fault } from "./faults.ts";
import { fillUp, makeRoom } from "./full-disk.ts";
import { HOUSE, makeOneHouse, PORT, UNIT, type OneHouse } from "./one-house.ts";

/** Seconds, as in the stack's configuration. */
const SETTINGS = { healthDeadline: 25, revertAfter: 15 };

let house: OneHouse;
beforeAll(async () => (house = await makeOneHouse(SETTINGS)));
afterAll(() => house?.fleet.cleanup());

describe("the first release", () => {
  it("that is not well leaves nothing running, and says that there was nothing before it", async () => {
    house.change("ends at its start");
    const { code, stdout, stderr } = await house.up();
    expect(code).toBe(1);
    expect(stdout + stderr).toContain("There was nothing to go back to");
    expect(stdout + stderr).toContain("fault: it ends at its start");
    expect(await house.standing()).toMatchObject({
      current: "",
      knownGood: "",
      pending: false,
      healthy: false,
    });
    expect(await house.host(`systemctl is-active ${UNIT} || :`)).toBe("inactive\n");
    // Nor after a boot.
    expect(await house.holds(`test -e /etc/systemd/system/multi-user.target.wants/${UNIT}`)).toBe(false);
  });

  it("that is well is confirmed", async () => {
    const release = await house.sound();
    const { rejected, ...now } = await house.standing();
    expect(now).toEqual({ current: release, knownGood: release, pending: false, healthy: true });
    expect(rejected).toHaveLength(1);
  });
});

describe("a release", () => {
  let good: string;
  beforeEach(async () => (good = await house.ready()));

  it.each<[Fault, string]>([
    ["ends at its start", "started and ended again"],
    ["ends after a second", "started and ended again"],
    ["runs and does not answer", "/health does not answer 200"],
    ["answers, with the heartbeat of another process", "its process has written no heartbeat"],
    ["goes by the agent's own configuration", "does not go by the release's chain"],
  ])("whose gateway %s is reverted at once, and refused from then on", async (fault, words) => {
    house.change(fault);
    const first = await house.up();
    expect(first.code, first.stdout + first.stderr).toBe(1);
    expect(first.stdout + first.stderr).toContain(words);
    expect(first.stdout + first.stderr).toContain("what ran before runs again and is well");
    expect(first.stdout + first.stderr).not.toContain("sk-ant");
    await house.isBack(good);

    const pid = await house.host(`systemctl show -p MainPID --value ${UNIT}`);
    const again = await house.up();
    expect(again.code).toBe(1);
    expect(again.stdout + again.stderr).toContain("is refused since it failed there");
    expect(await house.host(`systemctl show -p MainPID --value ${UNIT}`)).toBe(pid);
    await house.isBack(good);
  });

  it("is reverted when something else has its port", async () => {
    const taken = PORT + 7;
    await house.host(`systemd-run --quiet --unit=squatter python3 -c '
import socket, time
s = socket.socket(); s.bind(("127.0.0.1", ${taken})); s.listen(); time.sleep(600)'`);
    house.fleet.edit("wizards/bezalel/house.yaml", `health: ${PORT}`, `health: ${taken}`);
    const { code, stdout, stderr } = await house.up();
    await house.host("systemctl stop squatter");
    house.fleet.edit("wizards/bezalel/house.yaml", `health: ${taken}`, `health: ${PORT}`);
    expect(code).toBe(1);
    expect(stdout + stderr).toContain(`Port ${taken} already in use`);
    await house.isBack(good);
  });

  it("that has no room is not switched to", async () => {
    await fillUp(house.machine, `${HOUSE}/releases`);
    house.change();
    const { code, stdout, stderr } = await house.up();
    await makeRoom(house.machine, `${HOUSE}/releases`);
    expect(code).toBe(1);
    expect(stdout + stderr).toContain("No space left on device");
    const untouched = { current: good, knownGood: good, rejected: [], pending: false, healthy: true };
    expect(await house.standing()).toEqual(untouched);
  });

  // Last, for it leaves nothing that runs.
  it("that is taken back to one that is not well either is told as that, and comes back with the harness", async () => {
    await house.host(`touch ${BROKEN_HARNESS}`);
    house.change();
    const { code, stdout, stderr } = await house.up();
    expect(code).toBe(1);
    expect(stdout + stderr).toContain("is not well on it either");
    const { rejected, ...now } = await house.standing();
    expect(now).toEqual({ current: good, knownGood: good, pending: false, healthy: false });
    expect(rejected).toHaveLength(1);
    await house.host(`rm ${BROKEN_HARNESS}`);
    await house.sound();
  });
});
