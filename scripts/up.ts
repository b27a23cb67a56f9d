/** `npm run up`: every house converges, or stays as it was. */
import { DEFAULT_STACK, hasOption } from "./arguments.ts";
import { operate } from "./operation.ts";
import { recover } from "./recovery.ts";
import { openSession, say } from "./session.ts";

export async function main(args: readonly string[]): Promise<number> {
  const session = await openSession(args, { needsFleet: true });
  if (!session) return 1;
  if (!(await recover(session.call, session.files, session.recover, say))) return 1;
  session.call.env.PULUMI_CONTINUE_ON_ERROR ??= "true";
  return await operate(
    session,
    "up",
    unasked(session.stack, session.rest) ? ["--yes", "--skip-preview"] : [],
  );
}

/**
 * Whether nobody is to be asked: in dev, or with `--yes`. Without a terminal to ask on, the engine then wants `--yes`. Then the preview before the update is left out as well: it would look at every host
 * twice, and with refresh before every update it decides nothing.
 */
function unasked(stack: string, rest: readonly string[]): boolean {
  if (hasOption(rest, "--skip-preview", "-f", "--preview-only")) return false;
  return stack === DEFAULT_STACK || hasOption(rest, "--yes", "-y");
}
