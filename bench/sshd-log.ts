/** What the sshd of a test machine has logged. */
import { setTimeout as sleep } from "node:timers/promises";

import { inside, type Machine } from "./machines.ts";

export interface LogLine {
  /** Seconds since the epoch, by the one clock of all machines. */
  time: number;
  text: string;
}

/** Waits for the next full second, from which on a log can be asked, and returns it in seconds since the epoch. */
export async function untilFullSecond(): Promise<number> {
  await sleep(1000 - (Date.now() % 1000));
  return Math.floor(Date.now() / 1000);
}

/** @param since seconds since the epoch */
export async function sshdLog(machine: Machine, since: number): Promise<LogLine[]> {
  await inside(machine, ["journalctl", "--quiet", "--sync"]);
  const argv = ["journalctl", "--quiet", "--identifier=sshd", "--output=short-unix", `--since=@${since}`];
  const lines = (await inside(machine, argv)).split("\n");
  return lines.flatMap((line) => {
    const match = /^(\d+\.\d+) \S+ sshd\[\d+\]: (.*)$/.exec(line);
    return match === null ? [] : [{ time: Number(match[1]), text: match[2]! }];
  });
}
