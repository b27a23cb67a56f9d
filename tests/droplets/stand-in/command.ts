/**
 * Stands in for the provider `command` at the plugin protocol: `command:remote:Command`, with OpenSSH's client and the keys
 * of the agent. A connection without a pinned host key is refused, which the real one only should be.
 */
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { difference } from "../../../provider/diff.ts";
import type { Managed } from "../../../provider/managed.ts";
import { checkObject } from "../../../provider/schema/spec.ts";
import { UNKNOWN, type Values } from "../../../provider/values.ts";
import { attempt, type Outcome } from "../../../testbed/command.ts";
import { sdkResource } from "./sdk-schema.ts";

interface Connection {
  host: string;
  port?: number;
  user?: string;
  hostKey?: string;
  dialErrorLimit?: number;
  perDialTimeout?: number;
}

/** How ssh says that it came to no session. */
const NOT_DIALLED = 255;

async function remotely(connection: Connection, script: string): Promise<Outcome> {
  const { host, port = 22, user = "root", hostKey, dialErrorLimit = 10, perDialTimeout = 15 } = connection;
  const folder = mkdtempSync(path.join(os.tmpdir(), "command-"));
  const knownHosts = path.join(folder, "known_hosts");
  writeFileSync(knownHosts, `pinned ${hostKey}\n`);
  const options = {
    BatchMode: "yes",
    StrictHostKeyChecking: "yes",
    UserKnownHostsFile: knownHosts,
    GlobalKnownHostsFile: "none",
    HostKeyAlias: "pinned",
    ConnectTimeout: String(perDialTimeout),
  };
  const argv = [
    ...["ssh", "-F", "none", "-p", String(port), "-l", user],
    ...Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]),
    ...["--", host, script],
  ];
  try {
    for (let dials = 1; ; dials++) {
      const outcome = await attempt(argv);
      if (outcome.code !== NOT_DIALLED) return outcome;
      if (dials > dialErrorLimit)
        throw new Error(`after ${dials} failed attempts: failed to dial: ${outcome.stderr.trim()}`);
      await sleep(500);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function run(inputs: Values, script: string): Promise<Values> {
  const { code, stdout, stderr } = await remotely(inputs["connection"] as unknown as Connection, script);
  if (code !== 0)
    throw new Error(`Process exited with status ${code}: running ${JSON.stringify(script)}:\n${stderr}`);
  return { ...inputs, stdout: stdout.trimEnd(), stderr: stderr.trimEnd() };
}

export function command(): Record<string, Managed> {
  const { spec, types } = sdkResource("@pulumi/command", "remote/command.d.ts", "Command");
  const shape = { properties: spec.inputProperties, required: spec.requiredInputs };
  return {
    "command:remote:Command": {
      check(news) {
        const { values, failures } = checkObject(shape, types, news);
        const connection = values["connection"] as Values | undefined;
        if (connection && connection["hostKey"] === undefined)
          failures.push({
            path: ["connection", "hostKey"],
            reason: "is missing: the host would be trusted blindly",
          });
        return { inputs: values, failures };
      },
      diff: (oldInputs, news) => difference(oldInputs, news, ["triggers"]),
      async reconcile({ inputs, old, id, preview }) {
        if (preview) return { id: "", outputs: { ...inputs, stdout: UNKNOWN, stderr: UNKNOWN } };
        const script = String((old && inputs["update"]) ?? inputs["create"] ?? "");
        return { id: id ?? randomUUID(), outputs: await run(inputs, script) };
      },
      read: (_id, state) => Promise.resolve({ ...state, replaced: [] }),
      async remove(_id, { inputs }) {
        if (inputs["delete"] !== undefined) await run(inputs, String(inputs["delete"]));
      },
    },
  };
}
