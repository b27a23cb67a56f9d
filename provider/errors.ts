/** The failures the protocol adapter can tell the engine about; anything else is a bug and says so. */
import type { Values } from "./values.ts";

/** How every report of a {@link CannotLook} begins; the commands recognise it in the engine's events by these words. */
export const CANNOT_LOOK = "cannot be looked at";

/**
 * The host, or a folder of it, could not be looked at: neither "it is there" nor "it is gone" is proven.
 * `read` turns it into a partial failure that keeps the state; create, update and delete fail with it.
 */
export class CannotLook extends Error {
  override name = "CannotLook";
}

/** The host refused or failed a change. `switched` tells whether the house was already on the new release. */
export class ChangeFailed extends Error {
  override name = "ChangeFailed";
  readonly switched: boolean;
  constructor(message: string, switched: boolean) {
    super(message);
    this.switched = switched;
  }
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
