import * as pulumi from "@pulumi/pulumi";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";

import { harnessId } from "../../fleet/harness/lock.ts";

interface Registered {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
}

const registered: Registered[] = [];
const host = { name: "forge", transport: "local", root: ".houses/forge" } as const;

beforeAll(async () => {
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        registered.push({ type, name, inputs: inputs as Record<string, unknown> });
        return { id: name, state: inputs as Record<string, unknown> };
      },
      call: ({ token }) => {
        throw new Error(`No call of ${token} is expected`);
      },
    },
    "wizard-houses",
    "test",
    false,
  );
});
beforeEach(() => {
  registered.length = 0;
});

async function make(
  packages: Record<string, { version?: string; held: boolean }>,
  rented = false,
  more: { needed?: Readonly<Record<string, readonly string[]>> } = {},
): Promise<void> {
  const { Host } = await import("../../components/host.ts");
  const machine = rented ? { machine: new pulumi.ComponentResource("test:Machine", "m") } : {};
  new Host("forge-host", { host, packages, claimant: "wizard-houses/test", ...machine, ...more });
  await pulumi.runtime.disconnect();
}

const needed = ["ca-certificates", "cron", "curl", "passwd", "procps", "systemd"];

describe("a host", () => {
  test("types and names are a contract, because renaming a resource replaces it", async () => {
    await make({});
    expect(registered.map(({ type, name }) => `${type} ${name}`)).toEqual([
      "fleet:index:Host forge-host",
      "host:index:Packages forge-packages",
    ]);
  });

  test("has what our scripts need, in any version and not on hold", async () => {
    await make({});
    expect(registered[1]?.inputs).toEqual({
      host,
      claimant: "wizard-houses/test",
      packages: Object.fromEntries(needed.map((name) => [name, { held: false }])),
    });
  });

  test("has what backups need where one of its houses declares them, and else not", async () => {
    const { BACKUP_NEEDED } = await import("../../components/backup/part.ts");
    await make({}, false, { needed: BACKUP_NEEDED });
    const { packages } = registered[1]?.inputs as { packages: Record<string, unknown> };
    expect(Object.keys(packages).sort()).toEqual(["age", ...needed].sort());
  });

  test("that is rented keeps its metadata service from all but root", async () => {
    await make({}, true);
    const { guardUnit, IN_FORCE, RULES, RULES_FILE } = await import("../../components/metadata/guard.ts");
    const inputsOf = (name: string) => registered.find((one) => one.name === name)?.inputs;
    expect(Object.keys(inputsOf("forge-packages")?.["packages"] as object)).toContain("nftables");
    expect(inputsOf("forge-metadata-rules")).toEqual({ host, files: { [RULES_FILE]: { content: RULES } } });
    expect(inputsOf("forge-metadata")).toEqual({
      ...{ host, unit: "wizard-metadata.service", content: guardUnit(), restartOn: [RULES], probe: IN_FORCE },
    });
  });

  test("has the harnesses that its houses want installed, each once, and what installing them needs", async () => {
    const { Host } = await import("../../components/host.ts");
    const lock = "hermes-agent==0.19.0 \\\n    --hash=sha256:0\n";
    const id = harnessId("0.19.0", lock);
    const installed = { version: "0.19.0", venv: `/opt/hermes/${id}`, lock };
    const houses = [
      { path: "/srv/a", harness: installed },
      { path: "/srv/b", harness: { version: "0.19.0", venv: "/opt/hermes/venv" } },
      { path: "/srv/c", harness: installed },
    ];
    new Host("forge-host", { host, packages: {}, claimant: "c", houses, harnessFrom: { wheels: "w" } });
    await pulumi.runtime.disconnect();
    const inputsOf = (name: string) => registered.find((one) => one.name === name)?.inputs;
    expect(inputsOf("forge-harnesses")).toEqual({
      ...{ host, claimant: "c", wheels: "w" },
      harnesses: { [id]: { version: "0.19.0", lock, houses: ["/srv/a", "/srv/c"] } },
    });
    expect(Object.keys(inputsOf("forge-packages")?.["packages"] as object)).toContain("python3-venv");
  });

  test("has what the fleet wants beside it, and in the fleet's version where both want it", async () => {
    await make({ jq: { held: false }, curl: { version: "7.88.1-10", held: true } });
    const { packages } = registered[1]?.inputs as { packages: Record<string, unknown> };
    expect(Object.keys(packages).sort()).toEqual([...needed, "jq"].sort());
    expect(packages["curl"]).toEqual({ version: "7.88.1-10", held: true });
  });
});
