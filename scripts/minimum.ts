/**
 * `minimum <file>`: whether the fleet bans all that the file bans. The deploy hook asks it of every commit; the file lies on
 * the control house, where no merge can change it. It is a YAML list as `banned:` of fleet.yaml.
 */
import path from "node:path";

import { FleetError, loadFleet } from "../fleet/index.ts";
import { minimumFindings } from "../fleet/minimum.ts";
import { say } from "./session.ts";
import { ROOT } from "./stack.ts";

export function main([file, ...more]: readonly string[]): number {
  if (file === undefined || more.length > 0) {
    say("usage: node scripts/run.mjs minimum <file>");
    return 1;
  }
  try {
    const missing = minimumFindings(path.resolve(file), loadFleet(path.join(ROOT, "wizards")));
    missing.forEach((line) => say(`${file}: ${line}`));
    return missing.length === 0 ? 0 : 1;
  } catch (error) {
    if (!(error instanceof FleetError)) throw error;
    say(error.message);
    return 1;
  }
}
