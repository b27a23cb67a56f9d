/** `npm run destroy`: takes the houses down. What their agents wrote stays, unless the house says otherwise. */
import { hasOption } from "./arguments.ts";
import { belongings, detached, type Deployment } from "./deployment.ts";
import { carryOut, conclude, type Outcome } from "./operation.ts";
import { recover } from "./recovery.ts";
import { openSession, say, type Session } from "./session.ts";
import { exportState, importState } from "./stack-state.ts";

export async function main(args: readonly string[]): Promise<number> {
  const session = await openSession(args, { needsFleet: false });
  if (!session) return 1;
  if (!(await recover(session.call, session.files, { allowed: session.recover }, say))) return 1;
  session.call.env.PULUMI_CONTINUE_ON_ERROR ??= "true";
  const first = await carryOut(session, "destroy");
  if (typeof first === "number") return first;
  if (hasOption(session.rest, "--preview-only") || !(await detach(session, first)))
    return conclude(session, "destroy", first);
  say("\nhouses that cannot be looked at kept others from being destroyed; once more without them");
  const rest = [...session.rest, "--yes"];
  const second = await carryOut({ ...session, rest }, "destroy");
  return typeof second === "number" ? second : conclude(session, "destroy", second);
}

/**
 * In the rollout each house waits for those before it, so the engine destroys none that a dead one waits for. Takes
 * these relations out of the state. Returns whether there were any.
 */
async function detach({ call }: Session, { findings }: Outcome): Promise<boolean> {
  const dead = findings.unreachable.map(({ house }) => house);
  if (dead.length === 0) return false;
  const text = await exportState(call);
  if (text === undefined) return false;
  const state = JSON.parse(text) as Deployment;
  const changed = detached(state, new Set(belongings(state, dead).map(({ urn }) => urn)));
  return changed !== undefined && (await importState(call, changed));
}
