/** What an agent that has turned on its host can do to root, to its neighbour and to the operator: nothing. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { exec, type Machine } from "../../testbed/index.ts";
import { inside, makeHostFleet, type HostFleet } from "./fleet.ts";
import { freshMachines } from "./machines.ts";

let tower: Machine;
let forge: Machine;
let fleet: HostFleet;
const HOME = "/srv/wizards/ezra/home";

/** As an agent: its account, outside the sandbox of its unit, which is more than it has. */
const asAgent = (script: string, account = "wizard-ezra") =>
  exec(tower, ["setpriv", `--reuid=${account}`, `--regid=${account}`, "--clear-groups", "sh", "-c", script]);
const drift = () => fleet.run("drift");
const up = () => fleet.run("up", ["--yes"]);
const shadow = () => inside(tower, "stat -c '%a %U:%G %h' /etc/shadow; sha256sum /etc/shadow");

beforeAll(async () => {
  [tower, forge] = (await freshMachines(2)) as [Machine, Machine];
  fleet = await makeHostFleet({ tower, forge });
  expect((await up()).code).toBe(0);
});
afterAll(() => fleet?.cleanup());

describe("an agent that plants", () => {
  it.each<[string, string]>([
    ["a link to /etc/shadow in place of SOUL.md", `rm ${HOME}/SOUL.md; ln -s /etc/shadow ${HOME}/SOUL.md`],
    ["a pipe", `rm ${HOME}/SOUL.md; mkfifo ${HOME}/SOUL.md`],
    ["a link to /dev/zero", `rm ${HOME}/SOUL.md; ln -s /dev/zero ${HOME}/SOUL.md`],
    ["an endless file", `rm ${HOME}/SOUL.md; truncate -s 1T ${HOME}/SOUL.md`],
    ["a folder", `rm ${HOME}/SOUL.md; mkdir ${HOME}/SOUL.md; touch ${HOME}/SOUL.md/x`],
    ["its skins folder as a link to /etc", `rm -rf ${HOME}/skins; ln -s /etc ${HOME}/skins`],
    ["a link loop", `rm -rf ${HOME}/skins; ln -s skins ${HOME}/skins`],
  ])("%s is found out at once, and put right without root's hand in it", async (_, script) => {
    const [shadowBefore, etcBefore] = [await shadow(), await inside(tower, "ls -A /etc")];
    expect((await asAgent(script)).code).toBe(0);
    const seen = await drift();
    expect(seen.stdout).toMatch(/ezra/);
    expect([4, 7]).toContain(seen.code);
    expect(seen.stdout).not.toMatch(/allegro:|bezalel:/);
    const repaired = await up();
    expect(repaired.code).toBe(0);
    expect(await inside(tower, `readlink ${HOME}/SOUL.md; stat -c %U:%G ${HOME}/SOUL.md ${HOME}/skins`)).toBe(
      "../current/SOUL.md\nwizard-ezra:wizard-ezra\nwizard-ezra:wizard-ezra\n",
    );
    expect([await shadow(), await inside(tower, "ls -A /etc")]).toEqual([shadowBefore, etcBefore]);
    expect((await drift()).code).toBe(0);
  });

  it("swaps its folder to and fro during updates, and root writes nowhere else", async () => {
    await inside(tower, "mkdir -p /root/precious && touch /root/precious/own");
    const swapping = asAgent(
      `cd ${HOME}; for i in $(seq 4000); do mv skins s 2>/dev/null; ln -s /root/precious skins; rm -f skins; mv s skins 2>/dev/null; done; true`,
    );
    for (let i = 0; i < 3; i++) {
      await asAgent(`rm -f ${HOME}/SOUL.md`);
      await up();
    }
    await swapping;
    expect(await inside(tower, "ls -A /root/precious; stat -c '%a %U' /root/precious")).toBe(
      "own\n755 root\n",
    );
    expect((await up()).code).toBe(0);
  });
});

