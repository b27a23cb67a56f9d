/** When a machine that was started is of use. */
import { existsSync, readFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { processInfo } from "../toolchain/process-info.ts";
import { inside } from "./exec.ts";
import { machineFolder } from "./paths.ts";
import type { MachineRecord } from "./records.ts";

/** How long a machine may take until sshd answers and systemd has started everything. */
const BOOT_SECONDS = 120;

export const consoleLog = ({ bed, name }: MachineRecord): string =>
  path.join(machineFolder(bed, name), "console.log");

/**
 * Waits until sshd answers and systemd has nothing left to start. Returns what systemd says of itself then, `running` or
 * `degraded`. Rejects when nothing comes of it.
 */
export async function untilReady(machine: MachineRecord): Promise<string> {
  const deadline = Date.now() + BOOT_SECONDS * 1000;
  while (!(await sshAnswers(machine.address))) {
    if (processInfo(machine.pid ?? 0) === undefined) {
      throw new Error(`${machine.name} stopped while it booted${lastWords(machine)}`);
    }
    if (Date.now() > deadline) {
      const waited = `after ${BOOT_SECONDS} s${lastWords(machine)}`;
      throw new Error(`${machine.name} does not answer on port 22 ${waited}`);
    }
    await sleep(50);
  }
  const state = await inside(machine, ["systemctl", "is-system-running", "--wait"], {
    timeout: BOOT_SECONDS * 1000,
  });
  return state.stdout.trim() || state.stderr.trim();
}

/** A machine nobody has touched has no reason to be anything but well. */
export async function demandNothingFailed(machine: MachineRecord, state: string): Promise<void> {
  if (state === "running") return;
  const failed = await inside(machine, ["systemctl", "--failed", "--no-legend", "--plain"]);
  throw new Error(`${machine.name} is new and ${state}: ${failed.stdout.trim()}`);
}

/** Whether something at the address greets as an ssh server does. */
export function sshAnswers(address: string, milliseconds = 1000): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: address, port: 22 });
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(milliseconds, () => end(false));
    socket.on("error", () => end(false));
    socket.on("data", (greeting: Buffer) => end(greeting.toString("latin1").startsWith("SSH-")));
    socket.on("close", () => end(false));
  });
}

function lastWords(machine: MachineRecord): string {
  const file = consoleLog(machine);
  const words = existsSync(file) ? readFileSync(file, "utf8").trim().split("\n").slice(-10).join("\n") : "";
  return words === "" ? "" : `; its console ends with:\n${words}`;
}
