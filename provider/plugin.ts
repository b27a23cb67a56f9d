/**
 * The process of a provider: serves the protocol on a loopback port, tells the engine which, and ends with the engine.
 *
 * The engine starts it twice per run and uses one, so nothing happens before the first request that needs something. An
 * engine that is killed leaves the provider running; it notices by the end of its standard input.
 */
import { setMaxListeners } from "node:events";

import grpc from "@grpc/grpc-js";
import enginegrpc from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import enginepb from "@pulumi/pulumi/proto/engine_pb.js";

import { service, type ServiceOptions } from "./protocol.ts";

/** Milliseconds between being asked to stop and ending, in which what runs comes to its next boundary. */
const GRACE = 3000;
/** Milliseconds in which the last answer leaves for the engine. */
const SENDING = 20;

type Tell = (severity: enginepb.LogSeverity, message: string, urn?: string) => void;

/** What a provider gets from its process. */
export interface Surroundings {
  /** Aborted when the engine has gone, or asks to stop. */
  signal: AbortSignal;
  /** Tells the operator something. */
  inform: (message: string) => void;
}

/** Sends messages to the operator through the engine; what cannot be sent because the engine is gone is dropped. */
function teller(engineAddress: string | undefined): Tell {
  if (engineAddress === undefined) return () => {};
  const client = new enginegrpc.EngineClient(engineAddress, grpc.credentials.createInsecure());
  return (severity, message, urn = "") => {
    const request = new enginepb.LogRequest();
    request.setSeverity(severity);
    request.setMessage(message);
    request.setUrn(urn);
    client.log(request, () => {});
  };
}

/** @param make says what is served; it is called before the first request */
export async function servePlugin(
  make: (surroundings: Surroundings) => Omit<ServiceOptions, "warn" | "cancel">,
): Promise<void> {
  const engineAddress = process.argv.slice(2).find((argument) => !argument.startsWith("-"));
  const tell = teller(engineAddress);
  const stop = new AbortController();
  // Everything that is running anywhere listens to it.
  setMaxListeners(0, stop.signal);
  const server = new grpc.Server({
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
  });

  let ending = false;
  const end = (): void => {
    if (ending) return;
    ending = true;
    stop.abort();
    // Answers that are under way still go out, and what runs comes to its boundary.
    server.tryShutdown(() => process.exit(0));
    setTimeout(() => process.exit(0), GRACE);
    leaveIfIdle();
  };
  // When the engine closes its connection just now, as it does with every run, the server's own word never comes.
  let atWork = 0;
  const leaveIfIdle = (): void => {
    if (ending && atWork === 0) setTimeout(() => process.exit(0), SENDING);
  };
  const counted =
    (handler: grpc.handleUnaryCall<unknown, unknown>): grpc.handleUnaryCall<unknown, unknown> =>
    (call, callback) => {
      atWork++;
      handler(call, (...answer) => {
        callback(...answer);
        atWork--;
        leaveIfIdle();
      });
    };
  process.on("SIGINT", end);
  process.on("SIGTERM", end);
  process.on("SIGHUP", end);
  process.stdin.on("end", end);
  process.stdin.on("error", end);
  process.stdin.resume();

  const { definition, handlers } = service({
    ...make({
      signal: stop.signal,
      inform: (message) => tell(enginepb.LogSeverity.INFO, message),
    }),
    warn: (message, urn) => tell(enginepb.LogSeverity.WARNING, message, urn),
    cancel: () => stop.abort(),
  });
  const calls = Object.entries(handlers as Record<string, grpc.handleUnaryCall<unknown, unknown>>);
  server.addService(definition, Object.fromEntries(calls.map(([name, call]) => [name, counted(call)])));
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(error);
      else resolve(bound);
    });
  });
  process.stdout.write(`${port}\n`);
}
