/**
 * What time alone does to a house on a real machine: the deadlines that a stack has if it sets none, and everything that
 * Debian's own cron runs. The steps wait for whole minutes, so they share them, and their order matters.
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { HOUSE, makeOneHouse, UNIT, type OneHouse } from "./one-house.ts";

const USER = "wizard-bezalel";
const DATA = "wizards/bezalel/house.yaml";
/** A minute of cron's, and what its programs take. */
const MINUTE = 75;

let one: OneHouse;
let monitor: Server;
/** When the outside monitor was pinged. */
const pings: number[] = [];

const pidOf = async (): Promise<string> =>
  (await one.host(`systemctl show -p MainPID --value ${UNIT}`)).trim();
const journal = (tag: string): Promise<string> => one.host(`journalctl -t ${tag} -o cat --no-pager`);
const pinged = (times: number) => (): Promise<boolean> => Promise.resolve(pings.length > times);

async function up(expected: number): Promise<string> {
  const { code, stdout, stderr } = await one.up();
  expect(code, stdout + stderr).toBe(expected);
  return stdout + stderr;
}

beforeAll(async () => {
  one = await makeOneHouse({});
  const { fleet, machine } = one;
  fleet.edit("Pulumi.testbed.yaml", /^.*stableFor.*\n/m, "");
  monitor = createServer((_, response) => {
    pings.push(Date.now());
    response.end();
  });
  // As far outside as the machine can see.
  await new Promise<void>((resolve) => monitor.listen(0, machine.gateway, resolve));
  // Cron entries of every minute are meant here.
  fleet.editFleet((file) => (file["policies"] = { "cron-safe": { everyMinutes: 1 } }));
  fleet.edit(DATA, /^deadman:\n(?: .*\n)+/m, "deadman:\n  pingUrlKey: DEADMAN_PING_URL\n");
  const url = `http://${machine.gateway}:${(monitor.address() as AddressInfo).port}/ping`;
  const words = ["config", "set", "--secret", "--path", "wizard-houses:keys.DEADMAN_PING_URL", url];
  const set = await fleet.run("pulumi", words);
  expect(set.code, set.stdout + set.stderr).toBe(0);
});
afterAll(() => {
  monitor?.close();
  one?.fleet.cleanup();
});

describe("with the deadlines of a stack that sets none", () => {
  it("a release is confirmed", async () => {
    await up(0);
    const settings = await one.host(`cat ${HOUSE}/current/deadman/deadman.conf`);
    expect(settings).toMatch(/^GRACE=300\nMAX_RETRIES=3\nWINDOW=3600$/m);
    expect(await one.host(`readlink ${HOUSE}/known-good`)).toBe(await one.host(`readlink ${HOUSE}/current`));
    expect(await one.answers()).toBe(true);
  });

  it("one that does not come up is reverted, and what ran before runs again", async () => {
    const good = await one.target("current");
    one.change("runs and does not answer");
    const began = Date.now();
    expect(await up(1)).toContain("The host has reverted it: what ran before runs again and is well");
    // It has its 60 seconds, and the revert does not wait for its own 120.
    const took = (Date.now() - began) / 1000;
    expect(took).toBeGreaterThan(60);
    expect(took).toBeLessThan(110);
    await one.isBack(good);
    one.change();
  });
});

