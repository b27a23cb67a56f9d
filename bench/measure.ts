/** One timed run: how long, over how many connections, with how many bytes. */
import { readFileSync } from "node:fs";

import type { Machine } from "./machines.ts";
import { run, type Command, type Outcome } from "./process.ts";
import { sshdLog, untilFullSecond } from "./sshd-log.ts";

/** Over all machines together. */
export interface Traffic {
  /** Logins that sshd accepted. */
  connections: number;
  /** Commands and subsystems started over them. */
  sessions: number;
  /** Bytes on the machines' cables, headers included: from us to them, and back. */
  sent: number;
  received: number;
}

export async function measure(
  machines: Machine[],
  command: Command,
): Promise<{ outcome: Outcome; traffic: Traffic }> {
  const since = await untilFullSecond();
  const before = counters(machines);
  const outcome = await run(command);
  const after = counters(machines);
  const log = (await Promise.all(machines.map((machine) => sshdLog(machine, since)))).flat();
  const count = (pattern: RegExp): number => log.filter(({ text }) => pattern.test(text)).length;
  return {
    outcome,
    traffic: {
      connections: count(/^Accepted publickey for /),
      sessions: count(/^Starting session: /),
      sent: after.sent - before.sent,
      received: after.received - before.received,
    },
  };
}

/** Our end of a cable sends what the machine is to receive. */
function counters(machines: Machine[]): { sent: number; received: number } {
  const read = (cable: string, counter: string): number =>
    Number(readFileSync(`/sys/class/net/${cable}/statistics/${counter}`, "utf8"));
  const sum = (counter: string): number =>
    machines.reduce((total, { cable }) => total + read(cable, counter), 0);
  return { sent: sum("tx_bytes"), received: sum("rx_bytes") };
}
