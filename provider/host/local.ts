/** The transport `local`: a folder of this machine stands for the host's root. For the dev stack and for tests. */
import path from "node:path";

import { CannotLook } from "../errors.ts";
import { loopArguments, ShellEnded, ShellProcess } from "./shell-process.ts";
import type { Answer, RunOptions, Transport } from "./transport.ts";

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
    notice: `${root} is a folder that stands for a host: wanted owners are recorded but not set, packages are not installed, units are enabled but not started`,
    run: (options) => {
      if (platform === "linux") return runHere(options);
      // The scripts are made for Debian hosts: GNU coreutils and flock, which other systems do not have.
      return Promise.reject(
        new CannotLook(`a folder can stand for a host on Linux only, and this is ${platform}`),
      );
    },
  };
}

/** Runs one script in a shell of its own. */
async function runHere(options: RunOptions): Promise<Answer> {
  const shell = new ShellProcess({ program: "/bin/sh", args: loopArguments(), env: {}, signal: "SIGKILL" });
  try {
    const answer = await shell.run(options);
    shell.finish();
    return answer;
  } catch (error) {
    shell.kill();
    if (!(error instanceof ShellEnded)) throw error;
    const { unstarted } = error.ending;
    if (unstarted) throw new CannotLook(`cannot start /bin/sh: ${unstarted.message}`, { cause: error });
    return error.answer;
  }
}
