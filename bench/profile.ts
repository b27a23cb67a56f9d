/**
 * Where the time of one of our commands goes: when each kind of process began and ended, and what the logs of the
 * machines say of the connections between. All of it is seen from outside. Looking every 10 ms slows the command, so
 * the whole is longer than a timed run.
 */
import { readFileSync } from "node:fs";

import type { Machine } from "./machines.ts";
import { procText, watch } from "./processes.ts";
import { run, type Command, type Outcome } from "./process.ts";
import { sshdLog, untilFullSecond } from "./sshd-log.ts";

const INTERVAL = 10;

/** Something that happened, in seconds since the command was started. */
export interface Moment {
  at: number;
  what: string;
}

export interface Profile {
  moments: Moment[];
  /** Processor seconds by kind of process, as far as they were seen while it lived. */
  processor: Record<string, number>;
}

interface Seen {
  kind: string;
  from: number;
  to: number;
  processor: number;
}

/** Kinds of processes by their command line; the first that fits. */
const KINDS: readonly (readonly [kind: string, pattern: RegExp])[] = [
  ["engine", /\/pulumi (preview|up) /],
  ["language host", /pulumi-language-nodejs/],
  ["provider", /provider\/main\.mjs/],
  ["program", /cmd\/run\/index\.js/],
  ["command", /scripts\/run\.mjs/],
  ["npm", /^npm /],
  ["ssh", /^ssh[ :]/],
];

export async function runProfiled(
  machines: Machine[],
  command: Command,
): Promise<{ outcome: Outcome; profile: Profile }> {
  const { env, living } = watch();
  const since = await untilFullSecond();
  const bootedAt = Date.now() / 1000 - Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
  const from = Date.now() / 1000;
  const seen = new Map<string, Seen>();
  const timer = setInterval(() => {
    const now = Date.now() / 1000;
    for (const pid of living()) {
      const kind = kindOf(pid);
      const used = usage(pid);
      if (kind === undefined || used === undefined) continue;
      seen.set(pid, { kind, from: bootedAt + used.startedAt, to: now, processor: used.processor });
    }
  }, INTERVAL);
  let outcome: Outcome;
  try {
    outcome = await run({ ...command, env: { ...command.env, ...env } });
  } finally {
    clearInterval(timer);
  }
  const logs = (await Promise.all(machines.map((machine) => sshdLog(machine, since)))).flat();
  const logged = (what: string, pattern: RegExp): Moment[] =>
    firstAndLast(
      what,
      logs.filter(({ text }) => pattern.test(text)).map(({ time }) => time - from),
    );
  const all = [...seen.values()];
  const processes = KINDS.map(([kind]) => ({ kind, own: all.filter((one) => one.kind === kind) })).filter(
    ({ own }) => own.length > 0,
  );
  const moments = [
    ...processes.flatMap(({ kind, own }) => [
      { at: Math.min(...own.map((one) => one.from)) - from, what: `${kind} starts` },
      { at: Math.max(...own.map((one) => one.to)) - from, what: `${kind} is gone` },
    ]),
    ...logged("login", /^Accepted publickey for /),
    ...logged("shell starts on a host", /^Starting session: /),
    ...logged("logout", /^Disconnected from /),
    { at: outcome.seconds, what: "the end" },
  ].sort((a, b) => a.at - b.at);
  const processor = processes.map(({ kind, own }) => [
    kind,
    own.reduce((sum, one) => sum + one.processor, 0),
  ]);
  return {
    outcome,
    profile: { moments, processor: Object.fromEntries(processor) as Record<string, number> },
  };
}

function firstAndLast(what: string, times: number[]): Moment[] {
  if (times.length === 0) return [];
  return [
    { at: Math.min(...times), what: `first ${what}` },
    { at: Math.max(...times), what: `last ${what} (of ${times.length})` },
  ];
}

function kindOf(pid: string): string | undefined {
  const line = procText(pid, "cmdline").replaceAll("\0", " ");
  return KINDS.find(([, pattern]) => pattern.test(line))?.[0];
}

/** Fields 14, 15 and 22 of /proc/<pid>/stat, which count hundredths of a second; the last since the machine booted. */
function usage(pid: string): { processor: number; startedAt: number } | undefined {
  const stat = procText(pid, "stat");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [user, system, start] = [fields[11], fields[12], fields[19]];
  if (user === undefined || system === undefined || start === undefined) return undefined;
  return { processor: (Number(user) + Number(system)) / 100, startedAt: Number(start) / 100 };
}
