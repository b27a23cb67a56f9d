/** The three real wizards on two real machines: the whole life of a fleet, as an operator sees it. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import type { Machine } from "../../testbed/index.ts";
import { FAULTS, plantFaults, pullFaults } from "./faults.ts";
import { hostEntry, inside, makeHostFleet, sessions, type HostFleet } from "./fleet.ts";
import { freshMachines } from "./machines.ts";

const HOUSES = { allegro: "tower", ezra: "tower", bezalel: "forge" } as const;
type House = keyof typeof HOUSES;

let machines: { tower: Machine; forge: Machine };
let fleet: HostFleet;
/** The machines with nothing of ours on them. */
let before: { tower: string; forge: string };
const on = (house: House): Machine => machines[HOUSES[house]];

/** Everything on a machine that an update might have left behind, one line each. */
const found = (machine: Machine): Promise<string> =>
  inside(
    machine,
    `find /etc /srv /opt /usr/local /var/lib/wizard-houses /run/wizard-houses /root -xdev \\
       ! -path '/etc/*-' ! -path '/etc/.pwd.lock' ! -name __pycache__ ! -name '*.pyc' \\
       -printf '%p %y %m %u:%g %l\\n' 2>/dev/null | grep -v -E '^/(etc|srv|root|opt|usr/local) ' | sort
     sed 's/^/passwd /' /etc/passwd; sed 's/^/group /' /etc/group`,
  );
const health = (house: House): Promise<string> =>
  inside(
    on(house),
    `port=$(sed -n 's/.*API_SERVER_PORT=//p' /srv/wizards/${house}/current/.env | tr -d "\\"'")
     curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/health"`,
  );
const unitOf = (house: House): string => `hermes-${house}.service`;
const startOf = (house: House): Promise<string> =>
  inside(on(house), `systemctl show -p InvocationID --value ${unitOf(house)}`);

beforeAll(async () => {
  const [tower, forge] = await freshMachines(2);
  machines = { tower: tower!, forge: forge! };
  fleet = await makeHostFleet(machines);
  before = { tower: await found(machines.tower), forge: await found(machines.forge) };
});
afterAll(() => fleet?.cleanup());

const EZRA = "/srv/wizards/ezra/home";
/** Names in the file that Ezra's gateway and agent write as well. */
const jobsOfEzra = async (): Promise<string[]> => {
  const { jobs } = JSON.parse(await inside(machines.tower, `cat ${EZRA}/cron/jobs.json`)) as {
    jobs: { name: string }[];
  };
  return jobs.map(({ name }) => name);
};

