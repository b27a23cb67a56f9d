/** `npm run chaos`: random deploys and random faults on three real houses of a test bed. */
import { runTool } from "./tools.ts";

/** Run from its sources, as tests are: the bundle of our commands knows nothing of tests/. */
export const main = (args: readonly string[]): Promise<number> =>
  runTool("tsx", ["tests/chaos/main.ts", ...args]);
