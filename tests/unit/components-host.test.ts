import * as pulumi from "@pulumi/pulumi";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";

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

async function make(packages: Record<string, { version?: string; held: boolean }>): Promise<void> {
  const { Host } = await import("../../components/host.ts");
  new Host("forge-host", { host, packages, claimant: "wizard-houses/test" });
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

  test("has what the fleet wants beside it, and in the fleet's version where both want it", async () => {
    await make({ jq: { held: false }, curl: { version: "7.88.1-10", held: true } });
    const { packages } = registered[1]?.inputs as { packages: Record<string, unknown> };
    expect(Object.keys(packages).sort()).toEqual([...needed, "jq"].sort());
    expect(packages["curl"]).toEqual({ version: "7.88.1-10", held: true });
  });
});
