/** What a resource of this provider is: pure functions around what a host is asked and told. The adapter does the rest. */
import type { FactRequest, Facts } from "./host/facts.ts";
import type { Plan } from "./host/steps.ts";
import type { Failure, ResourceSpec } from "./schema/spec.ts";
import type { Path, Values } from "./values.ts";

export interface State {
  inputs: Values;
  outputs: Values;
}

export interface Observed {
  inputs: Values;
  outputs: Values;
  /** What is wrong with what is not ours to put right, a line each. */
  findings?: string[];
  /** The same about copies of it. */
  warnings?: string[];
  /** Places whose value is now a description of what was found instead of the declared, possibly secret, value. */
  replaced: Path[];
}

export interface Resource {
  spec: ResourceSpec;
  /** Inputs, as dotted paths, whose change makes it another resource. */
  replaceOn: string[];
  /** Checks beyond the schema and fills in what follows from other inputs. Offline and pure. */
  complete(inputs: Values): { inputs: Values; failures: Failure[] };
  id(inputs: Values): string;
  /** What to look at, for these inputs and, in an update, for what the old ones may have left behind. */
  request(inputs: Values, old: Values | undefined): FactRequest;
  /**
   * What is really there, in terms of the inputs. Undefined only if it is proven gone.
   *
   * @throws CannotLook when something could not be looked at
   */
  observe(state: State, facts: Facts): Observed | undefined;
  /** Outputs as far as they are known without the host, for a preview. */
  preview(inputs: Values): Values;
  /** What an update would be refused for, as far as the outputs of the last look tell. */
  foreseen?(inputs: Values, outputs: Values): string[];
  /**
   * From what is there to what is wanted; no steps if they agree. Serves create (no `old`) and update alike.
   *
   * @throws Conflict when something is in the way, CannotLook when something could not be looked at
   */
  reconcile(inputs: Values, old: State | undefined, facts: Facts): { plan: Plan; outputs: Values };
  remove(state: State, facts: Facts): Plan;
}
