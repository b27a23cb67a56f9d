/** `npm run check`: format, lint, types and unit tests. All run, so that one round shows everything. */
import { say } from "./session.ts";
import { runTool } from "./tools.ts";

const STEPS: readonly { name: string; tool: string; args: readonly string[] }[] = [
  { name: "format", tool: "prettier", args: ["--check", "--log-level=warn", "."] },
  { name: "lint", tool: "eslint", args: ["."] },
  { name: "types", tool: "tsc", args: ["--noEmit"] },
  { name: "unit tests", tool: "vitest", args: ["run", "--project", "unit"] },
];

export async function main(): Promise<number> {
  const failed: string[] = [];
  for (const step of STEPS) {
    say(`${step.name} …`);
    if ((await runTool(step.tool, step.args)) !== 0) failed.push(step.name);
  }
  say(failed.length === 0 ? "all checks passed" : `failed: ${failed.join(", ")}`);
  return failed.length === 0 ? 0 : 1;
}
