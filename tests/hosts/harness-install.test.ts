/** The harness comes onto a host without one: from wheels or an index, whole or not at all, and goes with its last house. */
import { writeFileSync } from "node:fs";
import path from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { harnessFolder } from "../../fleet/harness/lock.ts";
import { exec, kill, start, type Machine } from "../../testbed/index.ts";
import { ensureWheels } from "../../testbed/image.ts";
import { VERSIONS } from "../../toolchain/versions.ts";
import { killNow, processesOf } from "../engine/processes.ts";
import { inside, keepHouses, makeHostFleet, sessions, type HostFleet } from "./fleet.ts";
import { brokenHarness, LOCK, noWheels, startIndex, WHEELS, type Index } from "./harness-bed.ts";
import { freshMachines } from "./machines.ts";
import { within } from "./within.ts";

const version = VERSIONS.hermesAgent;
/** The same packages as in the lock of the repository, in another place. */
const SECOND = `# a second build\n${LOCK}`;
const [FIRST_AT, SECOND_AT] = [harnessFolder(version, LOCK), harnessFolder(version, SECOND)];
const PORTS = { bezalel: 8642, ezra: 8643 };

/** An installation between two looks. */
const REPAIR = { timeout: 480_000 };

let machine: Machine;
let fleet: HostFleet;
let index: Index;
let broken: ReturnType<typeof brokenHarness>;

const host = (script: string): Promise<string> => inside(machine, script);
const holds = async (script: string): Promise<boolean> => (await exec(machine, script)).code === 0;
const healthy = (house: keyof typeof PORTS): Promise<boolean> =>
  holds(`curl -s -m 5 http://127.0.0.1:${PORTS[house]}/health | grep -q '"status": *"ok"'`);
/** The harness that the gateway's process itself runs on. */
const runsOn = async (house: keyof typeof PORTS): Promise<string> => {
  const pid = `$(systemctl show --property=MainPID --value hermes-${house})`;
  return (await host(`tr '\\0' '\\n' </proc/${pid}/environ | sed -n 's/^VIRTUAL_ENV=//p'`)).trim();
};
const there = async (): Promise<string[]> =>
  (await host("ls -A /opt/hermes 2>/dev/null || :")).split("\n").filter((name) => name !== "");
const build = (place: string): string => path.basename(place);

/** The folder with the wheels, or else the index. */
async function from(source: { wheels: string } | { index: string }): Promise<void> {
  for (const key of ["harnessWheels", "harnessIndex"]) await fleet.run("pulumi", ["config", "rm", key]);
  const words =
    "wheels" in source ? ["harnessWheels", source.wheels] : ["--secret", "harnessIndex", source.index];
  const set = await fleet.run("pulumi", ["config", "set", ...words]);
  expect(set.code, set.stderr).toBe(0);
}
const lockFile = (name: string, text: string): void =>
  writeFileSync(path.join(fleet.work.dir, "wizards/harness", name), text);
const wanted = (lock?: string): void =>
  fleet.editFleet((data) => (data["harness"] = { version, ...(lock !== undefined && { lock }) }));

async function up(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await fleet.run("up", ["--yes", ...args]);
  expect(code, stdout + stderr).toBe(0);
  return stdout + stderr;
}
/** Returns once `running`, an update, is having packages installed on the host; an update that ends before that is told. */
async function installing(place: string, running: ReturnType<HostFleet["start"]>): Promise<void> {
  const staged = `/opt/hermes/.${path.basename(place)}.staged/lib/python3.11/site-packages/aiohttp`;
  // What an earlier one has left is there as well.
  const isInstalling = (): Promise<boolean> =>
    holds(`pgrep -f '[p]ip --quiet.*install' && test -e ${staged}`);
  const first = await Promise.race([within(180, isInstalling), running.result]);
  if (first === true) return;
  throw new Error(
    first === false ? "nothing is being installed" : `nothing was installed:\n${first.stdout}${first.stderr}`,
  );
}
async function noDrift(): Promise<void> {
  const drift = await fleet.run("drift");
  expect(drift.code, drift.stdout + drift.stderr).toBe(0);
}

beforeAll(async () => {
  await ensureWheels();
  broken = brokenHarness();
  machine = (await freshMachines(1))[0]!;
  await host("rm -rf /opt/hermes");
  fleet = await makeHostFleet({ forge: machine });
  keepHouses(fleet, ["bezalel", "ezra"]);
  index = await startIndex(machine.gateway);
  lockFile("second.lock", SECOND);
  lockFile("broken.lock", broken.lock);
  wanted();
});
afterAll(() => {
  index?.close();
  broken?.cleanup();
  fleet?.cleanup();
});

