/**
 * `npm run pulumi -- <arguments>`: any other command of the engine, on the same backend and with the same settings as
 * `up`, e.g. `npm run pulumi -- config set --secret --path 'wizard-houses:keys.KIMI_API_KEY'`.
 */
import { runAttached } from "./engine-run.ts";
import { openSession } from "./session.ts";

export async function main(args: readonly string[]): Promise<number> {
  const session = await openSession(args, { needsFleet: false });
  if (!session) return 1;
  const { call, stack, rest } = session;
  return await runAttached({ ...call, env: { ...call.env, PULUMI_STACK: stack } }, rest);
}
