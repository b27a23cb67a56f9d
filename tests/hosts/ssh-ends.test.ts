/** The provider's own process with a connection to a real machine: however it ends, nothing of it is left. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";

import grpc from "@grpc/grpc-js";
import providergrpc from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import providerpb from "@pulumi/pulumi/proto/provider_pb.js";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";

import { encodeStruct } from "../../provider/values.ts";
import { blackhole, unblackhole, type Machine } from "../../testbed/index.ts";
import { processInfo } from "../../toolchain/process-info.ts";
import { inside } from "./fleet.ts";
import { freshMachines } from "./machines.ts";

const PROVIDER = path.resolve(import.meta.dirname, "..", "..", "provider", "pulumi-resource-host");

let machine: Machine;
let folder: string;
let provider: ChildProcessWithoutNullStreams;

beforeAll(async () => {
  [machine] = (await freshMachines(1)) as [Machine];
  // A digest of it takes longer than any test.
  await inside(machine, "truncate -s 1T /srv/endless; echo hello >/srv/short");
});
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "ends-"));
  writeFileSync(
    path.join(folder, "config"),
    `Host *\n IdentityFile ${machine.clientKeyFile}\n IdentitiesOnly yes\n IdentityAgent none\n`,
  );
});
afterEach(() => {
  provider.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

/** Starts the provider; returns what asks it to look at a file on the machine. */
async function start(): Promise<(file: string) => Promise<unknown>> {
  // Where others make their private folders, they also remove those of who has been killed.
  const env = { ...process.env, TMPDIR: folder, WIZARD_HOUSES_SSH_CONFIG: path.join(folder, "config") };
  provider = spawn(PROVIDER, [], { env });
  const [port] = (await once(createInterface(provider.stdout), "line")) as [string];
  const client = new providergrpc.ResourceProviderClient(
    `127.0.0.1:${port}`,
    grpc.credentials.createInsecure(),
  );
  const { address, hostKey } = machine;
  const host = { name: "forge", transport: "ssh", address, user: "root", hostKey, connectDeadline: 8 };
  return (file) => {
    const request = new providerpb.ReadRequest();
    request.setId("x");
    request.setUrn("urn:pulumi:s::p::host:index:Files::x");
    const entry = { content: "hello\n", mode: "0644", owner: "root", group: "root" };
    request.setInputs(encodeStruct({ host, files: { [file]: entry } }));
    request.setProperties(encodeStruct({}));
    return new Promise((resolve, reject) =>
      client.read(request, (error, response) => (error ? reject(error) : resolve(response))),
    );
  };
}

const pid = (): number => provider.pid!;
const privateFolders = (): string[] =>
  readdirSync(folder).filter((name) => name.startsWith(`houses-${pid()}-`));
/** Ids of its ssh processes, alive or not reaped. */
const clients = (): number[] =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((id) => processInfo(id)?.command.includes(`/houses-${pid()}-`));
const sessions = (): Promise<string> => inside(machine, "pgrep -cf '^sshd: .*@notty' || :");
const looking = (): Promise<string> => inside(machine, "pgrep -c sha256sum || :");

async function nothingLeft(): Promise<void> {
  await expect.poll(clients, { timeout: 5000 }).toEqual([]);
  await expect.poll(sessions, { timeout: 5000 }).toBe("0\n");
}

const ENDS: [string, () => unknown][] = [
  ["the end of its input", () => provider.stdin.end()],
  ["SIGINT", () => provider.kill("SIGINT")],
  ["SIGTERM", () => provider.kill("SIGTERM")],
  ["SIGHUP", () => provider.kill("SIGHUP")],
];

describe("a provider that ends by", () => {
  it.each(ENDS)("%s leaves nothing", async (_, end) => {
    const look = await start();
    await look("/srv/short");
    expect(privateFolders()).toHaveLength(1);
    expect(clients()).toHaveLength(1);
    end();
    await once(provider, "exit");
    expect(privateFolders()).toEqual([]);
    await nothingLeft();
  });

  it.each(ENDS)("%s while it looks leaves nothing, and is gone in 5 s", async (_, end) => {
    const look = await start();
    const seen = look("/srv/endless").catch(() => undefined);
    await expect.poll(looking, { timeout: 10_000 }).toBe("1\n");
    const begin = Date.now();
    end();
    await once(provider, "exit");
    expect(Date.now() - begin).toBeLessThan(5000);
    await seen;
    expect(privateFolders()).toEqual([]);
    await nothingLeft();
    await inside(machine, "pkill sha256sum || :");
  });

  it.each(ENDS)("%s while it connects leaves nothing", async (_, end) => {
    await blackhole(machine);
    try {
      const look = await start();
      const seen = look("/srv/short").catch(() => undefined);
      await expect.poll(clients, { timeout: 5000 }).toHaveLength(1);
      end();
      await once(provider, "exit");
      await seen;
      expect(privateFolders()).toEqual([]);
      await expect.poll(clients, { timeout: 2000 }).toEqual([]);
    } finally {
      await unblackhole(machine);
    }
  });
});

describe("a provider that is killed", () => {
  it.each(["/srv/short", "/srv/endless"])(
    "leaves no process, and a folder that the next removes (%s)",
    async (file) => {
      const look = await start();
      const seen = look(file).catch(() => undefined);
      if (file === "/srv/short") await seen;
      else await expect.poll(looking, { timeout: 10_000 }).toBe("1\n");
      const first = privateFolders();
      expect(first).toHaveLength(1);
      const gone = once(provider, "exit");
      provider.kill("SIGKILL");
      await gone;
      // The host has the time it was given for the script, and ssh waits for it.
      await inside(machine, "pkill sha256sum || :");
      await nothingLeft();
      expect(privateFolders()).toEqual(first);

      await (
        await start()
      )("/srv/short");
      expect(readdirSync(folder)).not.toContain(first[0]);
    },
  );

  it("while it connects leaves no process for longer than it may take to connect", async () => {
    await blackhole(machine);
    try {
      const look = await start();
      void look("/srv/short").catch(() => undefined);
      await expect.poll(clients, { timeout: 5000 }).toHaveLength(1);
      provider.kill("SIGKILL");
      await expect.poll(clients, { timeout: 10_000 }).toEqual([]);
    } finally {
      await unblackhole(machine);
    }
  });
});

it("nothing it was given is in an argument or the environment of ssh", async () => {
  process.env["PULUMI_CONFIG_PASSPHRASE_TEST"] = "canary";
  try {
    await (
      await start()
    )("/srv/short");
    const [client] = clients();
    expect(readFileSync(`/proc/${pid()}/environ`, "utf8")).toContain("canary");
    expect(readFileSync(`/proc/${client}/environ`, "utf8")).not.toContain("canary");
    expect(readFileSync(`/proc/${client}/cmdline`, "utf8")).not.toMatch(/hello|\/srv/);
  } finally {
    delete process.env["PULUMI_CONFIG_PASSPHRASE_TEST"];
  }
});
