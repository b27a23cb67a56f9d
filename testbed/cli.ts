/** The command line of the test bed. */
import { parseArgs } from "node:util";

import { DEFAULT_BED } from "./bed.ts";
import {
  type Flavour,
  type MachineStatus,
  bedNames,
  destroyTestbed,
  ensureTestbed,
  statusOf,
  testbedProblem,
} from "./index.ts";
import { clientKeyFile, knownHostsFile, sshConfigFile } from "./keys.ts";
import { raisedLimit } from "./registry.ts";

const USAGE = `usage: npm run testbed -- up N [--bed NAME] [--flavour full|bare]
       npm run testbed -- down [--bed NAME | --all]
       npm run testbed -- status [--bed NAME] [--json]`;

class UsageError extends Error {}

interface Call {
  verb: string;
  count: number;
  bed: string | undefined;
  flavour: Flavour;
  all: boolean;
  json: boolean;
}

const say = (line: string): boolean => process.stderr.write(`${line}\n`);

export async function main(args: readonly string[]): Promise<number> {
  try {
    const call = parse(args);
    const problem = testbedProblem();
    if (problem !== undefined) throw new Error(problem);
    if (call.verb === "up") await up(call);
    else if (call.verb === "down") await down(call);
    else status(call);
    return 0;
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    if (error instanceof UsageError) say(USAGE);
    return 1;
  }
}

function parse(args: readonly string[]): Call {
  const { values, positionals } = options(args);
  const [verb = "", ...more] = positionals;
  if (!["up", "down", "status"].includes(verb))
    throw new UsageError(`what to do? got ${JSON.stringify(verb)}`);
  const counted = verb === "up" ? more.shift() : undefined;
  if (verb === "up" && !/^\d+$/.test(counted ?? ""))
    throw new UsageError(`up needs the number of machines, for example up 3`);
  if (more.length > 0) throw new UsageError(`unexpected: ${more.join(" ")}`);
  const { bed, flavour = "full", all = false, json = false } = values;
  if (flavour !== "full" && flavour !== "bare")
    throw new UsageError(`--flavour is full or bare, not ${JSON.stringify(flavour)}`);
  return { verb, count: Number(counted ?? 0), bed, flavour, all, json };
}

function options(args: readonly string[]): ReturnType<typeof read> {
  try {
    return read(args);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function read(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      bed: { type: "string" },
      flavour: { type: "string" },
      all: { type: "boolean" },
      json: { type: "boolean" },
    },
  });
}

async function up({ count, bed = DEFAULT_BED, flavour }: Call): Promise<void> {
  const from = Date.now();
  const before = statusOf(bed).filter(({ state }) => state === "running").length;
  await ensureTestbed({ count, bed, flavour, progress: say });
  const now = statusOf(bed).filter(({ state }) => state === "running");
  const seconds = ((Date.now() - from) / 1000).toFixed(1);
  say(`bed ${bed}: ${now.length} machines run (${now.length - before} started) after ${seconds} s`);
  if (now.length > count)
    say(`${count} were asked for; the others stay. To be rid of them: down, then up ${count}`);
  print(bed, statusOf(bed));
}

async function down({ bed, all }: Call): Promise<void> {
  for (const name of all ? bedNames() : [bed ?? DEFAULT_BED]) {
    await destroyTestbed(name, say);
    say(`bed ${name} is down`);
  }
}

function status({ bed, json }: Call): void {
  const names = bed === undefined ? bedNames() : [bed];
  if (json) {
    process.stdout.write(
      `${JSON.stringify(
        names.map((name) => inJson(name)),
        undefined,
        2,
      )}\n`,
    );
    return;
  }
  for (const name of names) print(name, statusOf(name));
  if (names.length === 0) say("no bed is up");
  const raised = raisedLimit();
  if (raised !== undefined) say(raised);
}

function inJson(bed: string): object {
  return {
    bed,
    clientKeyFile: clientKeyFile(bed),
    knownHostsFile: knownHostsFile(bed),
    sshConfigFile: sshConfigFile(bed),
    machines: statusOf(bed),
  };
}

function print(bed: string, machines: readonly MachineStatus[]): void {
  for (const { name, address, address6, state, memory, flavour } of machines) {
    const megabytes = (memory === undefined ? "?" : `${Math.round(memory / 1e6)} MB`).padStart(7);
    process.stdout.write(
      `${bed}/${name.padEnd(9)} ${address.padEnd(15)} ${address6.padEnd(24)} ${state.padEnd(8)} ${megabytes}  ${flavour}\n`,
    );
  }
  const first = machines[0];
  if (!first) return;
  const options = `-i ${clientKeyFile(bed)} -o IdentitiesOnly=yes -o UserKnownHostsFile=${knownHostsFile(bed)}`;
  process.stdout.write(`ssh ${options} root@${first.address}\nssh -F ${sshConfigFile(bed)} ${first.name}\n`);
}
