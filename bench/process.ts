/** Runs a command of this machine to its end and says how long it took. */
import { spawn } from "node:child_process";
import { performance } from "node:perf_hooks";

export interface Command {
  argv: readonly [string, ...string[]];
  /** Added to our own environment. */
  env?: NodeJS.ProcessEnv;
  cwd?: string;
}

export interface Outcome {
  /** -1 if a signal ended it. */
  code: number;
  stdout: string;
  stderr: string;
  /** From start to end of process and output. */
  seconds: number;
  /** Processor seconds of the command and of all its descendants that were waited for. */
  processor: number;
}

/** Reports, behind the command, what the shell's children have used. */
const TIMED = '"$@"; code=$?; times >&3; exit "$code"';

/** Leaders of the process groups of what runs now. */
const running = new Set<number>();

/** Ends what runs now, with its descendants. */
export function endRunning(): void {
  for (const leader of running) process.kill(-leader, "SIGTERM");
}

export function run({ argv, env, cwd }: Command, input = ""): Promise<Outcome> {
  const from = performance.now();
  const child = spawn("/bin/sh", ["-c", TIMED, "sh", ...argv], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "pipe", "pipe"],
    // A group of its own, by which all of it can be ended.
    detached: true,
  });
  const { pid } = child;
  if (pid !== undefined) running.add(pid);
  let times = "";
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
  child.stdio[3]?.on("data", (chunk: Buffer) => (times += chunk.toString()));
  // A program may end without having read its input.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      if (pid !== undefined) running.delete(pid);
      const seconds = (performance.now() - from) / 1000;
      resolve({
        code: code ?? -1,
        stdout: Buffer.concat(out).toString(),
        stderr: Buffer.concat(err).toString(),
        seconds,
        processor: childrensSeconds(times),
      });
    });
  });
}

/** The second line of `times`: user and system time of children, such as `0m1.25s 0m0.30s`. */
function childrensSeconds(text: string): number {
  const parts = text.split("\n")[1]?.matchAll(/(\d+)m([\d.]+)s/g) ?? [];
  return [...parts].reduce((sum, [, minutes, seconds]) => sum + 60 * Number(minutes) + Number(seconds), 0);
}

/** The same for what must succeed: throws an `Error` with the command's last words where it does not. */
export async function mustRun(command: Command, input?: string): Promise<string> {
  const outcome = await run(command, input);
  if (outcome.code !== 0) throw new Error(lastWords(command, outcome));
  return outcome.stdout;
}

export function lastWords({ argv }: Command, { code, stdout, stderr }: Outcome): string {
  const tail = `${stdout}\n${stderr}`.trim().split("\n").slice(-40).join("\n");
  return `${argv.join(" ")} ended with ${code}:\n${tail}`;
}
