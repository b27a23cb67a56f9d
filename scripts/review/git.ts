/** What a review asks git for. Refs and contents of a pull request are data here: nothing of them is run. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** What git says on standard output, without the line feed at its end. Rejects with what it says on standard error. */
export async function git(folder: string, ...args: string[]): Promise<string> {
  // No hook, filter or configuration of the folder's own user gets to run anything.
  const safe = ["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"];
  const { stdout } = await promisify(execFile)("git", [...safe, ...args], {
    cwd: folder,
    env: { ...process.env, GIT_TERMINAL_PROMPT: "0", LC_ALL: "C" },
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout.trimEnd();
}

export const commitOf = (folder: string): Promise<string> => git(folder, "rev-parse", "HEAD");
