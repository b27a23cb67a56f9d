/** The transport `local`: a folder of this machine stands for the host's root. For the dev stack and for tests. */
import { spawn } from "node:child_process";
import path from "node:path";

import { CannotLook } from "../errors.ts";
import type { Answer, RunOptions, Transport } from "./transport.ts";

/** No honest answer is larger: a house has tens of files and a record of a file takes about 200 bytes. */
const MAX_OUTPUT = 16 * 1024 * 1024;
const MAX_STDERR = 4096;
/** Milliseconds a cancelled script gets to stop at its own next boundary before it is killed. */
const GRACE = 2000;

/**
 * @param root the folder; a relative one is taken from the Pulumi project's folder, so that a checkout can be moved
 */
export function localTransport(
  root: string,
  projectFolder: string,
  platform: NodeJS.Platform = process.platform,
): Transport {
  const prefix = path.resolve(projectFolder, root);
  return {
    vantage: { prefix, owners: false },
    notice: `${root} is a folder that stands for a host: wanted owners are recorded but not set, units are enabled but not started`,
    run: (options) => {
      if (platform === "linux") return runShell(["/bin/sh"], options);
      // The scripts are made for Debian hosts: GNU coreutils and flock, which other systems do not have.
      return Promise.reject(
        new CannotLook(`a folder can stand for a host on Linux only, and this is ${platform}`),
      );
    },
  };
}

/**
 * Starts a shell and feeds it the script and then the payload. The script is read from standard input by a bootstrap
 * that knows its length, so it shows in no process list and the rest of the input is left to the script.
 */
export function runShell(command: [string, ...string[]], options: RunOptions): Promise<Answer> {
  const script = Buffer.from(options.script, "utf8");
  const [program, ...args] = command;
  // A process group of its own: a Ctrl-C meant for the engine must not cut the script in the middle of a step.
  const child = spawn(program, [...args, "-c", `eval "$(head -c ${script.length})"`], {
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
  });
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let pending = "";
    let stderr = "";
    let failure: Error | undefined;
    const kill = (): void => {
      if (child.pid === undefined || child.exitCode !== null) return;
      try {
        process.kill(-child.pid, "SIGKILL");
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
    };
    const fail = (error: Error): void => {
      failure ??= error;
      kill();
    };
    const cancel = (): void => {
      // End of input is what the script takes as "stop at the next boundary".
      child.stdin.destroy();
      setTimeout(kill, GRACE).unref();
    };
    const timer = setTimeout(
      () => fail(new CannotLook(`no answer within ${options.deadline} s`)),
      options.deadline * 1000,
    );
    options.signal.addEventListener("abort", cancel);

    child.stdout.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_OUTPUT) return fail(new CannotLook(`the host's answer exceeds ${MAX_OUTPUT} bytes`));
      chunks.push(chunk);
      if (!options.onLine) return;
      const lines = (pending + chunk.toString("utf8")).split("\n");
      pending = lines.pop() ?? "";
      for (const line of lines) {
        const reply = options.onLine(line);
        if (reply !== undefined) child.stdin.end(reply);
      }
    });
    child.stderr.on("data", (chunk: Buffer) => {
      stderr = (stderr + chunk.toString("utf8")).slice(-MAX_STDERR);
    });
    // The script may end before it has read everything; its exit code and words say why, not the broken pipe.
    child.stdin.on("error", () => {});
    child.on("error", (error) => fail(new CannotLook(`cannot start ${program}: ${error.message}`)));
    child.on("close", (code) => {
      clearTimeout(timer);
      options.signal.removeEventListener("abort", cancel);
      if (failure) reject(failure);
      else resolve({ code, stdout: Buffer.concat(chunks), stderr });
    });
    if (options.signal.aborted) return cancel();
    child.stdin.write(script);
    if (options.payload) child.stdin.write(options.payload);
    if (!options.onLine) child.stdin.end();
  });
}
