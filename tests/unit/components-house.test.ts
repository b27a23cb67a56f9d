import * as pulumi from "@pulumi/pulumi";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { scheduledFiles } from "../../components/scheduled/entries.ts";
import { house, rendered } from "./components-fixture.ts";

/** Stands for secrets everywhere below; it may turn up in `.env` and nowhere else. */
const PYTHON = "/srv/wizards/bezalel/current/harness/bin/python";
const CANARY = "canary-7f3a91";

interface Registered {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
}

const registered: Registered[] = [];

/** The SDK hands mocks a top-level property that holds a secret anywhere inside an envelope of `{<signature>, value}`. */
function unwrapped(inputs: Record<string, unknown>): Record<string, unknown> {
  const open = (value: unknown): unknown =>
    typeof value === "object" && value !== null && pulumi.runtime.specialSigKey in value && "value" in value
      ? value.value
      : value;
  return Object.fromEntries(Object.entries(inputs).map(([key, value]) => [key, open(value)]));
}

beforeAll(async () => {
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs: wrapped }) => {
        const inputs = unwrapped(wrapped);
        registered.push({ type, name, inputs });
        if (type.startsWith("fleet:index:")) return { id: "", state: inputs };
        if (type === "host:index:User") return { id: name, state: { ...inputs, uid: 1001 } };
        if (type === "host:index:Release")
          return {
            id: name,
            state: { ...inputs, release: "r1", previous: "", knownGood: "r0", held: "", refused: [] },
          };
        throw new Error(`No resource of type ${type} is expected`);
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

afterAll(() => {
  registered.length = 0;
});

function valueOf<Value>(output: pulumi.Output<Value>): Promise<Value> {
  return new Promise((resolve) => output.apply(resolve));
}

async function make() {
  const { WizardHouse } = await import("../../components/wizard-house.ts");
  const made = new WizardHouse("bezalel", {
    host: { name: "forge", transport: "local", root: ".houses/forge" },
    house,
    rendered,
    keys: {
      ...{ KIMI_API_KEY: pulumi.secret(CANARY), API_SERVER_KEY: pulumi.secret(`${CANARY}-2`) },
      DEADMAN_PING_URL: pulumi.secret(`https://ping.example/${CANARY}`),
      DEADMAN_WEBHOOK_URL: pulumi.secret(`https://alerts.example/${CANARY}`),
      DEADMAN_FORGE_TOKEN: pulumi.secret(`${CANARY}-3`),
    },
    salt: "wizard-houses/test",
    activation: { deadline: 30, revertAfter: 90 },
  });
  await valueOf(made.urn);
  // The release is registered last and waits for the account: once its output is there, all is.
  const release = await valueOf(made.summary.release);
  return { made, release };
}

describe("a wizard house", async () => {
  let summary: Record<string, unknown>;
  beforeAll(async () => {
    const { made, release } = await make();
    summary = { ...made.summary, release, knownGood: await valueOf(made.summary.knownGood) };
  });
  const inputsOf = (name: string): Record<string, unknown> => {
    const found = registered.filter((resource) => resource.name === name);
    expect(found).toHaveLength(1);
    return found[0]?.inputs ?? {};
  };
  const release = () =>
    inputsOf("bezalel-release") as {
      files: Record<
        string,
        { content: unknown; mode?: string; group?: string; owner?: string; part: string }
      >;
      links: Record<string, { target: string; part: string }>;
      directories: Record<string, { mode: string; owner: string; group: string; part: string }>;
      units: Record<string, { content: string; restartOn: string[]; part: string }>;
      cron: Record<
        string,
        { entries: { name: string; schedule: string; user: string; command: string[] }[]; part: string }
      >;
      [key: string]: unknown;
    };

  test("types and names are a contract, because renaming a resource replaces it", () => {
    expect(registered.map(({ type, name }) => `${type} ${name}`).sort()).toEqual([
      "fleet:index:CronManager bezalel-cron",
      "fleet:index:DeadmanSwitch bezalel-deadman",
      "fleet:index:GoldenState bezalel-golden-state",
      "fleet:index:HermesGateway bezalel-gateway",
      "fleet:index:RequestLog bezalel-request-log",
      "fleet:index:WizardHouse bezalel",
      "host:index:Release bezalel-release",
      "host:index:User bezalel-user",
    ]);
  });

  test("the account is made before the release", () => {
    const names = registered.map(({ name }) => name);
    expect(names.indexOf("bezalel-user")).toBeLessThan(names.indexOf("bezalel-release"));
    expect(inputsOf("bezalel-user")).toEqual({
      host: { name: "forge", transport: "local", root: ".houses/forge" },
      user: "wizard-bezalel",
      home: "/srv/wizards/bezalel/home",
    });
  });

  const merging = (what: string): string[] => [
    ...[PYTHON, "-I", "-S", "-B", "/srv/wizards/bezalel/current/jobs/merge-jobs.py"],
    ...[what, "/srv/wizards/bezalel/current/jobs.json", "/srv/wizards/bezalel/home"],
  ];

  test("the release belongs to the house", () => {
    const {
      host,
      house: path,
      group,
      salt,
      health,
      files,
      links,
      directories,
      units,
      cron,
      traces,
      ...rest
    } = release();
    expect(traces).toEqual(["/var/lib/wizard-houses/bezalel"]);
    expect({ host, path, group, salt, health }).toEqual({
      host: { name: "forge", transport: "local", root: ".houses/forge" },
      path: "/srv/wizards/bezalel",
      group: "wizard-bezalel",
      salt: "wizard-houses/test",
      health: {
        http: "http://127.0.0.1:8643/health",
        unit: "hermes-bezalel.service",
        heartbeat: "home/state/gateway.heartbeat",
        user: "wizard-bezalel",
        probe: [
          ...[PYTHON, "-I", "-B"],
          ...["/srv/wizards/bezalel/current/gateway/check-harness.py", "--effective"],
        ],
        deadline: 30,
      },
    });
    expect(rest).toEqual({
      adopt: false,
      harness: "/opt/hermes/venv",
      hold: "/var/lib/wizard-houses/bezalel/deadman_active",
      drained: "/var/lib/wizard-houses/bezalel/drained",
      jobs: {
        user: "wizard-bezalel",
        apply: merging("apply"),
        compare: merging("compare"),
        findings: [
          ...merging("findings").slice(0, 6),
          ...["/srv/wizards/bezalel/current/jobs/banned.json", "/srv/wizards/bezalel/home"],
        ],
        withdraw: merging("withdraw"),
      },
      revertAfter: 90,
      check: {
        user: "wizard-bezalel",
        argv: ["/bin/sh", "gateway/check-host.sh", "0.19.0", "given", "/srv/builds"],
      },
    });
    expect([files, links, directories, units, cron].every((record) => Object.keys(record).length > 0)).toBe(
      true,
    );
  });

  test("every file has the part, mode and group it should", () => {
    const facts = Object.entries(release().files).map(([path, { part, mode, owner, group }]) =>
      [path, part, mode, owner ?? "root", group ?? "house"].join(" "),
    );
    expect(facts.sort()).toEqual([
      ".env golden-state 0640 root house",
      "SOUL.md golden-state 0640 root house",
      "backup/unpack.py backup 0640 root house",
      "channel_aliases.json golden-state 0640 root house",
      "config.yaml golden-state 0640 root house",
      "deadman/deadman.conf deadman 0600 root root",
      "deadman/deadman.sh deadman 0700 root root",
      "deadman/forge.sh deadman 0600 root root",
      "deadman/secrets.conf deadman 0600 root root",
      "drain/drain.py gateway 0640 root house",
      "gateway/check-harness.py gateway 0640 root house",
      "gateway/check-host.sh gateway 0640 root house",
      "gateway/prepare-home.sh gateway 0640 root house",
      "gateway/start-gateway.sh gateway 0640 root house",
      "golden.yaml golden-state 0640 root house",
      "jobs.json cron 0640 root house",
      "jobs/banned.json cron 0640 root house",
      "jobs/banned.py cron 0640 root house",
      "jobs/merge-jobs.py cron 0640 root house",
      "jobs/pausing.py cron 0640 root house",
      "jobs/store.py cron 0640 root house",
      "request-log/request-log.py request-log 0640 root house",
      ...[...scheduledFiles(), "scheduled/settings.json"]
        .sort()
        .map((file) => `${file} cron 0640 root house`),
      "skins/bezalel.yaml golden-state 0640 root house",
    ]);
  });

  test("links and the folders of the agent", () => {
    expect(release().links).toEqual({
      "home/SOUL.md": { target: "SOUL.md", part: "golden-state" },
      "home/skins/bezalel.yaml": { target: "skins/bezalel.yaml", part: "golden-state" },
    });
    const agents = { owner: "wizard-bezalel", group: "wizard-bezalel" };
    expect(release().directories).toEqual({
      home: { ...agents, mode: "0700", part: "gateway" },
      "home/skins": { ...agents, mode: "0700", part: "golden-state" },
      log: { ...agents, mode: "0750", part: "request-log" },
    });
  });

  test("the gateway is restarted by what it reads at start and by nothing else, and starts what prepares its home", () => {
    expect(release().units).toEqual({
      "hermes-bezalel.service": {
        part: "gateway",
        restartOn: ["config.yaml", ".env", "harness"],
        content: expect.stringContaining("TimeoutStopSec=75\n") as string,
      },
      "wizard-home-bezalel.service": {
        part: "gateway",
        enabled: false,
        content: expect.stringContaining("prepare-home.sh") as string,
      },
    });
    expect(release().units["hermes-bezalel.service"]?.content).toContain("SystemCallFilter=@system-service");
    expect(release().units["hermes-bezalel.service"]?.content).toContain("home /srv/builds\n");
  });

  test("cron: the house's own entries, the deadman as root, the request log as the house's user", () => {
    const current = "/srv/wizards/bezalel/current";
    expect(release().cron).toEqual({
      "wizard-bezalel": { entries: house.cron, part: "cron" },
      // What stands in it is compared with the documentation, in scheduled-entries.test.ts.
      "wizard-bezalel-scheduled": { part: "cron", entries: expect.any(Array) as unknown },
      "wizard-bezalel-deadman": {
        part: "deadman",
        entries: [
          {
            name: "deadman",
            schedule: "* * * * *",
            user: "root",
            command: ["/bin/sh", `${current}/deadman/deadman.sh`, `${current}/deadman/deadman.conf`],
          },
        ],
      },
      "wizard-bezalel-request-log": {
        part: "request-log",
        entries: [
          {
            name: "request-log",
            schedule: "*/5 * * * *",
            user: "wizard-bezalel",
            command: [
              ...[PYTHON, "-I", "-S", `${current}/request-log/request-log.py`],
              ...["--home", "/srv/wizards/bezalel/home", "--log", "/srv/wizards/bezalel/log"],
              ...["--max-bytes", "1000000", "--keep", "4"],
            ],
          },
        ],
      },
    });
  });

  test("keys are in .env, root's in a file of root's, and nowhere else", () => {
    expect(release().files[".env"]?.content).toBe(
      `API_SERVER_KEY=${CANARY}-2\nAPI_SERVER_PORT=8643\nKIMI_API_KEY=${CANARY}\n`,
    );
    expect(release().files["deadman/secrets.conf"]?.content).toBe(
      "# What only root may know of the deadman switch of house bezalel.\n" +
        `PING_URL=https://ping.example/${CANARY}\nWEBHOOK_URL=https://alerts.example/${CANARY}\nFORGE_TOKEN=${CANARY}-3\n`,
    );
    const files = { ...release().files, ".env": "left out", "deadman/secrets.conf": "left out" };
    const others = registered.map((one) => (one.name === "bezalel-release" ? { ...one.inputs, files } : one));
    expect(JSON.stringify(others)).not.toContain(CANARY);
  });

  test("outputs are what an operator asks for", () => {
    expect(summary).toEqual({
      host: "forge",
      release: "r1",
      knownGood: "r0",
      chain: ["kimi-coding/kimi-k2.5", "custom/qwen3-8b"],
      health: "http://127.0.0.1:8643/health",
      ports: { health: 8643 },
      keys: ["API_SERVER_KEY", "KIMI_API_KEY"],
      sandbox: { write: ["/srv/builds"], allow: ["debugging"] },
      harness: { version: "0.19.0", venv: "/opt/hermes/venv" },
    });
  });
});

test(".env is secret as a whole and readable by the house's group only", async () => {
  const { GoldenState } = await import("../../components/golden-state.ts");
  const golden = new GoldenState("only-env", { user: "wizard-x", files: {}, env: { A: "1" } });
  await valueOf(golden.urn);
  const content = golden.part.files?.[".env"]?.content;
  expect(pulumi.Output.isInstance(content)).toBe(true);
  expect(await pulumi.isSecret(pulumi.output(content))).toBe(true);
  expect(golden.part.files?.[".env"]?.mode).toBe("0640");
});

test("a house without a value for a key, or with one it does not want, is refused by name", async () => {
  const { WizardHouse } = await import("../../components/wizard-house.ts");
  const make = () =>
    new WizardHouse("incomplete", {
      host: { name: "forge", transport: "local" },
      house,
      rendered,
      keys: { KIMI_API_KEY: CANARY, STRAY: CANARY },
      salt: "s",
    });
  expect(make).toThrow(
    /missing: API_SERVER_KEY, DEADMAN_FORGE_TOKEN, DEADMAN_PING_URL, DEADMAN_WEBHOOK_URL; not wanted: STRAY/,
  );
  expect(make).not.toThrow(CANARY);
});
