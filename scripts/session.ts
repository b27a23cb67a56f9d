/** What up, preview, drift and destroy do before the engine starts. */
import path from "node:path";

import { FleetError, loadFleet } from "../fleet/index.ts";
import type { Fleet } from "../fleet/model.ts";
import { EngineUnavailableError, ensureEngine } from "../toolchain/engine.ts";
import { DEFAULT_STACK, UsageError, parseArguments, type CommandArguments } from "./arguments.ts";
import { withoutLog } from "./engine-home.ts";
import { runQuietly, type EngineCall } from "./engine-run.ts";
import { configProblems } from "./stack-config.ts";
import {
  ROOT,
  engineEnvironment,
  prepareDevFolders,
  stackExists,
  stackFiles,
  type StackFiles,
} from "./stack.ts";

export interface Session extends CommandArguments {
  call: EngineCall;
  /** Undefined when the stack's backend is not a folder on this machine. */
  files: StackFiles | undefined;
  /** Undefined where the command does not need it. */
  fleet: Fleet | undefined;
}

/** Our own words go to stderr: stdout is the engine's, or the report. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

export interface SessionOptions {
  /** Whether `wizards/` must be in order. Taking houses down does not need it. */
  needsFleet: boolean;
}

/**
 * Checks arguments, stack configuration and fleet, and gets the engine. Nothing on any host is touched. Returns
 * undefined after having told the operator why not.
 */
export async function openSession(
  args: readonly string[],
  options: SessionOptions,
): Promise<Session | undefined> {
  try {
    const parsed = parseArguments(args);
    refuseTraces(parsed);
    const problems = configProblems(ROOT, parsed.stack, process.env);
    problems.forEach(say);
    if (problems.length > 0) return undefined;
    const fleet = options.needsFleet ? loadFleet(path.join(ROOT, "wizards")) : undefined;
    const settings = engineEnvironment(parsed.stack, process.env);
    const env = parsed.stack === DEFAULT_STACK ? settings : withoutLog(settings);
    const engine = await ensureEngine({
      seenFile: path.join(ROOT, "node_modules", ".cache", "pulumi-engine"),
      progress: say,
    });
    const files = stackFiles(parsed.stack, env);
    const call = { engine, stack: parsed.stack, env };
    if (parsed.stack === DEFAULT_STACK && !(await ensureDevStack(call, files))) return undefined;
    return { ...parsed, call, files, fleet };
  } catch (error) {
    if (!(
      error instanceof FleetError ||
      error instanceof UsageError ||
      error instanceof EngineUnavailableError
    ))
      throw error;
    say(error.message);
    return undefined;
  }
}

/** Whatever the level asked for, the engine then logs each message to the provider as it is, secrets in clear. */
function refuseTraces({ stack, rest }: CommandArguments): void {
  if (stack === DEFAULT_STACK) return;
  const option = rest.find((argument) => /^(--logtostderr|--verbose|-v)(=|$|\d)/.test(argument));
  if (option === undefined) return;
  throw new UsageError(
    `${option} makes the engine log every key in clear, to stderr or to a file in the temporary folder that everyone ` +
      `can read; leave it out, or look for the fault on the stack ${DEFAULT_STACK}, which has no real keys`,
  );
}

async function ensureDevStack(call: EngineCall, files: StackFiles | undefined): Promise<boolean> {
  prepareDevFolders();
  if (files && stackExists(files)) return true;
  return (await runQuietly(call, ["stack", "init", call.stack, "--no-select"])) === 0;
}
