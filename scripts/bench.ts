/** `npm run bench`: the dev stack's own figures, or with options this program beside others, or its gateways, on a test bed. */
import { main as commands } from "../bench/commands.ts";
import { main as policies } from "../bench/policies.ts";
import { main as recovery } from "../bench/recovery.ts";
import { main as sideBySide } from "../bench/side-by-side.ts";
import { UsageError } from "./arguments.ts";
import { say } from "./session.ts";

export async function main(args: readonly string[]): Promise<number> {
  if (args.length === 0) return await commands();
  if (args.join() === "--recovery") return await recovery();
  if (args.join() === "--policies") return await policies();
  try {
    return await sideBySide(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    say(error.message);
    return 1;
  }
}
