/** `npm test`: all tests, or those of the projects named, e.g. `npm test -- --project unit`. Arguments go to vitest. */
import path from "node:path";

import { testbedProblem } from "../testbed/index.ts";
import { EngineUnavailableError, ensureEngine } from "../toolchain/engine.ts";
import { ensureGoTool, ToolUnavailableError } from "../toolchain/go-tools.ts";
import { say } from "./session.ts";
import { ROOT } from "./stack.ts";
import { runTool } from "./tools.ts";

/** Projects whose tests start the engine. */
const WITH_ENGINE = ["engine", "forge", "hosts", "droplets"];

/** On real hosts and with a real forge. */
export const HOOK_TESTS = "tests/hosts/deploy-hook.test.ts";

export async function main(args: readonly string[]): Promise<number> {
  const projects = projectsIn(args);
  if (projects.length === 0 || projects.some((project) => WITH_ENGINE.includes(project))) {
    try {
      await ensureEngine({
        seenFile: path.join(ROOT, "node_modules", ".cache", "pulumi-engine"),
        progress: say,
      });
    } catch (error) {
      if (!(error instanceof EngineUnavailableError)) throw error;
      say(error.message);
      return 1;
    }
  }
  if (projects.includes("forge")) {
    const problem = await forgeProblem();
    if (problem !== undefined) {
      say(problem);
      return 1;
    }
  }
  const left = projects.length === 0 ? [...withoutHosts(), ...(await withoutForge())] : [];
  return await runTool("vitest", ["run", ...left, ...args]);
}

/** Without a choice of projects all run; those on real machines only where there can be any, and it is said if not. */
function withoutHosts(): string[] {
  const problem = testbedProblem();
  if (problem === undefined) return [];
  say(`The tests on real hosts (projects hosts and droplets) do NOT run: ${problem}.`);
  return ["--project", "!hosts", "--project", "!droplets"];
}

/** The same for those with a forge, which has to be built with Go. */
async function withoutForge(): Promise<string[]> {
  const problem = await forgeProblem();
  if (problem === undefined) return [];
  say(`The tests with a real forge (project forge, and those of the deploy hook) do NOT run: ${problem}`);
  return ["--project", "!forge", "--exclude", HOOK_TESTS];
}

/** Gets what the tests with a forge need. Returns why that is not possible, or undefined when it is there. */
async function forgeProblem(): Promise<string | undefined> {
  try {
    for (const tool of ["gitea", "actionlint", "versitygw"] as const) await ensureGoTool(tool, say);
    return undefined;
  } catch (error) {
    if (error instanceof ToolUnavailableError) return error.message;
    throw error;
  }
}

function projectsIn(args: readonly string[]): string[] {
  return args.flatMap((argument, at) => {
    if (argument === "--project") return [args[at + 1] ?? ""];
    return argument.startsWith("--project=") ? [argument.slice("--project=".length)] : [];
  });
}
