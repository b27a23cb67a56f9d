/**
 * The deadman switch with the real gateway: what it does for an agent that has gone silent, and what an operator sees. It
 * is run by hand with a grace of seconds; that cron runs it is seen in fleet.test.ts.
 */
import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { exec, type Machine } from "../../testbed/index.ts";
import { inside, keepHouses, makeHostFleet, type HostFleet } from "./fleet.ts";
import { freshMachines } from "./machines.ts";
import { within } from "./within.ts";

const HOUSE = "/srv/wizards/bezalel";
const UNIT = "hermes-bezalel.service";
const STATE = "/var/lib/wizard-houses/bezalel";
const CONF = "/run/deadman-of-test.conf";
const GRACE = 3;

let machine: Machine;
let fleet: HostFleet;
const host = (script: string): Promise<string> => inside(machine, script);
const holds = async (script: string): Promise<boolean> => (await exec(machine, script)).code === 0;
const answers = (port: number): Promise<boolean> =>
  holds(`curl -s -m 2 http://127.0.0.1:${port}/health | grep -q '"status": *"ok"'`);
const pidOf = async (): Promise<string> => (await host(`systemctl show -p MainPID --value ${UNIT}`)).trim();
const released = async (house: string): Promise<string> =>
  (await host(`readlink /srv/wizards/${house}/current`)).trim();

async function until(what: string, seconds: number, condition: () => Promise<boolean>): Promise<void> {
  if (await within(seconds, condition)) return;
  throw new Error(`${what}: not within ${seconds} s\n${await host("journalctl -n 60 --no-pager")}`);
}

/** The switch looks once. */
const look = (): Promise<string> => host(`/bin/sh ${HOUSE}/current/deadman/deadman.sh ${CONF}`);

/** Silence for longer than the grace: the process is there and does nothing. */
async function silenced(): Promise<void> {
  const pid = await pidOf();
  // `kill 0` would be for this test itself.
  expect(pid).not.toBe("0");
  // Seconds without a sign count from the next look; what was written just before it is still one.
  await host(`kill -STOP ${pid}; rm -f ${STATE}/alive`);
  await look();
  await sleep((GRACE + 1) * 1000);
}

/** The switch has started the gateway anew, and it answers. */
const anew = (former: string): Promise<void> =>
  until("another process that answers", 60, async () => (await pidOf()) !== former && (await answers(8642)));

/** A release in which only the words of the houses differ, so that nobody is restarted for it. */
let rules = 0;
const change = (): void => fleet.edit("wizards/base/SOUL.md", /$/, `\nRule ${++rules}.\n`);

beforeAll(async () => {
  [machine] = (await freshMachines(1)) as [Machine];
  fleet = await makeHostFleet({ forge: machine });
  keepHouses(fleet, ["bezalel", "ezra"]);
  fleet.editFleet((data) => (data.rollout = "parallel"));
  const { code, stdout, stderr } = await fleet.run("up", ["--yes"]);
  if (code !== 0) throw new Error(stdout + stderr);
  // Cron's own looks, once a minute, would get in the way, and so would what one of them has seen.
  await host(
    `systemctl stop cron
     while pgrep -f '[d]eadman/deadman.sh' >/dev/null; do sleep 0.2; done
     rm -f ${STATE}/alive
     sed 's/^GRACE=.*/GRACE=${GRACE}/' ${HOUSE}/current/deadman/deadman.conf >${CONF}`,
  );
});
afterAll(() => fleet?.cleanup());

