/** Clears up after an engine that was killed, before `up` and `destroy`, and never without being told to. */
import { agreed } from "./ask.ts";
import { runQuietly, type EngineCall } from "./engine-run.ts";
import { describeLock, findLeftovers } from "./locks.ts";
import type { StackFiles } from "./stack.ts";

export interface RecoveryOptions {
  /** Clears up without asking: `--recover`. */
  allowed: boolean;
  /** Whether interrupted creations are left alone: clearing them looks at every host. Default false. */
  locksOnly?: boolean;
}

/**
 * Returns whether the command may go on. Asks on a terminal; elsewhere `allowed` stands for the answer. Locks of living processes and of other machines are not touched.
 */
export async function recover(
  call: EngineCall,
  files: StackFiles | undefined,
  { allowed, locksOnly = false }: RecoveryOptions,
  say: (line: string) => void,
): Promise<boolean> {
  if (files === undefined) return true;
  const { locks, pendingCreates: created } = findLeftovers(files);
  const pendingCreates = locksOnly ? [] : created;
  const held = locks.filter(({ owner }) => owner !== "dead");
  for (const { lock, owner } of held) {
    say(
      owner === "living"
        ? `stack ${call.stack} is in use by ${describeLock(lock)}; wait until it is done`
        : `stack ${call.stack} is locked from another machine by ${describeLock(lock)}; look there, and if that process ` +
            `is gone: npx pulumi cancel -s ${call.stack}`,
    );
  }
  if (held.length > 0) return false;
  if (locks.length === 0 && pendingCreates.length === 0) return true;

  for (const { lock } of locks)
    say(`stack ${call.stack} is locked by a process that is gone: ${describeLock(lock)}`);
  if (pendingCreates.length > 0) {
    say(
      `an interrupted run was creating ${pendingCreates.join(", ")}; whether that was finished is not known`,
    );
  }
  if (!(allowed || (await agreed("clear this up and go on?")))) {
    say("nothing was changed; run the command again with -- --recover to clear this up first");
    return false;
  }
  if (locks.length > 0) {
    say("removing the lock");
    if ((await runQuietly(call, ["cancel", "--yes", call.stack])) !== 0) return false;
  }
  // What was being created is created again: the provider takes over what it finds of its own.
  if (pendingCreates.length > 0) {
    say("clearing the interrupted creations");
    const refresh = ["refresh", "--clear-pending-creates", "--yes", "--skip-preview", "--stack", call.stack];
    if ((await runQuietly(call, refresh)) !== 0) return false;
  }
  return true;
}
