/** Starts the engine itself, without the npm package's start-up, and passes signals on. */
import { spawn, type StdioOptions } from "node:child_process";
import os from "node:os";

import { listenForEvents, type EngineEvent } from "./events.ts";
import { ROOT } from "./stack.ts";

export interface EngineCall {
  /** Path of the executable. */
  engine: string;
  stack: string;
  env: NodeJS.ProcessEnv;
}

export interface EngineResult {
  /** The engine's own; 128 + signal number when a signal ended it. */
  code: number;
  events: EngineEvent[];
}

/**
 * Runs an operation and collects its events. `display: "pulumi"` leaves the terminal to the engine; `"none"` shows
 * nothing of its own but returns what it wrote to stderr through `onStderr`.
 */
export async function runOperation(
  call: EngineCall,
  args: readonly string[],
  display: "pulumi" | { onStderr(text: string): void },
): Promise<EngineResult> {
  const listener = await listenForEvents();
  const stdio: StdioOptions = display === "pulumi" ? "inherit" : ["ignore", "ignore", "pipe"];
  const code = await run(
    call,
    [...args, "--event-log", listener.address],
    stdio,
    display === "pulumi" ? undefined : display.onStderr,
  );
  return { code, events: await listener.close() };
}

/** Runs a command whose output only matters when it fails; it goes to stderr then. Returns the exit code. */
export async function runQuietly(call: EngineCall, args: readonly string[]): Promise<number> {
  let output = "";
  const collect = (text: string): void => {
    output += text;
  };
  const code = await run(
    call,
    [...args, "--non-interactive", "--color=never"],
    ["ignore", "pipe", "pipe"],
    collect,
  );
  if (code !== 0) process.stderr.write(output);
  return code;
}

/** Runs a command with the terminal to itself. Returns the exit code. */
export function runAttached(call: EngineCall, args: readonly string[]): Promise<number> {
  return run(call, args, "inherit", undefined);
}

function run(
  call: EngineCall,
  args: readonly string[],
  stdio: StdioOptions,
  onOutput: ((text: string) => void) | undefined,
): Promise<number> {
  // On a terminal Ctrl-C reaches the whole foreground group, the engine included. A second SIGINT makes it stop at once
  // instead of in order, so there it is not sent again; elsewhere the engine gets a group of its own and exactly what we get.
  const sharesTerminal = process.stdin.isTTY === true;
  const child = spawn(call.engine, args, { cwd: ROOT, env: call.env, stdio, detached: !sharesTerminal });
  if (onOutput) {
    child.stdout?.setEncoding("utf8").on("data", onOutput);
    child.stderr?.setEncoding("utf8").on("data", onOutput);
  }
  const onInterrupt = (): void => {
    if (!sharesTerminal) child.kill("SIGINT");
  };
  const onTerminate = (): void => {
    child.kill("SIGTERM");
  };
  process.on("SIGINT", onInterrupt);
  process.on("SIGTERM", onTerminate);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      process.off("SIGINT", onInterrupt);
      process.off("SIGTERM", onTerminate);
      resolve(code ?? 128 + (signal === null ? 0 : os.constants.signals[signal]));
    });
  });
}