describe("a gateway", () => {
  it("that gives signs of life is left alone", async () => {
    const pid = await pidOf();
    await look();
    await look();
    expect(await pidOf()).toBe(pid);
  });

  it("that hangs is started anew and answers", async () => {
    const pid = await pidOf();
    await silenced();
    await look();
    await anew(pid);
    expect(await host(`journalctl -t deadman-bezalel -o cat`)).toContain("attempt 1 of 3");
    expect(await holds(`test -e ${STATE}/deadman_active`)).toBe(false);
  });

  it("that is kept down because its home cannot be made ready is started again", async () => {
    const pid = await pidOf();
    await host(`chmod 0 ${HOUSE}/home && kill -KILL ${pid}`);
    // systemd tries once, and leaves the unit as if root had stopped it.
    await until("the failed start", 60, () =>
      holds(`systemctl is-failed -q wizard-home-bezalel && ! systemctl is-failed -q ${UNIT}`),
    );
    expect(await host(`systemctl is-active ${UNIT} || :`)).toBe("inactive\n");
    // Without a process to compare the heartbeat with, this is looked at, and would count when it is seen for the first
    // time. Whether there is one yet is the gateway's affair.
    await host(`chmod 0700 ${HOUSE}/home && rm -f ${HOUSE}/home/cron/ticker_last_success`);
    await sleep((GRACE + 1) * 1000);
    await look();
    await anew(pid);
    await host(`sed -i '$d' ${STATE}/attempts`);
  });

  it("on a release that is not the last good one goes back to that, and the release is refused", async () => {
    const good = await released("bezalel");
    const other = "releases/aaaaaaaaaaaaaaaa";
    await host(`cp -a ${HOUSE}/${good} ${HOUSE}/${other} && ln -sfn ${other} ${HOUSE}/current`);
    const pid = await pidOf();
    await silenced();
    await look();
    await anew(pid);
    expect(await released("bezalel")).toBe(good);
    expect(await host(`cut -f 1,3 ${HOUSE}/rejected`)).toMatch(/^aaaaaaaaaaaaaaaa\tdeadman: no sign of life/);
    // What the state remembers of it has changed, and the house is as declared.
    const drift = await fleet.run("drift");
    expect(drift.code, drift.stdout + drift.stderr).toBe(0);
  });

  it("that waits for its confirmation is left to the revert", async () => {
    await host(`mkdir ${HOUSE}/pending`);
    const pid = await pidOf();
    await silenced();
    await look();
    expect(await pidOf()).toBe(pid);
    await host(`rmdir ${HOUSE}/pending; kill -CONT ${pid}`);
  });

  it("that falls silent again and again is given up, and a human is called", async () => {
    for (let turn = 0; turn < 2; turn++) {
      const pid = await pidOf();
      await until("life", 60, () => answers(8642));
      await silenced();
      await look();
      if (turn === 0) await until("another process", 60, async () => (await pidOf()) !== pid);
    }
    expect(await host(`cat ${STATE}/deadman_active`)).toMatch(
      /^20\S+Z\tno sign of life for \d+ s, .*did not help\n$/,
    );
    expect(await host("journalctl -t deadman-bezalel -p alert -o cat")).toContain("deadman_active");
    // From now on it looks on.
    const pid = await pidOf();
    await sleep((GRACE + 1) * 1000);
    await look();
    expect(await pidOf()).toBe(pid);
  });
});

describe("a house that was given up", () => {
  it("is left alone by updates, by name, while the others are brought up to date", async () => {
    const before = { bezalel: await released("bezalel"), ezra: await released("ezra") };
    change();
    const preview = await fleet.run("preview");
    expect(preview.stdout + preview.stderr).toMatch(
      /bezalel: The update will fail: \/srv\/wizards\/bezalel is left alone since 20\S+Z no sign of life/,
    );
    const { code, stdout, stderr } = await fleet.run("up", ["--yes"]);
    expect(code).toBe(1);
    expect(stdout + stderr).toMatch(/bezalel: .* is left alone since 20\S+Z no sign of life/);
    expect(stdout + stderr).toContain("when it is repaired: npm run deadman -- clear bezalel -s testbed");
    expect(await released("bezalel")).toBe(before.bezalel);
    expect(await released("ezra")).not.toBe(before.ezra);
    expect(fleet.state()).toMatch(/"held": ?"20\S+Z no sign of life/);
  });

  it("is drift, and is told by status", async () => {
    const drift = await fleet.run("drift");
    expect(drift.code).not.toBe(0);
    expect(drift.stdout + drift.stderr).toMatch(/bezalel: .*hold/);
    const { code, stdout } = await fleet.run("deadman", ["status"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^bezalel: deadman_active since 20\S+Z no sign of life.*\nezra: its deadman switch watches\n$/,
    );
  });

  it("is taken back by an act of its own, and converges with the next update", async () => {
    const { code, stdout } = await fleet.run("deadman", ["clear", "bezalel"]);
    expect(code).toBe(0);
    expect(stdout).toContain("cleared");
    await host(`kill -CONT ${await pidOf()}`);
    const up = await fleet.run("up", ["--yes"]);
    expect(up.code, up.stdout + up.stderr).toBe(0);
    expect(await answers(8642)).toBe(true);
    const again = await fleet.run("drift");
    expect(again.code, again.stdout + again.stderr).toBe(0);
  });
});
