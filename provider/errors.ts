/** The failures the protocol adapter can tell the engine about; anything else is a bug and says so. */
import type { Values } from "./values.ts";

/** How every report of a {@link CannotLook} begins; the commands recognise it in the engine's events by these words. */
export const CANNOT_LOOK = "cannot be looked at";

/** How a warning about what an agent keeps begins; the commands recognise it in the engine's events by these words. */
export const AGENTS_OWN = "in what its agent keeps";

/** The same for a warning about backups of it. */
export const BACKUPS = "backups of what its agent keeps";

/**
 * The host, or a folder of it, could not be looked at: neither "it is there" nor "it is gone" is proven.
 * `read` turns it into a partial failure that keeps the state; create, update and delete fail with it.
 */
export class CannotLook extends Error {
  override name = "CannotLook";
}

/**
 * What a failed change left behind:
 *
 * - `as-before`: nothing was switched
 * - `switched`: some or all of it is in force
 * - `reverted`: it was in force, and what was before it runs again and is well
 * - `unwell`: what was before it is in force again, and is not well
 * - `stopped`: there was nothing before it, and nothing runs
 * - `unconfirmed`: it is in force, nobody could look whether it is well, and the host is about to go back by itself
 */
export type Aftermath = "as-before" | "switched" | "reverted" | "unwell" | "stopped" | "unconfirmed";

/** The host refused or failed a change. */
export class ChangeFailed extends Error {
  override name = "ChangeFailed";
  readonly aftermath: Aftermath;
  constructor(message: string, aftermath: Aftermath) {
    super(message);
    this.aftermath = aftermath;
  }
}

/** The house is not to be changed, however much it differs; only an explicit act of a human ends that. */
export class LeftAlone extends Error {
  override name = "LeftAlone";
}

/** Something is in the way that this program did not make; nothing was changed. */
export class Conflict extends Error {
  override name = "Conflict";
}

/** The operation was stopped because the engine ended or asked for it. */
export class Cancelled extends Error {
  override name = "Cancelled";
}

/** Sent as `ErrorResourceInitFailed`: the resource stays in the state with these properties, and the next update retries. */
export class InitFailed extends Error {
  override name = "InitFailed";
  readonly id: string;
  readonly inputs: Values;
  readonly outputs: Values;
  constructor(message: string, state: { id: string; inputs: Values; outputs: Values }) {
    super(message);
    this.id = state.id;
    this.inputs = state.inputs;
    this.outputs = state.outputs;
  }
}
