/** The engine's events as far as our scripts read them, and the way they get here. */
import grpc from "@grpc/grpc-js";
import eventServices from "@pulumi/pulumi/proto/events_grpc_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";

/** One side of a step: a resource before or after it. Property values are JSON; secrets are already masked. */
export interface ResourceState {
  type: string;
  urn: string;
  parent?: string;
  /** Whether a provider manages it. Components exist in the program and the state only. */
  custom?: boolean;
  inputs?: Record<string, unknown> | null;
  initErrors?: string[];
}

export interface Step {
  /** `same`, `create`, `update`, `delete`, `replace`, `refresh`, … */
  op: string;
  urn: string;
  type: string;
  old: ResourceState | null;
  new: ResourceState | null;
  /** Keyed by property path, e.g. `files["config.yaml"].mode`. */
  detailedDiff?: Record<string, { diffKind: string }> | null;
}

export interface EngineEvent {
  diagnosticEvent?: { urn?: string; message: string; severity: string; ephemeral?: boolean };
  policyEvent?: { resourceUrn?: string; message: string; policyName: string; enforcementLevel: string };
  /** A step begins. */
  resourcePreEvent?: { metadata: Step };
  /** A step has succeeded; `planning` in a preview, where nothing was done. */
  resOutputsEvent?: { metadata: Step; planning?: boolean };
  resOpFailedEvent?: { metadata: Step };
  errorEvent?: { error: string };
  summaryEvent?: { resourceChanges?: Record<string, number> | null; durationSeconds?: number };
}

/** Steps that change something, as opposed to looking, or to being a half of a `replace`. */
export const CHANGES: ReadonlySet<string> = new Set(["create", "update", "delete", "replace"]);

/** Steps in which both sides are alike. */
const WITHOUT_DIFFERENCE = new Set(["same", "refresh", "read"]);

/** That a resource was read says nothing that the beginning of the step has not said, and these are a quarter of all bytes. */
const READ_DONE = /^\{"sequence":\d+,"timestamp":\d+,"resOutputsEvent":\{"metadata":\{"op":"refresh"/;

/**
 * Reads one event and keeps what is needed of it: with a hundred houses, whole events take more memory than all the
 * rest. Debug messages can hold secrets in clear, and nothing needs them: they yield undefined, as do events of no
 * interest here.
 */
export function readEvent(text: string): EngineEvent | undefined {
  if (READ_DONE.test(text)) return undefined;
  const event = JSON.parse(text) as EngineEvent;
  if (event.diagnosticEvent) return event.diagnosticEvent.severity === "debug" ? undefined : event;
  if (event.resourcePreEvent)
    return { resourcePreEvent: { metadata: kept(event.resourcePreEvent.metadata) } };
  if (event.resOutputsEvent) {
    const { metadata, planning } = event.resOutputsEvent;
    return { resOutputsEvent: { metadata: named(metadata), ...(planning && { planning }) } };
  }
  if (event.resOpFailedEvent)
    return { resOpFailedEvent: { metadata: named(event.resOpFailedEvent.metadata) } };
  return (event.policyEvent ?? event.errorEvent ?? event.summaryEvent) === undefined ? undefined : event;
}

/** The step without the values of resources. */
const named = ({ op, urn, type }: Step): Step => ({ op, urn, type, old: null, new: null });

function kept(step: Step): Step {
  const inputs = WITHOUT_DIFFERENCE.has(step.op) ? outline : (values: Values): Values => values;
  return {
    ...named(step),
    old: stateOf(step.old, inputs),
    new: stateOf(step.new, inputs),
    ...(step.detailedDiff && { detailedDiff: step.detailedDiff }),
  };
}

type Values = Record<string, unknown>;

function stateOf(state: ResourceState | null, keep: (inputs: Values) => Values): ResourceState | null {
  if (!state) return null;
  const { type, urn, parent, custom, inputs, initErrors } = state;
  return {
    type,
    urn,
    ...(parent !== undefined && { parent }),
    ...(custom !== undefined && { custom }),
    ...(inputs && { inputs: keep(inputs) }),
    ...(initErrors && { initErrors }),
  };
}

/** Where nothing differs, names do: of the house, of the host, and of what is to be counted. */
function outline(inputs: Values): Values {
  return Object.fromEntries(
    Object.entries(inputs).map(([key, value]) =>
      key === "host" || typeof value !== "object" || value === null
        ? [key, value]
        : [key, Object.fromEntries(Object.keys(value).map((name) => [name, null]))],
    ),
  );
}

export interface EventServer {
  /** For the engine's `--event-log`. */
  address: string;
  /** Everything received; call it after the engine has ended. */
  close(): Promise<EngineEvent[]>;
}

/**
 * Receives events over a connection on the loopback interface: no file holds them, and an engine whose listener was
 * killed goes on, where one writing to a pipe would block.
 *
 * @param onEvent gets each event as soon as it is there
 */
export async function listenForEvents(onEvent?: (event: EngineEvent) => void): Promise<EventServer> {
  const events: EngineEvent[] = [];
  const server = new grpc.Server({ "grpc.max_receive_message_length": -1 });
  const streams: Promise<void>[] = [];
  server.addService(eventServices.EventsService, {
    streamEvents(
      call: grpc.ServerReadableStream<{ getEvent(): string }, unknown>,
      callback: grpc.sendUnaryData<unknown>,
    ) {
      call.on("data", (request) => {
        const event = readEvent(request.getEvent());
        if (!event) return;
        events.push(event);
        onEvent?.(event);
      });
      const ended = new Promise<void>((resolve) => {
        call.on("end", () => {
          callback(null, new empty.Empty());
          resolve();
        });
        // An engine that was killed cancels the stream; what came before still counts.
        call.on("cancelled", resolve);
        call.on("error", () => resolve());
      });
      streams.push(ended);
    },
  } satisfies grpc.UntypedServiceImplementation);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(error);
      else resolve(bound);
    });
  });
  return {
    address: `tcp://127.0.0.1:${port}`,
    async close() {
      await Promise.all(streams);
      server.forceShutdown();
      return events;
    },
  };
}