describe("an agent and what is not its own", () => {
  it("cannot take the lock, write the release, or leave its folder", async () => {
    for (const script of [
      "flock -n /srv/wizards/ezra/.lock true",
      "echo >>/srv/wizards/ezra/current/config.yaml",
      "mv /srv/wizards/ezra/current /srv/wizards/ezra/c",
      "touch /srv/wizards/ezra/releases/x",
      "rm -rf /srv/wizards/ezra/home/../current",
      "cat /srv/wizards/ezra/current/deadman/deadman.conf",
      "echo '* * * * * root id' >>/etc/cron.d/wizard-ezra",
    ]) {
      const tried = await asAgent(script);
      expect([script, tried.code === 0]).toEqual([script, false]);
    }
  });

  it("cannot read its neighbour, nor its neighbour it", async () => {
    for (const [agent, other] of [
      ["wizard-ezra", "allegro"],
      ["wizard-allegro", "ezra"],
    ] as const) {
      const tried = await asAgent(
        `ls /srv/wizards/${other} || cat /srv/wizards/${other}/current/.env`,
        agent,
      );
      expect(tried.code).not.toBe(0);
      expect(tried.stdout).toBe("");
      // The control: its own it can read.
      const own = other === "ezra" ? "allegro" : "ezra";
      expect((await asAgent(`cat /srv/wizards/${own}/current/.env`, agent)).code).toBe(0);
    }
  });
});

describe("a lock that is held for ever", () => {
  it("fails that house in words, and is over when it is released", async () => {
    const holding = "touch /run/holds; while test -e /run/holds; do sleep 0.2; done";
    const held = exec(tower, `flock /srv/wizards/ezra/.lock sh -c '${holding}'`);
    await inside(tower, "until test -e /run/holds; do sleep 0.2; done");
    fleet.edit("wizards/base/SOUL.md", /$/, "\nOne more rule.\n");
    const blocked = await up();
    expect(blocked.code).toBe(1);
    expect(blocked.stdout + blocked.stderr).toMatch(
      /has held \/srv\/wizards\/ezra\/\.lock for 30 s \(process \d+:/,
    );
    await inside(tower, "rm /run/holds");
    await held;
    expect((await up()).code).toBe(0);
  });
});

describe("a key", () => {
  /** Whether it was on a command line of the host while something went on. */
  async function seenDuring(work: () => Promise<unknown>): Promise<boolean> {
    await inside(forge, "rm -f /run/watched /run/leaked");
    // The brackets keep the watcher from finding itself.
    const watching = exec(
      forge,
      `while [ ! -e /run/watched ]; do
         cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -a -q '[c]anary-key' && touch /run/leaked
       done`,
      { timeout: 120_000 },
    );
    await work();
    await inside(forge, "touch /run/watched");
    await watching;
    return (await exec(forge, "[ -e /run/leaked ]")).code === 0;
  }

  it("is on no command line of the host, in no log and in no history", async () => {
    const path = "wizard-houses:keys.bezalel.KIMI_API_KEY";
    await fleet.run("pulumi", ["config", "set", "--secret", "--path", path, "canary-key-4711"]);
    let said = "";
    const seen = await seenDuring(async () => {
      const changed = await up();
      expect(changed.code).toBe(0);
      said = changed.stdout + changed.stderr;
    });
    expect(seen).toBe(false);
    expect(await inside(forge, "grep -c canary-key /srv/wizards/bezalel/current/.env")).toBe("1\n");
    const elsewhere = "journalctl | grep canary-key; grep -rl canary-key /root /home /var/log /tmp /run; :";
    expect(await inside(forge, elsewhere)).toBe("");
    expect(said).not.toContain("canary-key");
  });

  it("would be found on a command line (the control)", async () => {
    expect(await seenDuring(() => exec(forge, ["sh", "-c", "sleep 2; :", "canary-key-control"]))).toBe(true);
  });
});
