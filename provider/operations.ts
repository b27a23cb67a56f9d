/**
 * What the provider does with a resource: the life cycle, free of protocol. One flow serves create and update: look,
 * plan, carry out. Everything particular is in the resources, everything about gRPC in `protocol.ts`.
 */
import { difference, type Difference } from "./diff.ts";
import {
  AGENTS_OWN,
  BACKUPS,
  CANNOT_LOOK,
  Cancelled,
  CannotLook,
  ChangeFailed,
  Conflict,
  InitFailed,
  LeftAlone,
  type Aftermath,
} from "./errors.ts";
import { connectionFailures } from "./host/connection.ts";
import type { Session } from "./host/session.ts";
import type { Managed } from "./managed.ts";
import type { Observed, Resource, State } from "./resource.ts";
import { checkObject, type Failure } from "./schema/spec.ts";
import { types } from "./schema/types.ts";
import { hasUnknown, type Values } from "./values.ts";

export type OpenHost = (connection: Values) => Session;

export function check(resource: Resource, news: Values): { inputs: Values; failures: Failure[] } {
  const { spec } = resource;
  const { values, failures } = checkObject(
    { properties: spec.inputProperties, required: spec.requiredInputs },
    types,
    news,
  );
  failures.push(...connectionFailures(values["host"]));
  // What follows from inputs is worked out only from inputs of the right shape.
  if (failures.length > 0) return { inputs: values, failures };
  return resource.complete(values);
}

export function diff(resource: Resource, oldInputs: Values, news: Values): Difference {
  return difference(oldInputs, news, resource.replaceOn);
}

const host = (inputs: Values): Values => inputs["host"] as Values;

/** A cause as one line for the operator. */
function cannotLook(inputs: Values, resource: Resource, error: CannotLook): string {
  return `${resource.id(inputs)} ${CANNOT_LOOK}: ${error.message}`;
}

/** Looks and plans. A host that cannot be looked at is an error that names the resource. */
async function planned<Result>(
  resource: Resource,
  inputs: Values,
  plan: () => Promise<Result>,
): Promise<Result> {
  try {
    return await plan();
  } catch (error) {
    if (error instanceof CannotLook) throw new Error(cannotLook(inputs, resource, error), { cause: error });
    throw error;
  }
}

/**
 * What is really there; undefined if proven gone.
 *
 * @throws InitFailed with the state as it was when the host cannot be looked at: the engine then lists the resource
 *   with the reason, goes on with the others and tries again at the next update
 */
export async function read(
  resource: Resource,
  id: string,
  state: State,
  open: OpenHost,
  warn: (message: string) => void,
): Promise<Observed | undefined> {
  try {
    const facts = await open(host(state.inputs)).observe(resource.request(state.inputs, undefined));
    const observed = resource.observe(state, facts);
    for (const finding of observed?.findings ?? []) warn(`${AGENTS_OWN}: ${finding}`);
    for (const finding of observed?.warnings ?? []) warn(`${BACKUPS}: ${finding}`);
    return observed;
  } catch (error) {
    if (!(error instanceof CannotLook)) throw error;
    throw new InitFailed(cannotLook(state.inputs, resource, error), { id, ...state });
  }
}

export interface ReconcileOptions {
  resource: Resource;
  inputs: Values;
  /** The state before; absent for a create. */
  old?: State;
  preview: boolean;
  open: OpenHost;
  /** Tells the operator of something that will stand in the way. */
  warn: (message: string) => void;
}

/**
 * The outputs of a create or update, without doing it. A create looks at the host and warns of what will stand in the
 * way, an update of what its refresh has seen; a warning and no error, because an error in a preview hides what would
 * happen to all other houses.
 */
