/** Runs programs of this machine, and several things at a time. */
import { spawn } from "node:child_process";

export interface Outcome {
  /** Exit code; 128 + signal number is not used, a killed process has code -1. */
  code: number;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  /** Given on standard input. Default: nothing. */
  input?: string | undefined;
  env?: NodeJS.ProcessEnv | undefined;
  /** Milliseconds until the process is killed and the call rejects. Default: none. */
  timeout?: number | undefined;
  /** What messages call the command. Default: its words. */
  title?: string | undefined;
}

/** Runs to the end, whatever the exit code. Rejects when the program cannot be started or takes too long. */
export function attempt(argv: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const [program = "", ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env: options.env ?? process.env, stdio: "pipe" });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    let late = false;
    const timer =
      options.timeout === undefined
        ? undefined
        : setTimeout(() => {
            late = true;
            child.kill("SIGKILL");
          }, options.timeout);
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
      if (late) reject(new Error(`${shown(argv, options)} did not end within ${options.timeout} ms`));
      else
        resolve({ code: code ?? -1, stdout: String(Buffer.concat(out)), stderr: String(Buffer.concat(err)) });
    });
  });
}

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
