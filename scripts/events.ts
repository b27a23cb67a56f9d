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
  diagnosticEvent?: { urn?: string; message: string; severity: string };
  policyEvent?: { resourceUrn?: string; message: string; policyName: string; enforcementLevel: string };
  resourcePreEvent?: { metadata: Step };
  resOpFailedEvent?: { metadata: Step };
  errorEvent?: { error: string };
  summaryEvent?: { resourceChanges?: Record<string, number> | null };
}

/**
 * Reads one event. Debug messages can hold secrets in clear, and nothing needs them: they yield undefined, as do
 * events of no interest here.
 */
export function readEvent(text: string): EngineEvent | undefined {
  const event = JSON.parse(text) as EngineEvent;
  if (event.diagnosticEvent) return event.diagnosticEvent.severity === "debug" ? undefined : event;
  const known = event.policyEvent ?? event.resourcePreEvent ?? event.resOpFailedEvent ?? event.errorEvent;
  return known === undefined && event.summaryEvent === undefined ? undefined : event;
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
 */
export async function listenForEvents(): Promise<EventServer> {
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
        if (event) events.push(event);
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
