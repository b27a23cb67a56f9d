/**
 * What the protocol asks of a kind of resource, whatever it manages. Most are on a host, and `operations.ts` makes them
 * out of pure functions; what is on none answers for itself.
 */
import type { Difference } from "./diff.ts";
import type { Observed, State } from "./resource.ts";
import type { Failure } from "./schema/spec.ts";
import type { Path, Values } from "./values.ts";

/** A create, or with `old` an update. */
export interface Wish {
  inputs: Values;
  /** The state before; absent for a create. */
  old?: State;
  /** The resource's id; absent for a create. */
  id?: string;
  preview: boolean;
  /** Tells the operator of something at the resource. */
  warn: (message: string) => void;
}

export interface Made {
  /** Ignored for an update and in a preview. */
  id: string;
  outputs: Values;
  /** Where secrets stand in the outputs. */
  secrets?: Path[];
}

export interface Managed {
  /** Checks the inputs and fills in what follows from them. Offline. */
  check(news: Values): { inputs: Values; failures: Failure[] };
  /** What differs between inputs, and what of it makes it another resource. Offline. */
  diff(oldInputs: Values, news: Values): Difference;
  reconcile(wish: Wish): Promise<Made>;
  /** What is really there; undefined only if it is proven gone. */
  read(id: string, state: State, warn: (message: string) => void): Promise<Observed | undefined>;
  remove(id: string, state: State): Promise<void>;
}
