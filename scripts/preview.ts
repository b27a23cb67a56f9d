/** `npm run preview`: what `up` would change, and which policy that breaks. */
import { operate } from "./operation.ts";
import { openSession } from "./session.ts";

export async function main(args: readonly string[]): Promise<number> {
  const session = await openSession(args, { needsFleet: true });
  return session ? await operate(session, "preview") : 1;
}
