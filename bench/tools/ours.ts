/** This program: the npm commands of a project whose `wizards/` has the bench's houses. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

import { VERSIONS } from "../../toolchain/versions.ts";
import { PROJECT } from "../../scripts/stack.ts";
import type { CaseName } from "../options.ts";
import { mustRun, type Command, type Outcome } from "../process.ts";
import { STACK } from "../project.ts";
import type { Ground, Tool } from "./tool.ts";

export interface OursTool extends Tool {
  /** Takes in, untimed, what another tool did to the hosts. What they wanted last must be what is wanted now. */
  catchUp(): Promise<void>;
}

/** @param project the project's folder, as `makeProject` leaves it */
export async function ours(ground: Ground, project: string): Promise<OursTool> {
  const state = path.join(ground.dir, "ours", "state");
  const home = path.join(ground.dir, "ours", "login");
  const sshConfig = path.join(ground.dir, "ours", "ssh_config");
  mkdirSync(path.dirname(sshConfig), { recursive: true });
  writeFileSync(
    sshConfig,
    `Host *\n  IdentityFile ${ground.clientKey}\n  IdentitiesOnly yes\n  IdentityAgent none\n`,
  );
  const env: NodeJS.ProcessEnv = {
    WIZARD_HOUSES_SSH_CONFIG: sshConfig,
    PULUMI_BACKEND_URL: pathToFileURL(state).href,
    PULUMI_CREDENTIALS_PATH: home,
    PULUMI_CONFIG_PASSPHRASE: "protects nothing",
    NO_COLOR: "1",
  };
  const npm = (script: string, ...args: string[]): Command => ({
    argv: ["npm", "run", "--silent", script, "--", "-s", STACK, ...args],
    env,
    cwd: project,
  });
  const commands: Record<CaseName, Command> = {
    converge: npm("up", "--yes"),
    check: npm("drift"),
    apply: npm("up", "--yes"),
    change: npm("up", "--yes"),
  };
  const newState = async (): Promise<void> => {
    rmSync(state, { recursive: true, force: true });
    for (const folder of [state, home]) mkdirSync(folder, { recursive: true });
    await mustRun(npm("pulumi", "stack", "init", STACK, "--no-select"));
  };
  await newState();
  return {
    name: "ours",
    version: `Pulumi ${VERSIONS.pulumi}`,
    cases: ["converge", "check", "apply", "change"],
    async want(_, keys) {
      const pairs = Object.entries(keys).flatMap(([key, value]) => [
        "--secret",
        `${PROJECT}:keys.${key}=${value}`,
      ]);
      await mustRun(npm("pulumi", "config", "set-all", "--path", ...pairs));
    },
    forget: newState,
    command: (name) => commands[name],
    complaint,
    cool: () => Promise.resolve(),
    async catchUp() {
      await mustRun(commands.apply);
    },
  };
}

/** The commands' own exit codes say whether anything differed, but for an `up`, which may change things. */
export function complaint(name: CaseName, { stdout }: Pick<Outcome, "stdout">): string | undefined {
  if (name !== "apply") return undefined;
  const changes = /^\s*[+~-] *\d+ .*$/m.exec(stdout);
  return changes === null ? undefined : `it changed something: ${changes[0].trim()}`;
}
