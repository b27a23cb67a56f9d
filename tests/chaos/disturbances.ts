/** What happens meanwhile that has nothing to do with what is brought out. */
import { setTimeout as sleep } from "node:timers/promises";

import { blackhole, kill, start, unblackhole } from "../../testbed/index.ts";
import { killNow, processesOf } from "../engine/processes.ts";
import { fillUp, makeRoom } from "../hosts/full-disk.ts";
import type { Dice } from "./dice.ts";
import type { Ground, House } from "./ground.ts";

export interface Disturbance {
  /** In words, for the line of the run. */
  words: string;
  /** Before `up` is started. */
  before?: () => Promise<void>;
  /** While `up` runs; it may be over before anything happens. */
  meanwhile?: (over: () => boolean) => Promise<void>;
  /** When `up` has ended: what an operator, or the day, would put right. */
  after?: () => Promise<void>;
}

/** Kinds of a disturbance, and how often each comes. */
const KINDS = {
  none: 5,
  "the provider is killed": 3,
  "the laptop is closed": 3,
  "the network is cut": 3,
  "the power is cut": 3,
  "the disk is full": 2,
  "cron is stopped": 1,
  "the agent hangs": 2,
} as const;

/** Longest time, in seconds, after which something happens during an `up`. */
const LONGEST = 10;

export function prepareDisturbance(ground: Ground, dice: Dice): Disturbance {
  const { fleet, houses } = ground;
  const kind = dice.weighted(KINDS);
  const house = dice.one(houses);
  // Half of them when something has just been switched to, which is when it hurts most.
  const switched = dice.roll() < 0.5;
  const delay = dice.roll() * LONGEST;
  const when = switched ? "when a release has just been switched to" : `after ${delay.toFixed(1)} s`;
  const { machine, path } = house;
  const pending = (): Promise<boolean> => anyHouse(houses, ({ path: at }) => `test -e ${at}/pending/until`);
  const moment = async (over: () => boolean): Promise<void> => {
    if (!switched) await sleep(delay * 1000);
    else while (!over() && !(await pending())) await sleep(100);
  };
  const own = (): { pid: number; command: string }[] => processesOf(fleet.work.dir);
  switch (kind) {
    case "none":
      return { words: "nothing else" };
    case "the provider is killed":
      return {
        words: `${kind} ${when}`,
        meanwhile: async (over) => {
          await moment(over);
          for (const { pid, command } of own()) if (command.includes("provider/main")) killNow(pid);
        },
      };
    case "the laptop is closed":
      return {
        words: `${kind} ${when}`,
        meanwhile: async (over) => {
          await moment(over);
          for (const { pid } of own()) killNow(pid);
        },
      };
    case "the network is cut":
      return {
        words: `${kind} from ${house.name}'s host ${when}`,
        meanwhile: async (over) => {
          await moment(over);
          await blackhole(machine);
        },
        after: () => unblackhole(machine),
      };
    case "the power is cut":
      return {
        words: `${kind} on ${house.name}'s host ${when}`,
        meanwhile: async (over) => {
          await moment(over);
          await kill(machine);
        },
        after: () => start(machine),
      };
    case "the disk is full": {
      const releases = `${path}/releases`;
      return {
        words: `${kind} where ${house.name}'s releases are`,
        before: () => fillUp(machine, releases),
        after: () => makeRoom(machine, releases),
      };
    }
    case "cron is stopped":
      return {
        words: `${kind} on ${house.name}'s host`,
        before: async () => void (await house.host("systemctl stop cron")),
        after: async () => void (await house.host("systemctl start cron")),
      };
    case "the agent hangs":
      return {
        words: `${house.name}'s agent hangs`,
        before: async () => void (await house.host(`systemctl kill -s STOP ${house.unit}`)),
        after: () => noticed(house),
      };
  }
}

const anyHouse = async (houses: readonly House[], test: (house: House) => string): Promise<boolean> =>
  (await Promise.all(houses.map((house) => house.holds(test(house)).catch(() => false)))).includes(true);

/**
 * The deadman switch looks as often as it takes, with a grace of seconds instead of minutes; and what was an hour ago is
 * forgotten in a minute, or it would give up an agent that hangs as often as here.
 */
async function noticed({ name, path, host }: House): Promise<void> {
  const conf = `/run/deadman-${name}.conf`;
  await host(
    `sed 's/^GRACE=.*/GRACE=2/; s/^WINDOW=.*/WINDOW=60/' ${path}/current/deadman/deadman.conf >${conf}`,
  );
  // While cron's own look has the lock, another one does nothing.
  const look = `flock -w 30 ${path}/.lock true; /bin/sh ${path}/current/deadman/deadman.sh ${conf}`;
  // What was written just before it hung is still a sign of life.
  await host(look);
  await sleep(3000);
  await host(look);
}
