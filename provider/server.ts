/** The provider `host`: what is served, and how its hosts are reached. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { bursts } from "./host/burst.ts";
import { sshTarget } from "./host/connection.ts";
import { localTransport } from "./host/local.ts";
import { openSession, type Session } from "./host/session.ts";
import { sshTransport } from "./host/ssh.ts";
import { SshWorkplace } from "./host/ssh-workplace.ts";
import type { Transport } from "./host/transport.ts";
import type { Managed } from "./managed.ts";
import { onHost, type OpenHost } from "./operations.ts";
import { servePlugin, type Surroundings } from "./plugin.ts";
import { others, resources } from "./resources/index.ts";
import { packageSchema } from "./schema/package.ts";
import type { Values } from "./values.ts";

/** Where Pulumi.yaml is. The engine starts this process in the folder of the program, which is another one. */
const PROJECT = fileURLToPath(new URL("..", import.meta.url));

const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  version: string;
};

/** One session per distinct connection. */
function opener(projectFolder: string, { signal, inform }: Surroundings): OpenHost {
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
      inform,
    });
    sessions.set(key, session);
    return session;
  };
}

export async function serve(): Promise<void> {
  await servePlugin((surroundings) => {
    const open = opener(PROJECT, surroundings);
    const hosted = Object.entries(resources).map(([token, resource]): [string, Managed] => [
      token,
      onHost(resource, open),
    ]);
    return {
      name: "host",
      version: manifest.version,
      schema: () => packageSchema(manifest.version),
      resources: { ...Object.fromEntries(hosted), ...others(open) },
    };
  });
}
