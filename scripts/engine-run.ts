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
  /** The checkout whose program is meant. Default: this one. */
  checkout?: string;
}

export interface EngineResult {
  /** The engine's own; 128 + signal number when a signal ended it. */
  code: number;
  events: EngineEvent[];
}

/** Instead of the engine's own display, which then shows nothing. */
export interface EventDisplay {
  onStderr(text: string): void;
  onEvent?(event: EngineEvent): void;
}

/** Runs an operation and collects its events. `display: "pulumi"` leaves the terminal to the engine. */
export async function runOperation(
  call: EngineCall,
  args: readonly string[],
  display: "pulumi" | EventDisplay,
): Promise<EngineResult> {
  const listener = await listenForEvents(
    display === "pulumi" ? undefined : (event) => display.onEvent?.(event),
  );
  const stdio: StdioOptions = display === "pulumi" ? "inherit" : ["ignore", "ignore", "pipe"];
  const code = await run(
    call,
    [...args, "--event-log", listener.address],
    stdio,
    display === "pulumi" ? undefined : (text) => display.onStderr(text),
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

/** Runs a command that takes something on stdin and answers on stdout. What it says on stderr is shown if it fails. */
export async function runWithInput(
  call: EngineCall,
  args: readonly string[],
  input: string,
): Promise<{ code: number; stdout: string }> {
  let stdout = "";
  let stderr = "";
  const code = await run(
    call,
    [...args, "--non-interactive", "--color=never"],
    ["pipe", "pipe", "pipe"],
    (text) => (stderr += text),
    { text: input, onStdout: (text) => (stdout += text) },
  );
  if (code !== 0) process.stderr.write(stderr);
  return { code, stdout };
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
  input?: { text: string; onStdout(text: string): void },
): Promise<number> {
  // On a terminal Ctrl-C reaches the whole foreground group, the engine included. A second SIGINT makes it stop at once
  // instead of in order, so there it is not sent again; elsewhere the engine gets a group of its own and exactly what we get.
  const sharesTerminal = process.stdin.isTTY === true;
  const child = spawn(call.engine, args, {
    cwd: call.checkout ?? ROOT,
    env: call.env,
    stdio,
    detached: !sharesTerminal,
  });
  if (onOutput) {
    child.stdout?.setEncoding("utf8").on("data", input ? (text: string) => input.onStdout(text) : onOutput);
    child.stderr?.setEncoding("utf8").on("data", onOutput);
  }
  if (input) {
    // A command that failed before it read everything says why by itself.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input.text);
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
