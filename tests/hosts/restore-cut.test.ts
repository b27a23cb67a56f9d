/** A restore that is cut at the steps that matter: afterwards the house has one whole home, and is well on it. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { exec, kill, start } from "../../testbed/index.ts";
import { killNow, processesOf } from "../engine/processes.ts";
import { HOUSE, makeBackupBed, remember, remembered, UNIT, type BackupBed } from "./backup-bed.ts";
import { inside } from "./fleet.ts";
import { hold, IS_HELD, letGo, makeHoldable } from "./hold.ts";
import { AT_WORK } from "./one-house.ts";

let bed: BackupBed;
let archive: string;
const holds = async (script: string): Promise<boolean> => (await exec(bed.forge, script)).code === 0;

/** Kills the script itself, with what waits in its place. */
const KILL_SCRIPT = `for p in $(pgrep -f '^/bin/sh /usr/bin/(systemctl|systemd-run|mv|timeout) '); do
  kill -9 "$(sed -n 's/^PPid:\\t//p' /proc/$p/status)" $p; done`;
/** What cron does once a minute: it reverts what nobody has armed a timer for. */
const DEADMAN = `/bin/sh ${HOUSE}/current/deadman/deadman.sh ${HOUSE}/current/deadman/deadman.conf`;

const FAULTS = {
  async "the laptop is closed"() {
    for (const { pid } of processesOf(bed.fleet.work.dir)) killNow(pid);
    await letGo(bed.forge);
  },
  async "the script is killed"() {
    await inside(bed.forge, KILL_SCRIPT);
    await letGo(bed.forge);
  },
  async "the host loses its power"() {
    await kill(bed.forge);
    await start(bed.forge);
    await inside(bed.forge, "systemctl stop cron");
  },
};

/** At which call on the host, what happens there, and which home the house has in the end. */
const ROWS: [step: string, at: string, fault: keyof typeof FAULTS, home: "before" | "restored"][] = [
  ["while it is unpacked", "timeout *unpack.py*", "the laptop is closed", "before"],
  ["before its way back is in place", "mv *pending.new */pending", "the laptop is closed", "before"],
  ["before its way back is in place", "mv *pending.new */pending", "the script is killed", "before"],
  ["before the timer runs", "systemd-run *wizard-revert*", "the script is killed", "before"],
  ["when the homes have changed places", `systemctl restart *${UNIT}*`, "the script is killed", "before"],
  ["when the homes have changed places", `systemctl restart *${UNIT}*`, "the host loses its power", "before"],
  ["while it is waited for", "curl *health*", "the laptop is closed", "restored"],
  ["before what was there is put aside", "mv *displaced*", "the host loses its power", "restored"],
];

beforeAll(async () => {
  bed = await makeBackupBed();
  await bed.run(0, "up", "--yes");
  await bed.until("the gateway's database", 30, () => holds(`test -s ${HOUSE}/home/state.db`));
  await inside(bed.forge, "systemctl stop cron");
  await remember(bed, bed.forge, "restored");
  archive = await bed.backup();
  await makeHoldable(bed.forge);
}, 300_000);
afterAll(() => bed?.cleanup());

describe("a restore that is cut", () => {
  it.each(ROWS)("%s (%s): %s", { timeout: 240_000 }, async (_step, at, fault, home) => {
    await remember(bed, bed.forge, "before");
    await hold(bed.forge, at);
    const words = ["bezalel", archive, "--identity", bed.keys.age, "--yes"];
    const { result } = bed.fleet.start("restore", words);
    await bed.until(at, 60, () => holds(IS_HELD));
    await FAULTS[fault]();
    expect((await result).code).not.toBe(0);
    await bed.until("rest", 140, async () => {
      const busy = await holds(AT_WORK);
      if (busy) await exec(bed.forge, DEADMAN);
      return !busy && (await bed.answers(bed.forge));
    });
    expect(await remembered(bed, bed.forge)).toEqual(
      home === "restored" ? ["restored"] : ["before", "restored"],
    );
    expect(await inside(bed.forge, "systemctl list-timers --all --no-legend | grep wizard-revert || :")).toBe(
      "",
    );
    // And nothing of it is in the way of the next one.
    const said = await bed.run(0, "restore", ...words);
    expect(said).toContain("restored: ");
    expect(await remembered(bed, bed.forge)).toEqual(["restored"]);
    await inside(bed.forge, `rm -rf ${HOUSE}/displaced`);
  });
});
