/**
 * `npm run test:droplets`: from an empty account to healthy houses and back, alone. `--json FILE` writes
 * `{fromNothing, backToNothing, passed, failed}`, the first two in seconds; a test that did not run counts as failed.
 */
import { mkdtempSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { ensureEngine } from "../toolchain/engine.ts";
import { testbedProblem } from "../testbed/index.ts";
import { say } from "./session.ts";
import { ROOT } from "./stack.ts";
import { runTool } from "./tools.ts";

export async function main(args: readonly string[]): Promise<number> {
  const [option, file, ...more] = args;
  if (more.length > 0 || (option !== undefined && (option !== "--json" || file === undefined))) {
    say(`usage: npm run test:droplets -- [--json FILE], got ${args.join(" ")}`);
    return 1;
  }
  const problem = testbedProblem();
  if (problem !== undefined) {
    say(`droplets cannot be tried here: ${problem}`);
    return 1;
  }
  await ensureEngine({ seenFile: path.join(ROOT, "node_modules", ".cache", "pulumi-engine"), progress: say });
  const folder = mkdtempSync(path.join(os.tmpdir(), "test-droplets-"));
  try {
    const [results, times] = [path.join(folder, "results.json"), path.join(folder, "times.json")];
    process.env["DROPLET_TIMES"] = times;
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${results}`];
    const code = await runTool("vitest", ["run", "--project", "droplets", ...reporters]);
    if (file !== undefined) writeFileSync(file, `${JSON.stringify(summary(results, times))}\n`);
    return code;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Results {
  numTotalTests: number;
  numPassedTests: number;
  testResults: { status: string; assertionResults: unknown[] }[];
}

/** A file that could not even be read has no tests, and counts as one that failed. */
function summary(results: string, times: string): object {
  const took = existsSync(times) ? (JSON.parse(readFileSync(times, "utf8")) as object) : {};
  const { numTotalTests, numPassedTests, testResults } = JSON.parse(readFileSync(results, "utf8")) as Results;
  const broken = testResults.filter((one) => one.status === "failed" && one.assertionResults.length === 0);
  const failed = numTotalTests - numPassedTests + broken.length;
  return { fromNothing: null, backToNothing: null, ...took, passed: numPassedTests, failed };
}
