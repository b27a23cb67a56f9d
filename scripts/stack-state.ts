/** A stack's state, out of the engine and back, with a copy of what was. */
import { mkdirSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { DEFAULT_STACK } from "./arguments.ts";
import type { Deployment } from "./deployment.ts";
import { runWithInput, type EngineCall } from "./engine-run.ts";
import { DEV, PROJECT } from "./stack.ts";

/** The state as JSON text, secrets encrypted; undefined after the engine has said why not. */
export async function exportState(call: EngineCall): Promise<string | undefined> {
  const { code, stdout } = await runWithInput(call, ["stack", "export", "--stack", call.stack], "");
  return code === 0 ? stdout : undefined;
}

/** Returns whether the state is now what was given; if not, the engine has said why. */
export async function importState(call: EngineCall, state: Deployment): Promise<boolean> {
  const args = ["stack", "import", "--stack", call.stack];
  return (await runWithInput(call, args, JSON.stringify(state))).code === 0;
}

/** Writes an exported state where only the operator can read it, outside of what is committed. Returns the file. */
export function keepCopy(stack: string, text: string, env: NodeJS.ProcessEnv): string {
  const home = env.XDG_STATE_HOME || path.join(os.homedir(), ".local", "state");
  const folder = stack === DEFAULT_STACK ? path.join(DEV, "state-copies") : path.join(home, PROJECT);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const time = new Date().toISOString().replace(/[:.]/g, "-");
  const file = path.join(folder, `${stack.replaceAll("/", "+")}-${time}.json`);
  writeFileSync(file, text, { mode: 0o600, flag: "wx" });
  return file;
}
