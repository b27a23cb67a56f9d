/** `npm run chaos -- --runs N --seed S --json FILE`, on a test bed of its own. */
import { writeFileSync } from "node:fs";

import { UsageError } from "../../scripts/arguments.ts";
import { say } from "../../scripts/session.ts";
import { destroyTestbed, testbedProblem } from "../../testbed/index.ts";
import { makeGround, type Ground } from "./ground.ts";
import { readOptions, type Options } from "./options.ts";
import { chaos, type Result } from "./run.ts";

/** An operator's own beds are left alone. */
const BED = "chaos";

async function main(args: readonly string[]): Promise<number> {
  let options: Options;
  try {
    options = readOptions(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    say(error.message);
    return 1;
  }
  const problem = testbedProblem();
  if (problem !== undefined) {
    say(`chaos needs the test bed: ${problem}`);
    return 1;
  }
  const { json } = options;
  let ground: Ground | undefined;
  let result: Result;
  try {
    ground = await makeGround(BED);
    result = await chaos(ground, options, say);
  } finally {
    ground?.fleet.cleanup();
    await destroyTestbed(BED);
  }
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(result)}\n`);
  const { runs, broken, leaks, unhealthy, seed } = result;
  say(`${runs} runs: ${broken} broken, ${unhealthy} unhealthy, ${leaks} with a leak (seed ${seed})`);
  return broken + leaks + unhealthy === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