async function foresee({ resource, inputs, old, open, warn }: ReconcileOptions): Promise<Values> {
  const outputs = resource.preview(inputs);
  if (hasUnknown(inputs)) return outputs;
  if (old) {
    for (const message of resource.foreseen?.(inputs, old.outputs) ?? []) warn(`${WILL_FAIL}: ${message}`);
    return outputs;
  }
  try {
    resource.reconcile(
      inputs,
      undefined,
      await open(host(inputs)).observe(resource.request(inputs, undefined)),
    );
  } catch (error) {
    if (error instanceof Conflict || error instanceof LeftAlone) warn(`${WILL_FAIL}: ${error.message}`);
    else if (error instanceof CannotLook) warn(cannotLook(inputs, resource, error));
    else throw error;
  }
  return outputs;
}

const WILL_FAIL = "The update will fail";

/** Creates or updates: look, plan, carry out. */
export async function reconcile(options: ReconcileOptions): Promise<Values> {
  const { resource, inputs, old, preview, open } = options;
  if (preview) return foresee(options);
  const session = open(host(inputs));
  const { plan, outputs } = await planned(resource, inputs, async () =>
    resource.reconcile(inputs, old, await session.observe(resource.request(inputs, old?.inputs))),
  );
  if (plan.steps.length === 0 && plan.confirm === undefined) return outputs;
  try {
    await session.change(plan);
  } catch (error) {
    throw afterFailure(options, error);
  }
  return outputs;
}

/** A sentence behind the first line of a message, whose other lines are what a host said. */
function adding(message: string, sentence: string): string {
  const [first, ...rest] = message.split("\n");
  return [`${first}. ${sentence}.`, ...rest].join("\n");
}

const UNFINISHED = "the next update goes on from there";

/** What a failed change means to the operator. */
const AFTERMATHS: Record<Aftermath, string> = {
  "as-before": "Nothing was switched; what ran before still runs",
  switched: `It is unfinished: ${UNFINISHED}`,
  reverted:
    "The host has reverted it: what ran before runs again and is well, and this release is refused there",
  unwell: "The host has reverted it, but what ran before is not well either; this release is refused there",
  stopped: "There was nothing to go back to: the unit is stopped, and this release is refused there",
  unconfirmed: "Nobody has confirmed it: the host reverts it by itself. Look again in some minutes",
};

/**
 * What a failed change means for the state. Where what was before is proven to run, the old state is still true, and
 * the next update tries again. Otherwise the resource is kept in the state as unfinished; so is a create that may have
 * left something.
 */
function afterFailure({ resource, inputs, old }: ReconcileOptions, error: unknown): unknown {
  if (!(error instanceof ChangeFailed || error instanceof CannotLook || error instanceof Cancelled))
    return error;
  const aftermath = error instanceof ChangeFailed ? error.aftermath : "as-before";
  const id = resource.id(inputs);
  if (old && ["as-before", "reverted"].includes(aftermath))
    return new Error(adding(error.message, AFTERMATHS[aftermath]), { cause: error });
  const words = aftermath === "as-before" ? `${id} is unfinished: ${UNFINISHED}` : AFTERMATHS[aftermath];
  return new InitFailed(adding(error.message, words), { id, inputs, outputs: old?.outputs ?? {} });
}

export async function remove(resource: Resource, state: State, open: OpenHost): Promise<void> {
  const session = open(host(state.inputs));
  const plan = await planned(resource, state.inputs, async () =>
    resource.remove(state, await session.observe(resource.request(state.inputs, undefined))),
  );
  if (plan.steps.length > 0) await session.change(plan);
}

/** A resource on a host, as the protocol asks for it. */
export function onHost(resource: Resource, open: OpenHost): Managed {
  return {
    check: (news) => check(resource, news),
    diff: (oldInputs, news) => diff(resource, oldInputs, news),
    reconcile: async ({ inputs, old, preview, warn }) => ({
      id: resource.id(inputs),
      outputs: await reconcile({ resource, inputs, ...(old && { old }), preview, open, warn }),
    }),
    read: (id, state, warn) => read(resource, id, state, open, warn),
    remove: (_id, state) => remove(resource, state, open),
  };
}
