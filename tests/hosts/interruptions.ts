/**
 * A fault that has nothing to do with the release, at every step of its activation: the laptop is closed, the network is
 * cut, the host loses its power. The host must come to rest by itself on one whole release that once passed its check.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";

import { blackhole, kill, start, unblackhole } from "../../testbed/index.ts";
import { killNow, processesOf } from "../engine/processes.ts";
import { Evidence } from "./evidence.ts";
import { hold, IS_HELD, letGo, makeHoldable } from "./hold.ts";
import { AT_WORK, HOUSE, makeOneHouse, UNIT, type OneHouse } from "./one-house.ts";

/** Seconds, as in the stack's configuration. */
const SETTINGS = { healthDeadline: 40, revertAfter: 12 };

export type Interruption = "the laptop is closed" | "the network is cut" | "the host loses its power";

/** What is in force in the end, as the page has it. */
const ENDS = {
  /** Nothing else was ever switched to. */
  untouched: "before, untouched",
  reverted: "before, well again",
  confirmed: "new, confirmed",
} as const;
type End = keyof typeof ENDS;

interface StepRow {
  /** The call on the host that waits meanwhile, as a shell pattern. */
  at: string;
  ends: End;
  /** Where it makes a difference that the host itself goes down. */
  withoutPower?: End;
}

/** Every step of an activation, in order. */
const STEPS: Record<string, StepRow> = {
  "while it is staged": { at: "mktemp *.staged/*", ends: "untouched" },
  "while it is checked": { at: "timeout *check-host.sh*", ends: "untouched" },
  // The sender has just been asked whether it is still there: from here on the host goes on without it, and nobody confirms.
  "before the revert is armed": {
    at: "mv *pending.new */pending",
    ends: "reverted",
    withoutPower: "untouched",
  },
  "before the timer runs": { at: "systemd-run *wizard-revert*", ends: "reverted" },
  "before it is switched to": { at: "mv *current*", ends: "reverted" },
  "when it has just been switched to": { at: "systemctl daemon-reload*", ends: "reverted" },
  "before its gateway is restarted": { at: `systemctl restart *${UNIT}*`, ends: "reverted" },
  // The new connection is there, which is what it was to prove: the host finds out about the rest alone.
  "while it is waited for": { at: "curl *health*", ends: "confirmed", withoutPower: "reverted" },
  "before the revert is disarmed": { at: "mv *pending.done*", ends: "confirmed", withoutPower: "reverted" },
  "before it is known as good": { at: "mv *known-good*", ends: "confirmed" },
  "while old ones are removed": { at: "rm *releases/[0-9a-f]*", ends: "confirmed" },
};

/** The rows of one interruption. */
export function interruptions(interruption: Interruption): void {
  const evidence = new Evidence(interruption);
  let house: OneHouse;
  beforeAll(async () => {
    house = await makeOneHouse(SETTINGS);
    // As many as are kept, so that the next one has something to remove.
    for (let count = 0; count < 3; count++) await house.sound();
    await makeHoldable(house.machine);
  });
  afterAll(() => house?.fleet.cleanup());

  /** Does what the row is called, and lets the host go on if it can. */
  async function interrupt(): Promise<void> {
    const { machine, fleet } = house;
    if (interruption === "the host loses its power") {
      await kill(machine);
      await start(machine);
      return;
    }
    if (interruption === "the network is cut") await blackhole(machine);
    else for (const { pid } of processesOf(fleet.work.dir)) killNow(pid);
    await letGo(machine);
  }

  describe(interruption, () => {
    let good: string;
    beforeEach(async () => (good = await house.ready()));

    it.each(Object.entries(STEPS))("%s", { timeout: 240_000 }, async (step, { at, ends, withoutPower }) => {
      const { machine, fleet, until, holds, target, standing } = house;
      const end = interruption === "the host loses its power" ? (withoutPower ?? ends) : ends;
      house.change();
      await hold(machine, at);
      const { result } = fleet.start("up", ["--yes", "--recover"]);
      let code: number;
      try {
        await until(step, 60, () => holds(IS_HELD));
        await interrupt();
        ({ code } = await result);
        await until(`${step}: rest`, SETTINGS.revertAfter + SETTINGS.healthDeadline + 30, async () => {
          // In this order: what is at work now may yet change what is looked at then.
          if (await holds(AT_WORK)) return false;
          const { current, healthy } = await standing();
          return (current === good) === (end !== "confirmed") && healthy;
        });
      } finally {
        await unblackhole(machine);
      }
      expect(code).not.toBe(0);
      const now = await standing();
      const release = now.current;
      expect(now.rejected.length).toBe(end === "reverted" ? 1 : 0);
      expect(await house.host("systemctl list-timers --all --no-legend | grep wizard-revert || :")).toBe("");
      // It is whole: every file of it is there, with nothing half written beside it.
      expect(await house.host(`cd ${HOUSE}/releases && find ${release} -name '.*.????????'`)).toBe("");
      const [line = ""] = (await house.host("journalctl -t wizard-house -o cat -n 1 --no-pager || :")).split(
        "\n",
      );
      // Where there was no time left for the mark, the next update has it.
      if (now.knownGood !== release) expect((await house.up("--recover")).code).toBe(0);
      expect(await target("known-good")).toBe(release);
      evidence.row(step, ENDS[end], { release, code, line: end === "reverted" ? line : "" });
    });

    it("has a row in the page for each", () => evidence.compare());
  });
}
