/**
 * `npm run bench -- --recovery`: how long a house is without its gateway, on a machine of the test bed with the real one.
 *
 * - an update that restarts it: from the switch to the confirmation, and the time in which nothing answers
 * - a gateway that hangs: from its last moment to the next answer, with the shortest grace; cron looks once a minute, so
 *   this differs by up to a minute from run to run
 *
 * With the deadlines of a stack that sets none. A program inside the machine asks for the health every 20 ms.
 */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { say } from "../scripts/session.ts";
import { destroyTestbed, ensureTestbed, type Machine } from "../testbed/index.ts";
import { inside, keepHouses, makeHostFleet, STACK, type HostFleet } from "../tests/hosts/fleet.ts";

const BED = "bench";
const RUNS = 3;
const GRACE = 60;
const HOUSE = "/srv/wizards/bezalel";
const UNIT = "hermes-bezalel.service";
const LOG = "/run/health-of-bench";

/** Writes `<epoch> <0|1>` whenever the gateway begins or ceases to answer. */
const WATCH = `
import http.client, time
before = None
while True:
    began = time.time()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", 8642, timeout=1)
        connection.request("GET", "/health")
        well = connection.getresponse().status == 200
    except OSError:
        well = False
    finally:
        connection.close()
    # What was asked before it ceased to answer may be answered after it began anew.
    if well != before:
        with open("${LOG}", "a") as log:
            log.write(f"{time.time() if well else began:.3f} {int(well)}\\n")
        before = well
    time.sleep(0.02)
`;

interface Change {
  time: number;
  well: boolean;
}

async function changes(machine: Machine): Promise<Change[]> {
  const lines = (await inside(machine, `cat ${LOG}`)).trim().split("\n");
  return lines.map((line) => {
    const [time, well] = line.split(" ");
    return { time: Number(time), well: well === "1" };
  });
}

const seconds = (value: number): string => `${value.toFixed(1)} s`;

/** One line: smallest, median and largest. */
function told(what: string, values: readonly number[]): void {
  const [low = 0, middle = 0, high = 0] = values.toSorted((a, b) => a - b);
  say(`${what.padEnd(62)} ${seconds(middle)} (${seconds(low)} to ${seconds(high)})`);
}

async function up(fleet: HostFleet): Promise<void> {
  const { code, stdout, stderr } = await fleet.run("up", ["--yes"]);
  if (code !== 0) throw new Error(`up ended with ${code}:\n${stdout}${stderr}`);
}

/** Updates that change what the gateway runs on. */
async function updates(machine: Machine, fleet: HostFleet): Promise<void> {
  const confirmed: number[] = [];
  const silent: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    fleet.edit("wizards/bezalel/config.yaml", /max_turns: \d+/, `max_turns: ${100 + run}`);
    const from = (await changes(machine)).length;
    await up(fleet);
    const times = await inside(machine, `stat -c %.3Y ${HOUSE}/current ${HOUSE}/known-good`);
    const [switched = 0, good = 0] = times.trim().split("\n").map(Number);
    confirmed.push(good - switched);
    const [ceased, began] = (await changes(machine)).slice(from);
    if (ceased?.well !== false || began?.well !== true) throw new Error("the update restarted nothing");
    silent.push(began.time - ceased.time);
  }
  told("update: from the switch to the confirmation", confirmed);
  told("update: in which no gateway answers", silent);
}

/** A gateway that stands still at any moment of cron's minute. */
async function hangs(machine: Machine): Promise<void> {
  const whole: number[] = [];
  const restarts: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    await sleep(run * 20_000);
    const pid = (await inside(machine, `systemctl show -p MainPID --value ${UNIT}`)).trim();
    const began = Number(await inside(machine, `date +%s.%N; kill -STOP ${pid}`));
    for (;;) {
      const last = (await changes(machine)).at(-1);
      if (last?.well === true && last.time > began + GRACE / 2) {
        whole.push(last.time - began);
        const found = Number(
          (await inside(machine, `stat -c %.3Y /var/lib/wizard-houses/bezalel/attempts`)).trim(),
        );
        restarts.push(last.time - found);
        break;
      }
      await sleep(1000);
    }
    // The switch forgets an attempt only after its window; this one is a run of its own.
    await inside(machine, "rm -f /var/lib/wizard-houses/bezalel/attempts");
  }
  told(`hang: from its last moment to the next answer, grace ${GRACE} s`, whole);
  told("hang: of that, from the switch's decision to the next answer", restarts);
}

/** Returns the exit code of the command. */
export async function main(): Promise<number> {
  await destroyTestbed(BED, say);
  try {
    const [machine] = (await ensureTestbed({ count: 1, bed: BED, progress: say })) as [Machine];
    const fleet = await makeHostFleet({ forge: machine });
    try {
      keepHouses(fleet, ["bezalel"]);
      fleet.edit("wizards/bezalel/house.yaml", /grace: \d+/, `grace: ${GRACE}`);
      const settings = path.join(fleet.work.dir, `Pulumi.${STACK}.yaml`);
      writeFileSync(settings, readFileSync(settings, "utf8").replace(/^.*stableFor.*\n/m, ""));
      await up(fleet);
      await inside(
        machine,
        `cat >/run/watch.py <<'END'\n${WATCH}\nEND\nsystemd-run --quiet /opt/hermes/venv/bin/python /run/watch.py`,
      );
      await sleep(1000);
      await updates(machine, fleet);
      await hangs(machine);
    } finally {
      fleet.cleanup();
    }
  } finally {
    await destroyTestbed(BED, say);
  }
  return 0;
}
