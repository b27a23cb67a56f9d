/** `npm run up`: every house converges, or stays as it was. */
import { refuseUndrainedMoves, UNDRAINED } from "./moves.ts";
import { operate } from "./operation.ts";
import { recover } from "./recovery.ts";
import { openSession, say } from "./session.ts";

export async function main(args: readonly string[]): Promise<number> {
  const session = await openSession(
    args.filter((argument) => argument !== UNDRAINED),
    { needsFleet: true },
  );
  if (!session) return 1;
  if (!(await recover(session.call, session.files, { allowed: session.recover }, say))) return 1;
  if (!args.includes(UNDRAINED)) {
    const refused = await refuseUndrainedMoves(session);
    if (refused !== 0) return refused;
  }
  session.call.env.PULUMI_CONTINUE_ON_ERROR ??= "true";
  return await operate(session, "up");
}
