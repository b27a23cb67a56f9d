/**
 * The provider's process: serves the protocol on a loopback port, tells the engine which, and ends with the engine.
 *
 * The engine starts it twice per run and uses one, so nothing happens before the first request that needs a host. An
 * engine that is killed leaves the provider running; it notices by the end of its standard input.
 */
import { setMaxListeners } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import grpc from "@grpc/grpc-js";
import enginegrpc from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import enginepb from "@pulumi/pulumi/proto/engine_pb.js";

import { bursts } from "./host/burst.ts";
import { sshTarget } from "./host/connection.ts";
import { localTransport } from "./host/local.ts";
import { openSession, type Session } from "./host/session.ts";
import { sshTransport } from "./host/ssh.ts";
import { SshWorkplace } from "./host/ssh-workplace.ts";
import type { Transport } from "./host/transport.ts";
import type { OpenHost } from "./operations.ts";
import { service } from "./protocol.ts";
import { resources } from "./resources/index.ts";
import type { Values } from "./values.ts";

/** Where Pulumi.yaml is. The engine starts this process in the folder of the program, which is another one. */
const PROJECT = fileURLToPath(new URL("..", import.meta.url));

/** Milliseconds between being asked to stop and ending, in which running scripts come to their next boundary. */
const GRACE = 3000;

const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  version: string;
};

type Tell = (severity: enginepb.LogSeverity, message: string, urn?: string) => void;

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

/** One session per distinct connection. */
function opener(projectFolder: string, signal: AbortSignal, tell: Tell): OpenHost {
  const sessions = new Map<string, Session>();
  const settled = bursts();
  const workplace = new SshWorkplace();
  process.on("exit", () => workplace.close());
  const transport = (connection: Values): Transport =>
    connection["transport"] === "ssh"
      ? sshTransport(sshTarget(connection), workplace)
      : localTransport(String(connection["root"]), projectFolder);
  return (connection: Values) => {
    // The engine sends properties in any order.
    const key = JSON.stringify(Object.entries(connection).sort());
    const known = sessions.get(key);
    if (known) return known;
    const session = openSession({
      name: String(connection["name"]),
      transport: transport(connection),
      signal,
      settled,
      inform: (message) => tell(enginepb.LogSeverity.INFO, message),
    });
    sessions.set(key, session);
    return session;
  };
}

export async function serve(): Promise<void> {
  const engineAddress = process.argv.slice(2).find((argument) => !argument.startsWith("-"));
  const tell = teller(engineAddress);
  const stop = new AbortController();
  // Every script that is running anywhere listens to it.
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
    // Answers that are under way still go out, and scripts come to their boundary; then nothing keeps the process. It must
    // not depend on the server's word alone: when the engine closes its connection just now, that word never comes.
    process.stdin.destroy();
    server.tryShutdown(() => process.exit(0));
    setTimeout(() => process.exit(0), GRACE).unref();
  };
  process.on("SIGINT", end);
  process.on("SIGTERM", end);
  process.on("SIGHUP", end);
  process.stdin.on("end", end);
  process.stdin.on("error", end);
  process.stdin.resume();

  const { definition, handlers } = service({
    version: manifest.version,
    resources,
    open: opener(PROJECT, stop.signal, tell),
    warn: (message, urn) => tell(enginepb.LogSeverity.WARNING, message, urn),
    cancel: () => stop.abort(),
  });
  server.addService(definition, handlers);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(error);
      else resolve(bound);
    });
  });
  process.stdout.write(`${port}\n`);
}
