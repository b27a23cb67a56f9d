/** The rules that need only the model, without any policy pack: a fleet that breaks one does not load. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterAll, beforeEach, describe, expect, test } from "vitest";

import { FleetError, loadFleet } from "../../fleet/index.ts";
import { loadRulebook } from "../../fleet/load.ts";
import { DEFAULT_SETTINGS } from "../../fleet/rules/settings.ts";
import { RULES } from "../../policies/rules.ts";
import { hostKey, WIZARDS } from "./policies-fixture.ts";

const scratch = mkdtempSync(path.join(tmpdir(), "policies-load-"));
let wizards: string;
beforeEach(() => {
  wizards = path.join(mkdtempSync(path.join(scratch, "t-")), "wizards");
  cpSync(WIZARDS, wizards, { recursive: true });
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function edit(name: string, from: string | RegExp, to: string): void {
  const file = path.join(wizards, name);
  const before = readFileSync(file, "utf8");
  const after = before.replace(from, to);
  if (after === before) throw new Error(`${name} has no ${String(from)}`);
  writeFileSync(file, after);
}

const append = (name: string, text: string): void => edit(name, /$/, `\n${text}\n`);
const CRON = { name: "tidy", schedule: "15 3 * * *", command: "[/usr/bin/true]" };
const withCron = (change: Partial<typeof CRON & { user: string }>): void => {
  const entry = Object.entries({ ...CRON, ...change }).map(([key, value]) => `${key}: ${value}`);
  edit("bezalel/house.yaml", /cron:\n/, `cron:\n  - { ${entry.join(", ")} }\n`);
};
const sharedKeys = (): void => {
  const line = (seed: number) => `    hostKey: ${hostKey(seed)}\n`;
  edit("fleet.yaml", "    address: 203.0.113.10\n", `    address: 203.0.113.10\n${line(7)}`);
  edit("fleet.yaml", "    address: 203.0.113.20\n", `    address: 203.0.113.20\n${line(7)}`);
};
const policies = (text: string): void => append("fleet.yaml", `policies:\n${text}`);

interface Refusal {
  rule: string;
  what: string;
  make: () => void;
  /** `file: path`, and words of the message. */
  at: string;
  says: string;
}

const HOOK_ON_TOWER = `deployHook:
  host: tower
  stack: prod
  names: [deploy.example.org]
  forge: { kind: gitea, url: "https://forge.example.org", repository: timmy/config }
  backend: s3://state
  node: /opt/node
`;

