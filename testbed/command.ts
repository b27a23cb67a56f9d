/** Runs programs of this machine, and several things at a time. */
import { spawn } from "node:child_process";

export interface Outcome {
  /** Exit code; -1 when a signal ended it. */
  code: number;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  /** Given on standard input. Default: nothing. */
  input?: string | undefined;
  env?: NodeJS.ProcessEnv | undefined;
  /** Milliseconds until the process and what it started are killed and the call rejects. Default: none. */
  timeout?: number | undefined;
  /** What messages call the command. Default: its words. */
  title?: string | undefined;
}

/** Runs to the end, whatever the exit code. Rejects when the program cannot be started or takes too long. */
export function attempt(argv: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const [program = "", ...args] = argv;
  const { timeout } = options;
  return new Promise((resolve, reject) => {
    // With a time limit it leads a process group, so that what it started can be ended with it.
    const child = spawn(program, args, {
      env: options.env ?? process.env,
      stdio: "pipe",
      detached: timeout !== undefined,
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    const timer = setTimeout(() => {
      if (child.pid !== undefined) killGroup(child.pid);
      reject(new Error(`${shown(argv, options)} did not end within ${timeout} ms`));
    }, timeout ?? NEVER);
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    // A program that does not read its input closes it early, which is its right.
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.input ?? "");
    child.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code: code ?? -1, stdout: String(Buffer.concat(out)), stderr: String(Buffer.concat(err)) });
    });
  });
}

function killGroup(leader: number): void {
  try {
    process.kill(-leader, "SIGKILL");
  } catch (error) {
    // All have ended; somebody who left the group holds the output open.
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** The longest a timer can be set to, 24 days. */
const NEVER = 2 ** 31 - 1;

/** Standard output of a program that succeeds. Rejects with its last words when it does not. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await attempt(argv, options);
  if (code === 0) return stdout;
  const words = (stderr.trim() || stdout.trim()).split("\n").slice(-15).join("\n");
  throw new Error(`${shown(argv, options)} failed with ${code}: ${words}`);
}

function shown(argv: readonly string[], { title }: RunOptions): string {
  const line = title ?? argv.join(" ");
  return line.length > 200 ? `${line.slice(0, 200)}…` : line;
}

/** Does `work` for every item, at most `limit` at a time; all are tried, then the first failure is thrown. */
export async function forEachAtMost<T>(
  limit: number,
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  const failures: unknown[] = [];
  const queue = items.values();
  const worker = async (): Promise<void> => {
    for (const item of queue) await work(item).catch((error: unknown) => failures.push(error));
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
}
