/** `npm run destroy`: takes the houses down. What their agents wrote stays, unless the house says otherwise. */
import { DEFAULT_STACK, hasOption } from "./arguments.ts";
import { operate } from "./operation.ts";
import { recover } from "./recovery.ts";
import { openSession, say } from "./session.ts";

export async function main(args: readonly string[]): Promise<number> {
  const session = await openSession(args, { needsFleet: false });
  if (!session) return 1;
  if (!(await recover(session.call, session.files, session.recover, say))) return 1;
  session.call.env.PULUMI_CONTINUE_ON_ERROR ??= "true";
  // Other stacks than dev are destroyed only by somebody who says yes, on the terminal or with --yes.
  const unasked =
    session.stack === DEFAULT_STACK && !hasOption(session.rest, "--skip-preview", "--preview-only");
  return await operate(session, "destroy", unasked ? ["--yes", "--skip-preview"] : []);
}