const refusals: Refusal[] = [
  {
    rule: "banned-provider",
    what: "a cron entry's program",
    make: () => withCron({ command: "[/usr/local/bin/claude, -p, hello]" }),
    at: "bezalel/house.yaml: cron[0].command",
    says: "belongs to the banned family anthropic",
  },
  {
    rule: "banned-provider",
    what: "a tool's environment",
    make: () =>
      append("bezalel/config.yaml", "mcp_servers: {x: {command: /bin/x, env: {ANTHROPIC_MODEL: y}}}"),
    at: "bezalel/config.yaml: mcp_servers.x.env.ANTHROPIC_MODEL",
    says: "belongs to the banned family anthropic",
  },
  {
    rule: "soul-gate",
    what: "an unknown voice",
    make: () => append("bezalel/config.yaml", "tts: {provider: parrot}"),
    at: "bezalel/config.yaml: tts.provider",
    says: "is no provider of the fleet",
  },
  {
    rule: "soul-gate",
    what: "a forbidden endpoint in an overlay",
    make: () => append("bezalel/config.yaml", "tts: {openai: {base_url: https://evil.example/v1}}"),
    at: "bezalel/config.yaml: tts.openai.base_url",
    says: "is a forbidden remote base URL",
  },
  {
    rule: "soul-gate",
    what: "a forbidden endpoint in the chain",
    make: () =>
      edit(
        "bezalel/house.yaml",
        "  - provider: openrouter",
        "  - { provider: custom, model: m, baseUrl: 'https://evil.example/v1' }\n  - provider: openrouter",
      ),
    at: "bezalel/house.yaml: providers[2].baseUrl",
    says: "is a forbidden remote base URL",
  },
  {
    rule: "soul-gate",
    what: "a safeguard loosened in the base",
    make: () => edit("base/config.yaml", "redact_pii: true", "redact_pii: false"),
    at: "base/config.yaml: privacy.redact_pii",
    says: "is not allowed",
  },
  {
    rule: "golden-state",
    what: "two servers on one machine",
    make: () =>
      edit(
        "ezra/house.yaml",
        / {2}- provider: gemini[\s\S]*(?= {2}- provider: custom)/,
        "  - provider: lmstudio\n    model: other\n",
      ),
    at: "ezra/house.yaml: providers",
    says: "names one provider only",
  },
  {
    rule: "deadman-present",
    what: "a grace of a day",
    make: () => edit("bezalel/house.yaml", "grace: 600", "grace: 86400"),
    at: "bezalel/house.yaml: deadman.grace",
    says: "is no sane grace",
  },
  {
    rule: "deadman-present",
    what: "a window that forgets",
    make: () => edit("bezalel/house.yaml", "grace: 600", "window: 600\n  grace: 600"),
    at: "bezalel/house.yaml: deadman.window",
    says: "is too short",
  },
  {
    rule: "request-log-present",
    what: "a log that fills the disk",
    make: () => append("bezalel/house.yaml", "requestLog: {maxBytes: 1000000000, keep: 100}"),
    at: "bezalel/house.yaml: requestLog.maxBytes",
    says: "without a sane bound",
  },
  {
    rule: "cron-safe",
    what: "a job every minute",
    make: () => withCron({ schedule: '"* * * * *"' }),
    at: "bezalel/house.yaml: cron[0].schedule",
    says: "is too frequent",
  },
  {
    rule: "cron-safe",
    what: "a job as root",
    make: () => withCron({ user: "root" }),
    at: "bezalel/house.yaml: cron[0].user",
    says: "may not run jobs in this house",
  },
  {
    rule: "cron-safe",
    what: "shell text",
    make: () => withCron({ command: "[/bin/sh, -c, 'true; false']" }),
    at: "bezalel/house.yaml: cron[0].command[1]",
    says: "is no option",
  },
  {
    rule: "cron-safe",
    what: "an agent's job every minute",
    make: () => edit("bezalel/house.yaml", "every: 60", "every: 1"),
    at: "bezalel/house.yaml: jobs[0].schedule",
    says: "is too frequent",
  },
  {
    rule: "deploy-hook-alone",
    what: "a deploy hook beside a wizard",
    make: () => append("fleet.yaml", HOOK_ON_TOWER),
    at: "fleet.yaml: deployHook.host",
    says: "has an agent on it: ezra, allegro",
  },
  {
    rule: "ports-unique",
    what: "two houses on one port",
    make: () => edit("allegro/house.yaml", "health: 8641", "health: 8643"),
    at: "allegro/house.yaml: ports.health",
    says: "is taken on host tower by ezra (wizards/ezra/house.yaml:",
  },
  {
    rule: "ports-unique",
    what: "two services on one port",
    make: () => {
      edit("allegro/house.yaml", "health: 8641", "health: 8641\n  webhook: 8641");
      append("allegro/config.yaml", "  webhook: {enabled: true, extra: {port: 8641}}");
    },
    at: "allegro/house.yaml: ports.webhook",
    says: "is taken on host tower by allegro",
  },
  {
    rule: "ports-unique",
    what: "a service that nobody deploys",
    make: () => edit("allegro/house.yaml", "health: 8641", "health: 8641\n  webhook: 8777"),
    at: "allegro/config.yaml: platforms.webhook.extra.port",
    says: "is advertised but not deployed",
  },
  {
    rule: "ports-unique",
    what: "a platform that nobody advertises",
    make: () => append("allegro/config.yaml", "  webhook: {enabled: true}"),
    at: "allegro/config.yaml: platforms.webhook.extra.port",
    says: "is deployed but not advertised",
  },
  {
    rule: "ports-unique",
    what: "a reserved port",
    make: () => policies("  ports-unique: {reserved: [8642]}"),
    at: "bezalel/house.yaml: ports.health",
    says: "is reserved",
  },
  {
    rule: "secrets-stay-secret",
    what: "a token in prose",
    make: () => append("bezalel/SOUL.md", "use hT7vQ2mZx9Kp4LwR8sYb3Nc6"),
    at: "bezalel/SOUL.md: ",
    says: "holds what looks like a key in line",
  },
  {
    rule: "secrets-stay-secret",
    what: "a key in house.yaml",
    make: () => edit("bezalel/house.yaml", "role: Builder", "role: ghp_abcdefghijklmnop1234 Builder"),
    at: "bezalel/house.yaml: role",
    says: "is a secret in plain text",
  },
  {
    rule: "secrets-stay-secret",
    what: "a password in an overlay",
    make: () => append("bezalel/config.yaml", "platforms: {email: {extra: {password: hunter2}}}"),
    at: "bezalel/config.yaml: platforms.email.extra.password",
    says: "is a secret in plain text",
  },
  {
    rule: "ssh-pinned",
    what: "two hosts with one key",
    make: sharedKeys,
    at: "fleet.yaml: hosts.forge.hostKey",
    says: "is the key of host tower too",
  },
  {
    rule: "droplet",
    what: "a size that is not allowed",
    make: () => rent("{region: fra1, size: m-32vcpu-256gb}"),
    at: "fleet.yaml: hosts.forge.droplet.size",
    says: "is not allowed",
  },
  {
    rule: "firewall-closed",
    what: "SSH for the world",
    make: () => rent("{region: fra1, size: s-1vcpu-2gb, inbound: [{port: 22, from: [0.0.0.0/0]}]}"),
    at: "fleet.yaml: hosts.forge.droplet.inbound[0]",
    says: "is open to the world",
  },
];

