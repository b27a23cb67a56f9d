/** `npm run up`: every house converges, or stays as it was. */
import { operate } from "./operation.ts";
import { recover } from "./recovery.ts";
import { openSession, say } from "./session.ts";

export async function main(args: readonly string[]): Promise<number> {
  const session = await openSession(args, { needsFleet: true });
  if (!session) return 1;
  if (!(await recover(session.call, session.files, { allowed: session.recover }, say))) return 1;
  session.call.env.PULUMI_CONTINUE_ON_ERROR ??= "true";
  return await operate(session, "up");
}
