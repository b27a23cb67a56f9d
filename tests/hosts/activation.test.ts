/**
 * What becomes of a house when a release fails, at whatever step. Each row is a fault; afterwards the host is asked which
 * release runs and whether the agent is well, and the operator what was told.
 */
import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";

import { blackhole, exec, kill, start, unblackhole, type Machine } from "../../testbed/index.ts";
import { processesOf } from "../engine/processes.ts";
import { FAULTS, plantFaults, type Fault } from "./faults.ts";
import { inside, keepHouses, makeHostFleet, type HostFleet } from "./fleet.ts";
import { freshMachines } from "./machines.ts";

const HOUSE = "/srv/wizards/bezalel";
const UNIT = "hermes-bezalel.service";
const PORT = 8642;
const CONFIG = "wizards/bezalel/config.yaml";
/** Seconds, as in the stack's configuration. */
const SETTINGS = { healthDeadline: 12, revertAfter: 15 };

let machine: Machine;
let fleet: HostFleet;
const host = (script: string): Promise<string> => inside(machine, script);
const holds = async (script: string): Promise<boolean> => (await exec(machine, script)).code === 0;

/** What an operator would find out on the host. */
interface Standing {
  current: string;
  knownGood: string;
  rejected: string[];
  pending: boolean;
  healthy: boolean;
}

const target = async (link: string): Promise<string> =>
  (await host(`readlink ${HOUSE}/${link} || :`)).trim().replace("releases/", "");
const answers = (): Promise<boolean> =>
  holds(`curl -s -m 5 http://127.0.0.1:${PORT}/health | grep -q '"status": *"ok"'`);

async function standing(): Promise<Standing> {
  return {
    current: await target("current"),
    knownGood: await target("known-good"),
    rejected: (await host(`cut -f 1 ${HOUSE}/rejected 2>/dev/null || :`))
      .split("\n")
      .filter((id) => id !== ""),
    pending: await holds(`test -e ${HOUSE}/pending`),
    healthy: await answers(),
  };
}

async function until(what: string, seconds: number, condition: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + seconds * 1000; !(await condition()); await sleep(100)) {
    if (Date.now() < end) continue;
    const journal = await host(`journalctl --no-pager -n 60 -o short-monotonic`);
    throw new Error(`${what}: not within ${seconds} s\n${JSON.stringify(await standing())}\n${journal}`);
  }
}

