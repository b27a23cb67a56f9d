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

/** Kinds of processes by their command line; the first that fits. */
const KINDS: readonly (readonly [kind: string, pattern: RegExp])[] = [
  ["engine", /\/pulumi (preview|up) /],
  ["language host", /pulumi-language-nodejs/],
  ["provider", /provider\/main\.mjs/],
  ["program", /cmd\/run\/index\.js/],
  ["command", /scripts\/run\.mjs/],
  ["npm", /^npm /],
  ["first ssh", /^ssh /],
];

export async function runProfiled(
  machines: Machine[],
  command: Command,
): Promise<{ outcome: Outcome; moments: Moment[] }> {
  const { env, living } = watch();
  const since = await untilFullSecond();
  const bootedAt = Date.now() / 1000 - Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
  const from = Date.now() / 1000;
  const seen = new Map<string, { from: number; to: number }>();
  const timer = setInterval(() => {
    const now = Date.now() / 1000;
    for (const pid of living()) {
      const kind = kindOf(pid);
      if (kind === undefined) continue;
      const before = seen.get(kind);
      seen.set(kind, { from: before?.from ?? startOf(pid, bootedAt) ?? now, to: now });
    }
  }, INTERVAL);
  let outcome: Outcome;
  try {
    outcome = await run({ ...command, env: { ...command.env, ...env } });
  } finally {
    clearInterval(timer);
  }
  const logs = (await Promise.all(machines.map((machine) => sshdLog(machine, since)))).flat();
  const times = (pattern: RegExp): number[] =>
    logs.filter(({ text }) => pattern.test(text)).map(({ time }) => time);
  const span = (what: string, pattern: RegExp): Moment[] => {
    const all = times(pattern);
    if (all.length === 0) return [];
    return [
      { at: Math.min(...all) - from, what: `first ${what}` },
      { at: Math.max(...all) - from, what: `last ${what} (of ${all.length})` },
    ];
  };
  const moments = [
    ...[...seen].flatMap(([kind, { from: began, to }]) => [
      { at: began - from, what: `${kind} starts` },
      { at: to - from, what: `${kind.replace("first", "last")} is gone` },
    ]),
    ...span("login", /^Accepted publickey for /),
    ...span("shell starts on a host", /^Starting session: /),
    ...span("logout", /^Disconnected from /),
    { at: outcome.seconds, what: "the end" },
  ];
  return { outcome, moments: moments.sort((a, b) => a.at - b.at) };
}

function kindOf(pid: string): string | undefined {
  const line = procText(pid, "cmdline").replaceAll("\0", " ");
  return KINDS.find(([, pattern]) => pattern.test(line))?.[0];
}

/** Field 22 of /proc/<pid>/stat: hundredths of a second since the machine booted. */
function startOf(pid: string, bootedAt: number): number | undefined {
  const stat = procText(pid, "stat");
  const ticks = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  return ticks === undefined ? undefined : bootedAt + Number(ticks) / 100;
}
