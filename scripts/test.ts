/** `npm test`: all tests, or those of the projects named, e.g. `npm test -- --project unit`. Arguments go to vitest. */
import path from "node:path";

import { testbedProblem } from "../testbed/index.ts";
import { EngineUnavailableError, ensureEngine } from "../toolchain/engine.ts";
import { say } from "./session.ts";
import { ROOT } from "./stack.ts";
import { runTool } from "./tools.ts";

/** Projects whose tests start the engine. */
const WITH_ENGINE = ["engine", "hosts"];

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
  return await runTool("vitest", ["run", ...withoutHosts(projects), ...args]);
}

/** Without a choice of projects all run; those on real machines only where there can be any, and it is said if not. */
function withoutHosts(projects: string[]): string[] {
  const problem = projects.length === 0 ? testbedProblem() : undefined;
  if (problem === undefined) return [];
  say(`The tests on real hosts (project hosts) do NOT run: ${problem}.`);
  return ["--project", "!hosts"];
}

function projectsIn(args: readonly string[]): string[] {
  return args.flatMap((argument, at) => {
    if (argument === "--project") return [args[at + 1] ?? ""];
    return argument.startsWith("--project=") ? [argument.slice("--project=".length)] : [];
  });
}