let turns = 0;
let edits = 0;
/** Makes another release of the house, sound or with a fault. */
function change(fault?: Fault): void {
  const value = fault === undefined ? 100 + ++turns : FAULTS[fault];
  // The count makes it another text, which `edit` insists on, where the same fault comes twice.
  fleet.edit(CONFIG, /max_turns: \d+( # \d+)?/, `max_turns: ${value} # ${++edits}`);
}
const up = () => fleet.run("up", ["--yes"]);

/** An `up` that must succeed. */
async function sound(): Promise<string> {
  change();
  const { code, stdout, stderr } = await up();
  expect(code, stdout + stderr).toBe(0);
  return target("current");
}

/** A house that is well, on a release that is confirmed, where nothing has failed yet. Returns the release. */
async function ready(): Promise<string> {
  await host(`rm -f ${HOUSE}/rejected`);
  const release = await target("current");
  return release === "" || !(await answers()) ? sound() : release;
}

/** The release before runs again and is well; the failed one is refused. */
async function isBack(good: string): Promise<void> {
  const { rejected, ...rest } = await standing();
  expect(rest).toEqual({ current: good, knownGood: good, pending: false, healthy: true });
  expect(rejected).toHaveLength(1);
  expect(rejected).not.toContain(good);
  // Nothing is left that could go off later.
  expect(await host("systemctl list-timers --all --no-legend | grep wizard-revert || :")).toBe("");
}

async function makeFleet(): Promise<void> {
  [machine] = (await freshMachines(1)) as [Machine];
  await plantFaults(machine);
  fleet = await makeHostFleet({ forge: machine });
  keepHouses(fleet, ["bezalel"]);
  const settings = Object.entries(SETTINGS).map(([key, seconds]) => `  wizard-houses:${key}: "${seconds}"\n`);
  fleet.edit("Pulumi.testbed.yaml", "config:\n", `config:\n${settings.join("")}`);
}

beforeAll(makeFleet);
afterAll(() => fleet?.cleanup());

describe("the first release", () => {
  it("that is not well leaves nothing running, and says that there was nothing before it", async () => {
    change("ends at its start");
    const { code, stdout, stderr } = await up();
    expect(code).toBe(1);
    expect(stdout + stderr).toContain("There was nothing to go back to");
    expect(stdout + stderr).toContain("fault: it ends at its start");
    expect(await standing()).toMatchObject({ current: "", knownGood: "", pending: false, healthy: false });
    expect(await host(`systemctl is-active ${UNIT} || :`)).toBe("inactive\n");
    // Nor after a boot.
    expect(await holds(`test -e /etc/systemd/system/multi-user.target.wants/${UNIT}`)).toBe(false);
  });

  it("that is well is confirmed", async () => {
    const release = await sound();
    const { rejected, ...now } = await standing();
    expect(now).toEqual({ current: release, knownGood: release, pending: false, healthy: true });
    expect(rejected).toHaveLength(1);
  });
});

describe("a release", () => {
  let good: string;
  beforeEach(async () => (good = await ready()));

  it.each<[Fault, string]>([
    ["ends at its start", "started and ended again"],
    ["ends after a second", "started and ended again"],
    ["runs and does not answer", "/health does not answer 200"],
    ["answers, with the heartbeat of another process", "its process has written no heartbeat"],
    ["goes by the agent's own configuration", "does not go by the release's chain"],
  ])("whose gateway %s is reverted at once, and refused from then on", async (fault, words) => {
    change(fault);
    const first = await up();
    expect(first.code, first.stdout + first.stderr).toBe(1);
    expect(first.stdout + first.stderr).toContain(words);
    expect(first.stdout + first.stderr).toContain("what ran before runs again and is well");
    expect(first.stdout + first.stderr).not.toContain("sk-ant");
    await isBack(good);

    const pid = await host(`systemctl show -p MainPID --value ${UNIT}`);
    const again = await up();
    expect(again.code).toBe(1);
    expect(again.stdout + again.stderr).toContain("is refused since it failed there");
    expect(await host(`systemctl show -p MainPID --value ${UNIT}`)).toBe(pid);
    await isBack(good);
  });

  it("is reverted when something else has its port", async () => {
    const taken = PORT + 7;
    await host(`systemd-run --quiet --unit=squatter python3 -c '
import socket, time
s = socket.socket(); s.bind(("127.0.0.1", ${taken})); s.listen(); time.sleep(600)'`);
    fleet.edit("wizards/bezalel/house.yaml", `health: ${PORT}`, `health: ${taken}`);
    const { code, stdout, stderr } = await up();
    await host("systemctl stop squatter");
    fleet.edit("wizards/bezalel/house.yaml", `health: ${taken}`, `health: ${PORT}`);
    expect(code).toBe(1);
    expect(stdout + stderr).toContain(`Port ${taken} already in use`);
    await isBack(good);
  });
});

/** Where `up` is when the fault comes, as it shows on the host. */
const STEPS = {
  "while it is checked": `pgrep -f 'check-harness.p[y]'`,
  "when it has just been switched to": `test -e ${HOUSE}/pending/until`,
  "while it is waited for": `test -e ${HOUSE}/pending/until && journalctl -u ${UNIT} -o cat -n 5 | grep -q fault:`,
} as const;
type StepName = keyof typeof STEPS;

/** Runs `up` with a release that has `fault` until the step is reached. */
async function reach(step: StepName): Promise<ReturnType<HostFleet["start"]>> {
  change(step === "while it is checked" ? "takes long to be checked" : "runs and does not answer");
  const started = fleet.start("up", ["--yes"]);
  await until(step, 60, () => holds(STEPS[step]));
  return started;
}

describe.each(Object.keys(STEPS) as StepName[])("%s", (step) => {
  const switched = step !== "while it is checked";
  let good: string;
  beforeEach(async () => (good = await ready()));

  async function comesBack(): Promise<void> {
    await until("the release before", SETTINGS.revertAfter + SETTINGS.healthDeadline + 20, async () => {
      return (
        (await target("current")) === good && !(await holds(`test -e ${HOUSE}/pending`)) && (await answers())
      );
    });
    if (switched) await isBack(good);
    else
      expect(await standing()).toMatchObject({ current: good, knownGood: good, rejected: [], healthy: true });
  }

  it("the laptop is closed: everything here is killed", async () => {
    const { result } = await reach(step);
    for (const { pid } of processesOf(fleet.work.dir)) process.kill(pid, "SIGKILL");
    expect((await result).code).not.toBe(0);
    await comesBack();
    // What the dead engine left is cleared up, by a release that is not this row's.
    change();
    const recovered = await fleet.run("up", ["--yes", "--recover"]);
    expect(recovered.code, recovered.stdout + recovered.stderr).toBe(0);
  });

  it("the network is cut", async () => {
    const { result } = await reach(step);
    await blackhole(machine);
    try {
      await comesBack();
      expect((await result).code).not.toBe(0);
    } finally {
      await unblackhole(machine);
    }
  });

  it("the host loses its power", async () => {
    const { result } = await reach(step);
    await kill(machine);
    await start(machine);
    expect((await result).code).not.toBe(0);
    await comesBack();
  });
});
