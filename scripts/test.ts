/** `npm test`: all tests, or those of the projects named, e.g. `npm test -- --project unit`. Arguments go to vitest. */
import path from "node:path";

import { EngineUnavailableError, ensureEngine } from "../toolchain/engine.ts";
import { say } from "./session.ts";
import { ROOT } from "./stack.ts";
import { runTool } from "./tools.ts";

export async function main(args: readonly string[]): Promise<number> {
  if (needsEngine(args)) {
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
  return await runTool("vitest", ["run", ...args]);
}

/** Without a choice of projects all run, those with the engine among them. */
function needsEngine(args: readonly string[]): boolean {
  const projects = args.flatMap((argument, at) => {
    if (argument === "--project") return [args[at + 1] ?? ""];
    return argument.startsWith("--project=") ? [argument.slice("--project=".length)] : [];
  });
  return projects.length === 0 || projects.includes("engine");
}