describe("from wheels that are carried over", () => {
  it("says before anything is changed which wheel is not the lock's, and leaves nothing", async () => {
    const certifi = /(certifi==.*\\\n {4}--hash=sha256:)[0-9a-f]{64}/;
    lockFile("tampered.lock", LOCK.replace(certifi, `$1${"0".repeat(64)}`));
    wanted("tampered.lock");
    await from({ wheels: WHEELS });
    const { code, stdout, stderr } = await fleet.run("up", ["--yes"]);
    expect(code).toBe(1);
    expect(stdout + stderr).toMatch(/certifi-\S+\.whl \(certifi [\d.]+\) is not the wheel of the lock/);
    expect(await there()).toEqual([]);
    wanted();
  });

  it("on a full disk leaves nothing that counts, and takes no room", async () => {
    await host("mkdir /opt/hermes && mount -t tmpfs -o size=120m small /opt/hermes");
    const { code, stdout, stderr } = await fleet.run("up", ["--yes"]);
    expect(code).toBe(1);
    expect(stdout + stderr).toContain("cannot be installed");
    expect(stdout + stderr).toContain("No space left on device");
    expect(await there()).toEqual([".lock", "wheels"]);
    await host("umount /opt/hermes && rmdir /opt/hermes");
  });

  it("counts for nothing when the host loses power in the middle, and the next one finishes it", async () => {
    const running = fleet.start("up", ["--yes"]);
    await installing(FIRST_AT, running);
    await kill(machine);
    const { code } = await running.result;
    expect(code).not.toBe(0);
    await start(machine);
    expect(await holds(`test -e ${FIRST_AT}/.installed`)).toBe(false);
  });

  it("counts for nothing when its pip is killed", REPAIR, async () => {
    const running = fleet.start("up", ["--yes", "--recover"]);
    await installing(FIRST_AT, running);
    await exec(machine, "pkill -9 -f '[p]ip --quiet.*install'");
    const { code, stdout, stderr } = await running.result;
    expect(code).toBe(1);
    expect(stdout + stderr).toContain("cannot be installed");
    expect(await holds(`test -e ${FIRST_AT} || test -e /run/wizard-harness`)).toBe(false);
  });

  it(
    "counts for nothing when the laptop is closed in the middle, and the next one finishes it",
    REPAIR,
    async () => {
      const running = fleet.start("up", ["--yes", "--recover"]);
      await installing(FIRST_AT, running);
      for (const { pid } of processesOf(fleet.work.dir)) killNow(pid);
      expect((await running.result).code).not.toBe(0);
      // The host ends what it has begun, and nobody is there to say that it counts.
      const isOver = async (): Promise<boolean> => !(await holds("pgrep -f '[/]run/wizard-harness'"));
      expect(await within(120, isOver)).toBe(true);
      expect(await holds(`test -e ${FIRST_AT}/bin`)).toBe(false);
      const from = Date.now();
      await up("--recover");
      console.log(`up of two houses with an installation: ${((Date.now() - from) / 1000).toFixed(1)} s`);
      expect(await healthy("bezalel")).toBe(true);
      expect(await healthy("ezra")).toBe(true);
    },
  );

  it("is root's, holds nothing that anybody else can change, and is what the gateway runs on", async () => {
    expect(await there()).toEqual([".lock", build(FIRST_AT), "record", "wheels"]);
    expect(await host(`find ${FIRST_AT} ! -user root -o ! -group root -o -perm /022 ! -type l`)).toBe("");
    expect(await host(`find ${FIRST_AT} -name '*.py' -path '*/hermes_cli/*' | head -1`)).not.toBe("");
    expect(
      await host(`test -e ${FIRST_AT}/lib/python3.11/site-packages/hermes_cli/__pycache__ && echo yes`),
    ).toBe("yes\n");
    expect((await host("readlink /srv/wizards/bezalel/current/harness")).trim()).toBe(FIRST_AT);
    expect(await runsOn("bezalel")).toBe(FIRST_AT);
    const { stdout } = await fleet.run("pulumi", ["stack", "output", "houses"]);
    expect(stdout).toContain(FIRST_AT);
  });

  it("does not drift, and is looked at in the one session that everything is looked at in", async () => {
    const before = await sessions(machine);
    await noDrift();
    expect(await sessions(machine)).toBe(before + 1);
    expect(await up()).not.toMatch(/[~+-] \d+ (updated|created|deleted|replaced)/);
  });
});

describe("drift", () => {
  const pids = async (): Promise<string[]> =>
    (await host("for u in hermes-bezalel hermes-ezra; do systemctl show --property=MainPID --value $u; done"))
      .trim()
      .split("\n");
  const repaired = async (what: string): Promise<void> => {
    const drift = await fleet.run("drift");
    expect(drift.code, drift.stdout + drift.stderr).toBe(7);
    expect(drift.stdout).toContain(what);
    await up();
    await noDrift();
    expect(await healthy("bezalel")).toBe(true);
    expect(await there()).toEqual([".lock", build(FIRST_AT), "record", "wheels"]);
  };
  const main = `${FIRST_AT}/lib/python3.11/site-packages/hermes_cli/main.py`;

  it(
    "is a file that was edited, also with its old time, and what ran on it starts anew",
    REPAIR,
    async () => {
      // The wheels are on the host already.
      await from({ wheels: noWheels() });
      await host(`touch -r ${main} /run/was; echo '# mine' >>${main}; touch -r /run/was ${main}`);
      const before = await pids();
      await repaired("changed since it was installed");
      for (const [at, pid] of (await pids()).entries()) expect(pid).not.toBe(before[at]);
      expect(await host(`tail -1 ${main}`)).not.toContain("mine");
    },
  );

  it("is a harness that is gone", REPAIR, async () => {
    await host(`rm -rf ${FIRST_AT}`);
    await repaired("absent");
  });

  it("is a record that lacks a house", async () => {
    await host("rm /opt/hermes/record");
    await repaired("houses");
  });
});

