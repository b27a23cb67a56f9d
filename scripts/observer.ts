/**
 * `npm run --silent observer > wizard-houses-look`: prints the forced command of an SSH key that may only look.
 * docs/pull-requests.md tells how it gets onto a host.
 */
import { observerProgram } from "./observer/program.ts";
import { say } from "./session.ts";

export function main(args: readonly string[]): number {
  if (args.length > 0) {
    say(`got ${args.join(" ")}; npm run observer takes nothing and prints the program`);
    return 1;
  }
  process.stdout.write(observerProgram());
  return 0;
}
