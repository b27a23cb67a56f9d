/**
 * A PULUMI_HOME in which the engine writes no log.
 *
 * Of every run the engine keeps a log in `$PULUMI_HOME/logs`, with every message it exchanges and so with every key,
 * encrypted for the stack. With a hundred houses that is 55 MB a run and more than half of its computing time. It has no
 * option against it, but goes on without where the folder cannot be made.
 */
import { lstatSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";

import { pulumiHome } from "../toolchain/engine.ts";

/** Folders the engine makes when it needs them; made here, they are made in the operator's own home. */
const SHARED = ["plugins", "policies", "workspaces"];
const LOGS = "logs";
const OURS = "wizard-houses";

/** Puts a file where the engine would make its folder of logs. Older logs go: the engine would remove them after a week. */
export function preventLog(home: string): void {
  const logs = path.join(home, LOGS);
  if (lstatSync(logs, { throwIfNoEntry: false })?.isFile()) return;
  rmSync(logs, { recursive: true, force: true });
  writeFileSync(
    logs,
    "A file here keeps the engine from writing a log of every run, which would hold every key.\n",
  );
}

/**
 * The environment with a home of our own inside of the operator's: `logs` is a file, everything else is a link to what
 * the operator has. Unchanged where nothing can be written.
 */
export function withoutLog(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const theirs = pulumiHome(env);
  const home = path.join(theirs, OURS);
  try {
    mkdirSync(home, { recursive: true, mode: 0o700 });
    for (const name of SHARED) mkdirSync(path.join(theirs, name), { recursive: true });
    link(theirs, home);
    preventLog(home);
  } catch (error) {
    if (!["EACCES", "EROFS", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    return env;
  }
  return { ...env, PULUMI_HOME: home, PULUMI_CREDENTIALS_PATH: env.PULUMI_CREDENTIALS_PATH || theirs };
}

function link(theirs: string, home: string): void {
  const wanted = readdirSync(theirs).filter((name) => name !== LOGS && name !== OURS);
  for (const name of readdirSync(home)) {
    const at = path.join(home, name);
    const leadsNowhere = lstatSync(at).isSymbolicLink() && !statSync(at, { throwIfNoEntry: false });
    if (leadsNowhere) rmSync(at, { force: true });
  }
  for (const name of wanted) {
    try {
      symlinkSync(path.join("..", name), path.join(home, name));
    } catch (error) {
      // There from last time, or another command has just made it.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}