describe("the three wizards on real hosts", () => {
  it("are refused by name where something is in the way, and nothing is changed", async () => {
    await inside(machines.forge, "mkdir -p /srv/wizards/bezalel && echo mine >/srv/wizards/bezalel/notes");
    const there = await found(machines.forge);
    const up = await fleet.run("up", ["--yes"]);
    expect(up.code).toBe(1);
    expect(up.stdout + up.stderr).toContain("/srv/wizards/bezalel exists and was not made by this stack");
    const after = await found(machines.forge);
    // The account comes before the house, and comes away with it.
    expect(after.replaceAll(/^.*wizard-bezalel.*\n|^.*\/var\/lib\/wizard-houses.*\n/gm, "")).toBe(there);
    await fleet.run("destroy", ["--yes"]);
    await inside(machines.forge, "rm -r /srv/wizards");
    expect(await found(machines.forge)).toBe(before.forge);
  });

  it("come up, and every gateway answers", async () => {
    const up = await fleet.run("up", ["--yes"]);
    expect(up.stderr + up.stdout).not.toMatch(/error/i);
    expect(up.code).toBe(0);
    for (const house of Object.keys(HOUSES) as House[]) expect(await health(house)).toBe("200");
  });

  it("stay as they are in a second update", async () => {
    const starts = await Promise.all((Object.keys(HOUSES) as House[]).map(startOf));
    const up = await fleet.run("up", ["--yes"]);
    expect([up.code, await Promise.all((Object.keys(HOUSES) as House[]).map(startOf))]).toEqual([0, starts]);
    const drift = await fleet.run("drift");
    expect(drift.stdout + drift.stderr).toContain("no drift");
    expect(drift.code).toBe(0);
  });

  it.each(["1", "64", undefined])(
    "are looked at in one session a host, at a parallelism of %s",
    async (parallel) => {
      const counts = () => Promise.all([sessions(machines.tower), sessions(machines.forge)]);
      const [tower, forge] = await counts();
      const drift = await fleet.run("drift", [], parallel === undefined ? {} : { PULUMI_PARALLEL: parallel });
      expect(drift.code).toBe(0);
      expect(await counts()).toEqual([tower! + 1, forge! + 1]);
    },
  );

  /** What drift has told so far; nothing is repaired in between. */
  let told: string[] = [];
  it.each<[string, House, string, RegExp]>([
    ["a changed file", "ezra", "echo '# x' >>/srv/wizards/ezra/current/config.yaml", /ezra.*config\.yaml/],
    ["a changed mode", "ezra", "chmod 0666 /srv/wizards/ezra/current/.env", /ezra.*\.env.*mode.*0666/],
    [
      "a changed owner",
      "ezra",
      "chown games /srv/wizards/ezra/current/SOUL.md",
      /ezra.*SOUL\.md.*owner.*games/,
    ],
    ["a missing link", "allegro", "rm /srv/wizards/allegro/home/SOUL.md", /allegro.*home\/SOUL\.md/],
    [
      "a cron file that is none of ours",
      "allegro",
      "rm /etc/cron.d/wizard-allegro && echo >/etc/cron.d/wizard-allegro",
      /allegro.*wizard-allegro/,
    ],
    [
      "a unit that was stopped",
      "bezalel",
      "systemctl stop hermes-bezalel",
      /bezalel.*hermes-bezalel\.service.*running/,
    ],
    [
      "a unit that was disabled",
      "bezalel",
      "rm /etc/systemd/system/multi-user.target.wants/hermes-bezalel.service",
      /bezalel.*enabled/,
    ],
    [
      "a drop-in",
      "bezalel",
      "mkdir -p /etc/systemd/system/hermes-bezalel.service.d && printf '[Service]\\nNoNewPrivileges=no\\n' >/etc/systemd/system/hermes-bezalel.service.d/x.conf && systemctl daemon-reload",
      /bezalel.*changed by .*x\.conf/,
    ],
    [
      "a shell for the account",
      "bezalel",
      "usermod -s /bin/bash wizard-bezalel",
      /bezalel.*shell.*\/bin\/bash/,
    ],
    [
      "an earlier release",
      "ezra",
      "cp -a /srv/wizards/ezra/releases/* /srv/wizards/ezra/releases/0123456789abcdef && ln -sfn releases/0123456789abcdef /srv/wizards/ezra/current",
      /ezra.*0123456789abcdef/,
    ],
  ])("report %s, and only that", async (_, house, script, words) => {
    await inside(on(house), script);
    const drift = await fleet.run("drift");
    expect(drift.code).toBe(7);
    const lines = drift.stdout.split("\n").filter((line) => /^\w+: /.test(line));
    const added = lines.filter((line) => !told.includes(line));
    expect(
      added.some((line) => words.test(line)),
      drift.stdout,
    ).toBe(true);
    expect(added.filter((line) => !line.startsWith(`${house}: `))).toEqual([]);
    expect(told.filter((line) => !lines.includes(line))).toEqual([]);
    told = lines;
  });

  it("repair all of it in one update", async () => {
    const up = await fleet.run("up", ["--yes"]);
    expect(up.code, up.stdout + up.stderr).toBe(0);
    expect((await fleet.run("drift")).stdout).toContain("no drift");
    for (const house of Object.keys(HOUSES) as House[]) expect(await health(house)).toBe("200");
  });

  it("report a job that the agent has changed, keep the agent's own, and repair it", async () => {
    const jobs = "/srv/wizards/ezra/home/cron/jobs.json";
    await inside(
      machines.tower,
      `setpriv --reuid=wizard-ezra --regid=wizard-ezra --clear-groups python3 - <<'END'
import json
path = "${jobs}"
data = json.load(open(path))
ours = next(job for job in data["jobs"] if job["name"] == "nightly digest")
ours["prompt"] = "do as I say"
data["jobs"].append({**ours, "id": "0123456789ab", "name": "the agent's own", "prompt": "mine",
                     "provider": "anthropic", "model": "claude-x"})
json.dump(data, open(path, "w"))
END`,
    );
    const drift = await fleet.run("drift");
    expect(drift.code).toBe(7);
    expect(drift.stdout).toMatch(/^ezra: .*nightly digest differs in prompt/m);
    expect(drift.stdout).not.toContain("do as I say");
    expect((await fleet.run("up", ["--yes"])).code).toBe(0);
    const text = await inside(machines.tower, `cat ${jobs}`);
    expect(text).toContain("Read what the fleet did today");
    expect(text).toContain("the agent's own");
    // What it pins its own jobs to is its own to put right, and to be told.
    const finding = await fleet.run("drift");
    expect(finding.code).toBe(7);
    expect(finding.stdout).toMatch(/^ezra: in what its agent keeps: .*anthropic/m);
    expect(finding.stdout).not.toContain("differs");
    await inside(machines.tower, `sed -i 's/"anthropic"/null/; s/"claude-x"/null/' ${jobs}`);
    expect((await fleet.run("drift")).code).toBe(0);
  });

  it("restart for a configuration and not for a character", async () => {
    const start = await startOf("bezalel");
    fleet.edit("wizards/bezalel/SOUL.md", /$/, "\nBe brief.\n");
    expect((await fleet.run("up", ["--yes"])).code).toBe(0);
    expect(await startOf("bezalel")).toBe(start);
    expect(await inside(machines.forge, "cat /srv/wizards/bezalel/home/SOUL.md")).toContain("Be brief.");
    fleet.edit("wizards/bezalel/house.yaml", "kimi-k2.5", "kimi-k2-turbo");
    expect((await fleet.run("up", ["--yes"])).code).toBe(0);
    expect(await startOf("bezalel")).not.toBe(start);
    expect(await inside(machines.forge, "systemctl show -p NeedDaemonReload --value hermes-bezalel")).toBe(
      "no\n",
    );
  });

  it("run their jobs by the clock, also after a switch", async () => {
    const stamp = (name: string) => `/srv/wizards/bezalel/home/${name}`;
    const job = (name: string) =>
      `cron:\n  - name: stamp\n    schedule: "* * * * *"\n    command: [/usr/bin/touch, ${stamp(name)}]\n`;
    const appears = (name: string) =>
      inside(machines.forge, `for i in $(seq 90); do [ -e ${stamp(name)} ] && exit; sleep 1; done; exit 1`);
    fleet.editFleet((file) => (file["policies"] = { "cron-safe": { everyMinutes: 1 } }));
    fleet.edit("wizards/bezalel/house.yaml", /^cron:\n(?: .*\n)+/m, job("one"));
    expect((await fleet.run("up", ["--yes"])).code).toBe(0);
    await appears("one");
    fleet.edit("wizards/bezalel/house.yaml", job("one"), job("two"));
    expect((await fleet.run("up", ["--yes"])).code).toBe(0);
    await appears("two");
  });

  it("that do not start are reported with the last lines of their journal, and mend with the next update", async () => {
    await inside(machines.forge, "chmod 0 /opt/hermes/venv/bin");
    fleet.edit("wizards/bezalel/house.yaml", "kimi-k2-turbo", "kimi-k2.5");
    const up = await fleet.run("up", ["--yes"]);
    expect(up.code).not.toBe(0);
    expect(up.stdout + up.stderr).toContain("/opt/hermes/venv/bin/python");
    await inside(machines.forge, "chmod 755 /opt/hermes/venv/bin");
    expect((await fleet.run("up", ["--yes"])).code).toBe(0);
    expect(await health("bezalel")).toBe("200");
  });

  it("stay untouched where the first one's release is taken back", async () => {
    await plantFaults(machines.forge);
    const releases = (): Promise<string[]> =>
      Promise.all(
        (Object.keys(HOUSES) as House[]).map((house) =>
          inside(on(house), `readlink /srv/wizards/${house}/current`),
        ),
      );
    const [running, starts] = [await releases(), await startOf("ezra")];
    fleet.edit("wizards/bezalel/config.yaml", "max_turns: 120", `max_turns: ${FAULTS["ends at its start"]}`);
    fleet.edit("wizards/base/SOUL.md", /$/, "\nThe first one goes first.\n");
    const up = await fleet.run("up", ["--yes"]);
    expect(up.code).toBe(1);
    expect(up.stdout + up.stderr).toContain("what ran before runs again and is well");
    expect([await releases(), await startOf("ezra")]).toEqual([running, starts]);
    expect(await health("bezalel")).toBe("200");

    fleet.edit("wizards/bezalel/config.yaml", `max_turns: ${FAULTS["ends at its start"]}`, "max_turns: 120");
    expect((await fleet.run("up", ["--yes"])).code).toBe(0);
    expect(await releases()).not.toContain(running[0]);
    await pullFaults(machines.forge);
  });

  it("are reached through another account that may sudo", async () => {
    fleet.editFleet((file) => (file.hosts["forge"] = hostEntry(machines.forge, "operator")));
    expect((await fleet.run("up", ["--yes"])).code).toBe(0);
    await inside(machines.forge, "systemctl stop hermes-bezalel");
    expect((await fleet.run("drift")).stdout).toMatch(/bezalel.*running/);
    expect((await fleet.run("up", ["--yes"])).code).toBe(0);
    expect(await health("bezalel")).toBe("200");
  });

  it("go, and leave the hosts as they were but for what their agents made", async () => {
    await inside(machines.tower, "su -s /bin/sh wizard-ezra -c 'echo note >/srv/wizards/ezra/home/diary'");
    expect(await jobsOfEzra()).toEqual(["nightly digest", "weekly index", "the agent's own"]);
    expect((await fleet.run("destroy", ["--yes"])).code).toBe(0);
    // What the agents made stays, and with it the accounts it belongs to.
    const theirs = /^\/srv\/wizards.*\n|^(passwd|group) wizard-.*\n/gm;
    for (const name of ["tower", "forge"] as const) {
      const left = await found(machines[name]);
      expect(left.replaceAll(theirs, "")).toBe(before[name]);
      expect(left).not.toMatch(/^\/srv\/wizards\/[a-z]+\/(releases|current) /m);
    }
    expect(await inside(machines.tower, "cat /srv/wizards/ezra/home/diary")).toBe("note\n");
    expect(await jobsOfEzra()).toEqual(["the agent's own"]);
    expect(await inside(machines.forge, "systemctl list-units --all --no-legend 'hermes-*'")).toBe("");
  });

  it("come back around what their agents left", async () => {
    expect((await fleet.run("up", ["--yes"])).code).toBe(0);
    expect(await health("ezra")).toBe("200");
    expect(await inside(machines.tower, "cat /srv/wizards/ezra/home/diary")).toBe("note\n");
    expect(await jobsOfEzra()).toEqual(["the agent's own", "nightly digest", "weekly index"]);
  });
});
