/** A copy of the checkout with state and hosts of its own, on which the real commands run. */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import os from "node:os";
import path from "node:path";

const CHECKOUT = path.resolve(import.meta.dirname, "..", "..");

export interface CommandResult {
  code: number;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  /** Added to the test's own environment. */
  env?: NodeJS.ProcessEnv;
  /** Written to stdin, which is never a terminal. */
  input?: string;
}

export interface Workspace {
  dir: string;
  /** Runs `node scripts/run.mjs ...args` to its end. */
  run(args: readonly string[], options?: RunOptions): Promise<CommandResult>;
  /** Starts the same and leaves it to the test: to kill it, for example. */
  start(
    args: readonly string[],
    options?: RunOptions,
  ): { child: ChildProcess; result: Promise<CommandResult> };
  /** The folder that stands for a host in the dev stack. */
  hostRoot(host: string): string;
  /** The dev stack's state. */
  stateFile(): string;
  cleanup(): void;
}

/** Copies what git tracks or would track, as it is now; packages are shared with the checkout. */
export function makeWorkspace(): Workspace {
  const dir = mkdtempSync(path.join(os.tmpdir(), "wizard-houses-"));
  const files = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: CHECKOUT,
    encoding: "utf8",
  }).split("\0");
  for (const file of files) {
    if (file === "" || !existsSync(path.join(CHECKOUT, file))) continue;
    mkdirSync(path.dirname(path.join(dir, file)), { recursive: true });
    cpSync(path.join(CHECKOUT, file), path.join(dir, file), { verbatimSymlinks: true });
  }
  symlinkSync(path.join(CHECKOUT, "node_modules"), path.join(dir, "node_modules"));

  const start: Workspace["start"] = (args, { env, input } = {}) => {
    const child = spawn(process.execPath, [path.join("scripts", "run.mjs"), ...args], {
      cwd: dir,
      env: { ...process.env, NO_COLOR: "1", ...env },
      stdio: "pipe",
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.stdin.end(input ?? "");
    const result = new Promise<CommandResult>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code) => resolve({ code: code ?? -1, stdout, stderr }));
    });
    return { child, result };
  };

  return {
    dir,
    start,
    run: (args, options) => start(args, options).result,
    hostRoot: (host) => path.join(dir, ".dev", "hosts", host),
    stateFile: () => path.join(dir, ".dev", "state", ".pulumi", "stacks", "wizard-houses", "dev.json"),
    cleanup: () => rmSync(dir, { recursive: true, force: true }),
  };
}