function rent(droplet: string): void {
  edit("fleet.yaml", "address: 203.0.113.20\n    user: root", `droplet: ${droplet}`);
  append(
    "fleet.yaml",
    `digitalocean: {sshKeys: {ada: ssh-ed25519 ${"A".repeat(68)}}, sshFrom: [203.0.113.9]}`,
  );
}

describe.each(refusals)("$rule: $what", ({ make, at, says }) => {
  test("stops the fleet from loading", () => {
    make();
    const problems = problemsOf(() => loadFleet(wizards));
    expect(problems.map((one) => `${one.file}: ${one.path}: ${one.message}`).join("\n")).toMatch(
      new RegExp(`wizards/${escaped(at)}: .*${escaped(says)}`),
    );
  });
});

test("every rule that the model decides, in full or in part, has a refusal", () => {
  const expected = RULES.filter(({ whenLoading }) => whenLoading !== "nothing").map(({ name }) => name);
  expect([...new Set(refusals.map(({ rule }) => rule))].sort()).toEqual(expected.sort());
});

test("what is advertised and deployed loads", () => {
  edit("allegro/house.yaml", "health: 8641", "health: 8641\n  webhook: 8777");
  append("allegro/config.yaml", "  webhook: {enabled: true, extra: {port: 8777}}");
  expect(loadFleet(wizards).houses.at(-1)?.ports).toEqual({ health: 8641, webhook: 8777 });
});

describe("settings", () => {
  test.each([
    ["a rule that is not there", "  no-such-rule: {}", "policies.no-such-rule", "is no known key"],
    ["a setting that is not there", "  cron-safe: {often: 1}", "policies.cron-safe.often", "is no known key"],
    [
      "text for a number",
      "  cron-safe: {everyMinutes: often}",
      "policies.cron-safe.everyMinutes",
      "wrong type",
    ],
    [
      "a number out of range",
      "  golden-state: {providers: 1}",
      "policies.golden-state.providers",
      "not accepted",
    ],
    [
      "a host that is none",
      "  soul-gate: {remoteHosts: ['*']}",
      "policies.soul-gate.remoteHosts[0]",
      "not accepted",
    ],
  ])("%s is refused", (_, text, at, says) => {
    policies(text);
    const [problem, ...more] = problemsOf(() => loadFleet(wizards));
    expect(more).toEqual([]);
    expect(problem).toMatchObject({ file: "wizards/fleet.yaml", path: at });
    expect(problem?.message).toContain(says);
    expect(problemsOf(() => loadRulebook(wizards))).toHaveLength(1);
  });

  test.each([
    ["soul-gate", "  soul-gate: {remoteHosts: [evil.example]}", "an endpoint"],
    ["cron-safe", "  cron-safe: {everyMinutes: 1}", "a job"],
    ["ssh-pinned", "  ssh-pinned: {sharedKeys: true}", "a key"],
    ["droplet", "  droplet: {sizes: {m-32vcpu-256gb: 50}}", "a size"],
    ["secrets-stay-secret", "  secrets-stay-secret: {public: [hT7vQ2mZx9Kp4LwR8sYb3Nc6]}", "a word"],
    ["deadman-present", "  deadman-present: {maxGrace: 86400}", "a grace"],
    ["request-log-present", "  request-log-present: {maxTotal: 1000000000000}", "a log"],
  ])("%s: what is allowed by a setting loads", (rule, text) => {
    const first = refusals.find((one) => one.rule === rule && !one.what.includes("unknown"));
    first?.make();
    if (rule === "deadman-present")
      edit("bezalel/house.yaml", "grace: 86400", "grace: 86400\n  window: 604800");
    policies(text);
    expect(() => loadFleet(wizards)).not.toThrow();
  });

  test("a fleet that says nothing has the defaults", () => {
    expect(loadFleet(wizards).policies).toEqual(DEFAULT_SETTINGS);
    expect(loadRulebook(wizards).policies).toEqual(DEFAULT_SETTINGS);
  });
});

function problemsOf(load: () => unknown): FleetError["problems"] {
  try {
    load();
  } catch (error) {
    if (error instanceof FleetError) return error.problems;
    throw error;
  }
  return [];
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