describe("two houses on one host", () => {
  it("have two harnesses, the second from an index whose password gets nowhere", REPAIR, async () => {
    await from({ index: index.url });
    fleet.edit(
      "wizards/ezra/house.yaml",
      "host: forge",
      `host: forge\nharness: {version: "${version}", lock: second.lock}`,
    );
    const words = await up();
    expect(index.served.length).toBeGreaterThan(50);
    expect(words).not.toContain(index.password);
    expect([await runsOn("bezalel"), await runsOn("ezra")]).toEqual([FIRST_AT, SECOND_AT]);
    expect([await healthy("bezalel"), await healthy("ezra")]).toEqual([true, true]);
    const builds = [FIRST_AT, SECOND_AT].map(build);
    expect((await there()).sort()).toEqual([".lock", ...builds, "record", "wheels"].sort());
    expect(fleet.state()).not.toContain(index.password);
    const found = await exec(
      machine,
      `grep -rlF ${index.password} /opt/hermes /etc /var/lib/wizard-houses /run /root /tmp`,
    );
    expect(found.stdout).toBe("");
    await noDrift();
  });

  it("an index that gives another wheel than the lock's is refused by the host, by name", async () => {
    const certifi = /(certifi==.*\\\n {4}--hash=sha256:)[0-9a-f]{64}/;
    lockFile("tampered.lock", LOCK.replace(certifi, `$1${"1".repeat(64)}`));
    fleet.edit("wizards/ezra/house.yaml", "second.lock", "tampered.lock");
    const before = await there();
    const { code, stdout, stderr } = await fleet.run("up", ["--yes"]);
    expect(code).toBe(1);
    expect(stdout + stderr).toMatch(/certifi==/);
    expect(stdout + stderr).not.toContain(index.password);
    expect(await there()).toEqual(before);
    expect([await runsOn("ezra"), await healthy("ezra")]).toEqual([SECOND_AT, true]);
    fleet.edit("wizards/ezra/house.yaml", "tampered.lock", "second.lock");
    await up();
    await noDrift();
  });
});

describe("an upgrade", () => {
  it("to a harness whose gateway does not start is taken back, release and harness together", async () => {
    const before = (await host("readlink /srv/wizards/bezalel/current")).trim();
    await from({ wheels: broken.wheels });
    wanted("broken.lock");
    const { code, stdout, stderr } = await fleet.run("up", ["--yes"]);
    expect(code).toBe(1);
    expect(stdout + stderr).toContain("The host has reverted it");
    expect((await host("readlink /srv/wizards/bezalel/current")).trim()).toBe(before);
    expect([await runsOn("bezalel"), await healthy("bezalel")]).toEqual([FIRST_AT, true]);
    expect((await host("readlink /srv/wizards/bezalel/known-good/harness")).trim()).toBe(FIRST_AT);
    // Back to what is in the repository: nothing to switch, and the broken one goes with the release that named it.
    wanted();
    await up();
    await noDrift();
    expect(await runsOn("bezalel")).toBe(FIRST_AT);
  });

  it(
    "switches release and harness together, and the old one stays as long as a release runs with it",
    REPAIR,
    async () => {
      await from({ wheels: noWheels() });
      wanted("second.lock");
      await up();
      expect([await runsOn("bezalel"), await healthy("bezalel")]).toEqual([SECOND_AT, true]);
      expect(await there()).toContain(build(FIRST_AT));
      await noDrift();
      // Three releases are kept.
      for (const turns of [101, 102, 103]) {
        fleet.edit("wizards/bezalel/config.yaml", /max_turns: \d+/, `max_turns: ${turns}`);
        fleet.edit(
          "wizards/ezra/config.yaml",
          /memory_char_limit: \d+/,
          `memory_char_limit: ${4000 + turns}`,
        );
        await up();
      }
      expect(await there()).toEqual([".lock", build(SECOND_AT), "record", "wheels"]);
    },
  );
});

describe("in the end", () => {
  it("it goes with the last house, and leaves nothing", async () => {
    const { code, stdout, stderr } = await fleet.run("destroy", ["--yes"]);
    expect(code, stdout + stderr).toBe(0);
    expect(await holds("test -e /opt/hermes")).toBe(false);
    expect(await holds("test -e /run/wizard-harness")).toBe(false);
  });
});
