/** One house on one machine, and what an operator would find out about it on the host. */

import { expect } from "vitest";

import { exec, type Machine } from "../../testbed/index.ts";
import type { CommandResult } from "../engine/workspace.ts";
import { FAULTS, plantFaults, type Fault } from "./faults.ts";
import { inside, keepHouses, makeHostFleet, type HostFleet } from "./fleet.ts";
import { freshMachines } from "./machines.ts";
import { within } from "./within.ts";

export const HOUSE = "/srv/wizards/bezalel";
export const UNIT = "hermes-bezalel.service";
export const PORT = 8642;

/**
 * Whether anything may still change what is in force on the host: whatever does so holds the lock, and what has stopped in
 * the middle has left the way back.
 */
export const AT_WORK = `! flock -n ${HOUSE}/.lock true || test -e ${HOUSE}/pending || pgrep -f '[p]ending/revert.sh'`;

const CONFIG = "wizards/bezalel/config.yaml";

export interface Standing {
  current: string;
  knownGood: string;
  rejected: string[];
  pending: boolean;
  healthy: boolean;
}

export interface OneHouse {
  machine: Machine;
  fleet: HostFleet;
  /** What a script says on the host; it must succeed. */
  host(script: string): Promise<string>;
  /** Whether a script succeeds there. */
  holds(script: string): Promise<boolean>;
  /** The release that a link of the house points at. */
  target(link: string): Promise<string>;
  /** Whether the gateway answers. */
  answers(): Promise<boolean>;
  standing(): Promise<Standing>;
  /** Waits; what the host looks like is told where it was in vain. */
  until(what: string, seconds: number, condition: () => Promise<boolean>): Promise<void>;
  /** Makes another release of the house, sound or with a fault. */
  change(fault?: Fault): void;
  up(...args: string[]): Promise<CommandResult>;
  /** An `up` of a new sound release, which must succeed. Returns the release. */
  sound(): Promise<string>;
  /** Has the house well, on a release that is confirmed, where nothing has failed yet. Returns the release. */
  ready(): Promise<string>;
  /** The release before runs again and is well; the failed one is refused. */
  isBack(good: string): Promise<void>;
}

/** @param settings of the stack, e.g. `{revertAfter: 15}` */
export async function makeOneHouse(settings: Record<string, number>): Promise<OneHouse> {
  const [machine] = (await freshMachines(1)) as [Machine];
  await plantFaults(machine);
  const fleet = await makeHostFleet({ forge: machine });
  keepHouses(fleet, ["bezalel"]);
  const lines = Object.entries(settings).map(([key, value]) => `  wizard-houses:${key}: "${value}"\n`);
  if (lines.length > 0) fleet.edit("Pulumi.testbed.yaml", "config:\n", `config:\n${lines.join("")}`);

  let turns = 0;
  let edits = 0;
  const host: OneHouse["host"] = (script) => inside(machine, script);
  const holds: OneHouse["holds"] = async (script) => (await exec(machine, script)).code === 0;
  const target: OneHouse["target"] = async (link) =>
    (await host(`readlink ${HOUSE}/${link} || :`)).trim().replace("releases/", "");
  const answers: OneHouse["answers"] = () =>
    holds(`curl -s -m 5 http://127.0.0.1:${PORT}/health | grep -q '"status": *"ok"'`);
  const standing: OneHouse["standing"] = async () => ({
    current: await target("current"),
    knownGood: await target("known-good"),
    rejected: (await host(`cut -f 1 ${HOUSE}/rejected 2>/dev/null || :`))
      .split("\n")
      .filter((id) => id !== ""),
    pending: await holds(`test -e ${HOUSE}/pending`),
    healthy: await answers(),
  });
  const change: OneHouse["change"] = (fault) => {
    const value = fault === undefined ? 100 + ++turns : FAULTS[fault];
    // The count makes it another text, which `edit` insists on, where the same fault comes twice.
    fleet.edit(CONFIG, /max_turns: \d+( # \d+)?/, `max_turns: ${value} # ${++edits}`);
  };
  const up: OneHouse["up"] = (...args) => fleet.run("up", ["--yes", ...args]);
  const sound: OneHouse["sound"] = async () => {
    change();
    // What an interrupted run before has left is cleared up by the way.
    const { code, stdout, stderr } = await up("--recover");
    expect(code, stdout + stderr).toBe(0);
    return target("current");
  };
  return {
    ...{ machine, fleet, host, holds, target, answers, standing, change, up, sound },
    async until(what, seconds, condition) {
      if (await within(seconds, condition)) return;
      const journal = await host(`journalctl --no-pager -n 60 -o short-monotonic`);
      throw new Error(`${what}: not within ${seconds} s\n${JSON.stringify(await standing())}\n${journal}`);
    },
    async ready() {
      await host(`rm -f ${HOUSE}/rejected`);
      const release = await target("current");
      return release === "" || release !== (await target("known-good")) || !(await answers())
        ? sound()
        : release;
    },
    async isBack(good) {
      const { rejected, ...rest } = await standing();
      expect(rest).toEqual({ current: good, knownGood: good, pending: false, healthy: true });
      expect(rejected).toHaveLength(1);
      expect(rejected).not.toContain(good);
      // Nothing is left that could go off later.
      expect(await host("systemctl list-timers --all --no-legend | grep wizard-revert || :")).toBe("");
    },
  };
}