describe("the outside monitor", () => {
  it("is pinged once a minute, with a URL that only root can read", async () => {
    await one.until("a ping", MINUTE, pinged(0));
    const file = `${HOUSE}/current/deadman/secrets.conf`;
    expect(await one.host(`stat -c '%U %a' ${file}`)).toBe("root 600\n");
    expect(await one.holds(`setpriv --reuid=${USER} --regid=${USER} --clear-groups cat ${file}`)).toBe(false);
    expect(await one.host(`cat ${HOUSE}/current/.env`)).not.toContain("DEADMAN");
  });

  it(
    "hears nothing from a host whose cron has ended, nor from a house that is silent, and both again",
    { timeout: 400_000 },
    async () => {
      // From here on with the shortest grace, and everything scheduled for every minute.
      one.fleet.edit(DATA, "pingUrlKey:", "grace: 60\n  pingUrlKey:");
      one.fleet.edit(DATA, /^scheduled:\n(?: .*\n)+/m, EVERY_MINUTE);
      await up(0);
      await arrangeForScheduledWork();

      const pid = await pidOf();
      // What cron has begun goes on, and would ping.
      await one.host(
        `systemctl stop cron; kill -STOP ${pid}; while pgrep -f '[d]eadman/deadman.sh' >/dev/null; do sleep 0.2; done`,
      );
      // What was written just before is still a sign of life.
      await one.host(`/bin/sh ${HOUSE}/current/deadman/deadman.sh ${HOUSE}/current/deadman/deadman.conf`);
      const before = pings.length;
      await sleep(60_000 - (Date.now() % 60_000) + 5_000);
      expect(pings.length, "pings without cron").toBe(before);

      await one.host("systemctl start cron");
      await one.until("a restart by the switch", MINUTE, async () => (await pidOf()) !== pid);
      expect(await journal("deadman-bezalel")).toMatch(/restart: no sign of life for \d+ s/);
      expect(pings.length, "pings while the house is silent").toBe(before);
      await one.until("a ping of the restarted house", MINUTE, pinged(before));
    },
  );
});

/** All of a house's scheduled work, every minute; a budget that anything uses up, and a model that never answers. */
const EVERY_MINUTE = `scheduled:
  heavyHeartbeat: { schedule: "* * * * *", timeout: 5 }
  orphanCleanup: { schedule: "* * * * *" }
  dailyReset: { schedule: "* * * * *" }
  tokenBudget: { schedule: "* * * * *", dailyTokens: 1 }
  flushContinuity: { schedule: "* * * * *" }
`;

/** A model that never answers, a run of the heartbeat that never ends, and some tokens used. */
async function arrangeForScheduledWork(): Promise<void> {
  const mute = "import socket, time; s = socket.create_server(('127.0.0.1', 8082)); time.sleep(900)";
  await one.host(`systemd-run --quiet --unit=mute-model /opt/hermes/venv/bin/python -c "${mute}"`);
  const lock = `${HOUSE}/log/.heartbeat.lock`;
  await one.host(`systemd-run --quiet --unit=slow-heartbeat --uid=${USER} flock ${lock} sleep 900`);
  await one.host(`setpriv --reuid=${USER} --regid=${USER} --clear-groups /opt/hermes/venv/bin/python - <<'END'
import sqlite3, time
db = sqlite3.connect("${HOUSE}/home/state.db", timeout=30)
used = {name: "x" for name in ("session_id", "model", "billing_provider", "billing_base_url", "billing_mode", "task")}
used |= {"first_seen": time.time(), "last_seen": time.time(), "input_tokens": 10, "output_tokens": 0}
used |= {"cache_read_tokens": 0, "cache_write_tokens": 0}
db.execute("PRAGMA foreign_keys = OFF")
db.execute(f"INSERT INTO session_model_usage ({', '.join(used)}) VALUES ({', '.join('?' * len(used))})", list(used.values()))
db.commit()
END`);
}

describe("scheduled work under Debian's cron", () => {
  it.each([
    ["heartbeat", "the run before is still at work; this one is left out"],
    ["heavy-heartbeat", "was ended after 5 s"],
    ["orphan-cleanup", "0 processes ended"],
    ["daily-reset", ""],
    ["token-budget", "10 of 1 tokens used"],
    ["flush-continuity", ""],
  ])("has run: %s has left its line", async (name, words) => {
    await one.until(`${name}: ${words}`, 30, async () =>
      (await journal("wizard-bezalel")).includes(`${name}: ${words}`),
    );
  });

  it("runs as the house's user, and leaves what others watch", async () => {
    expect(JSON.parse(await one.host(`cat ${HOUSE}/log/heartbeat.json`))).toHaveProperty("time");
    expect(await one.host(`stat -c %U ${HOUSE}/log/heartbeat.json`)).toBe(`${USER}\n`);
  });

  it("pauses jobs for their budget, which is no drift", async () => {
    await one.host("systemctl stop mute-model slow-heartbeat");
    expect(await one.host(`cat ${HOUSE}/home/cron/jobs.json`)).toContain('"paused_reason": "token budget of');
    const drift = await one.fleet.run("drift");
    expect(drift.code, drift.stdout + drift.stderr).toBe(0);
  });
});
