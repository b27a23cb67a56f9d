/**
 * Passing and failing cases of every rule, as data. Each changes one thing of a wizard's release that passes, or describes
 * a resource of its own; a failing one names words of the violation. Exactly the named rule speaks.
 */
import { guardUnit } from "../../components/metadata/guard.ts";
import { parse, stringify } from "yaml";

import { hostKey, RELEASE, type Registered } from "./policies-fixture.ts";

type Inputs = Record<string, unknown>;
type Tree = Record<string, unknown>;

/** A wizard's release under change. */
export class House {
  readonly release: Registered;
  readonly inputs: {
    files: Record<string, { content: string; mode?: string; owner?: string; group?: string }>;
    units: Record<string, { content: string }>;
    cron: Record<string, { entries: { name: string; schedule: string; user: string; command: string[] }[] }>;
    directories: Record<string, { mode?: string; owner?: string; group?: string }>;
    [key: string]: unknown;
  };
  /** E.g. `/srv/wizards/ezra`. */
  readonly path: string;
  readonly name: string;

  constructor(release: Registered) {
    this.release = release;
    this.inputs = release.inputs as House["inputs"];
    this.path = String(release.inputs["house"]);
    this.name = release.name.replace(/-release$/, "");
  }

  /** Sets one place of `config.yaml`. */
  config(path: string, value: unknown): void {
    this.tree("config.yaml", path, value);
  }

  tree(file: string, path: string, value: unknown): void {
    const tree = parse(this.inputs.files[file]?.content ?? "", { version: "1.1" }) as Tree;
    const steps = path.split(".");
    const last = steps.pop() ?? "";
    const node = steps.reduce<Tree>((at, step) => (at[step] ??= {}) as Tree, tree);
    if (value === undefined) delete node[last];
    else node[last] = value;
    this.file(file, stringify(tree, { version: "1.1" }));
  }

  file(path: string, content: string): void {
    this.inputs.files[path] = { ...this.inputs.files[path], content };
  }

  append(path: string, text: string): void {
    this.file(path, `${this.inputs.files[path]?.content ?? ""}\n${text}\n`);
  }

  /** Replaces text in a file; throws if it is not there, so that no case tests nothing. */
  edit(path: string, from: string | RegExp, to: string): void {
    this.file(path, replaced(this.inputs.files[path]?.content ?? "", from, to));
  }

  /** Replaces text in the gateway's unit. */
  unit(from: string | RegExp, to: string): void {
    const unit = this.inputs.units[`hermes-${this.name}.service`];
    if (unit === undefined) throw new Error("no unit");
    unit.content = replaced(unit.content, from, to);
  }

  cron(change: Partial<{ name: string; schedule: string; user: string; command: string[] }>): void {
    const entry = {
      ...{ name: "tidy", schedule: "15 3 * * *", user: `wizard-${this.name}`, command: ["/usr/bin/true"] },
      ...change,
    };
    this.inputs.cron[`wizard-${this.name}`] = { entries: [entry] };
  }

  job(change: Inputs): void {
    const schedule = { kind: "interval", minutes: 60, display: "every 60m" };
    const job = {
      id: "0123456789ab",
      name: "j",
      prompt: "p",
      provider: "kimi-coding",
      model: "kimi-k2.5",
      schedule,
    };
    this.file("jobs.json", JSON.stringify({ jobs: [{ ...job, ...change }] }));
  }
}

function replaced(text: string, from: string | RegExp, to: string): string {
  const result = text.replace(from, to);
  if (result === text) throw new Error(`nothing to replace: ${String(from)}`);
  return result;
}

export interface Case {
  rule: string;
  what: string;
  change: (house: House) => void;
  /** Words of the one violation, or of the first; absent where nothing is wrong. */
  says?: string;
}

/** One place of config.yaml. */
const config = (rule: string, what: string, path: string, value: unknown, says?: string): Case => ({
  ...{ rule, what, change: (house) => house.config(path, value) },
  ...(says !== undefined && { says }),
});
/** A line of `.env`. */
const env = (rule: string, what: string, line: string, says?: string): Case => ({
  ...{ rule, what, change: (house) => house.append(".env", line) },
  ...(says !== undefined && { says }),
});
const cron = (
  rule: string,
  what: string,
  change: Parameters<House["cron"]>[0] | ((house: House) => Parameters<House["cron"]>[0]),
  says?: string,
): Case => ({
  ...{ rule, what, change: (house) => house.cron(typeof change === "function" ? change(house) : change) },
  ...(says !== undefined && { says }),
});
const unit = (rule: string, what: string, from: string | RegExp, to: string, says?: string): Case => ({
  ...{ rule, what, change: (house) => house.unit(from, to) },
  ...(says !== undefined && { says }),
});
const change = (rule: string, what: string, edit: (house: House) => void, says?: string): Case => ({
  ...{ rule, what, change: edit },
  ...(says !== undefined && { says }),
});

const FAMILY = "belongs to the banned family anthropic";
const BANNED = "banned-provider";

export const RELEASE_CASES: readonly Case[] = [
  // banned-provider: more cases, at the level of its functions, in policies-banned-cases.ts.
  config(
    BANNED,
    "an auxiliary model through an aggregator",
    "auxiliary.vision.model",
    "Anthropic/Claude-x",
    "auxiliary.vision.model",
  ),
  config(BANNED, "a model of Bedrock", "auxiliary.vision.model", "us.anthropic.claude-v1:0", FAMILY),
  config(BANNED, "delegation", "delegation.provider", "claude", "delegation.provider"),
  config(
    BANNED,
    "a custom provider's name",
    "custom_providers",
    [{ name: "claude", base_url: "http://127.0.0.1:1/v1" }],
    FAMILY,
  ),
  config(
    BANNED,
    "an aggregator's order",
    "provider_routing.order",
    ["anthropic"],
    "provider_routing.order[0]",
  ),
  config(
    BANNED,
    "a tool's program",
    "mcp_servers.x",
    { command: "npx", args: ["-y", "@anthropic-ai/claude-code"] },
    FAMILY,
  ),
  config(
    BANNED,
    "a tool's environment",
    "mcp_servers.x",
    { command: "/bin/x", env: { ANTHROPIC_API_KEY: "${GITEA_TOKEN}" } },
    FAMILY,
  ),
  change(
    BANNED,
    "a merge key",
    (house) => house.append("config.yaml", "zz: &zz {provider: anthropic}\nzy: {<<: *zz}"),
    "zz.provider",
  ),
  change(
    BANNED,
    "a variable of the same house",
    (house) => {
      house.append(".env", "SOME_SETTING=claude-x");
      house.config("auxiliary.vision.model", "${SOME_SETTING}");
    },
    "auxiliary.vision.model",
  ),
  change(BANNED, "a job's model", (house) => house.job({ model: "claude-x" }), "jobs.json"),
  env(BANNED, "a credential in .env", "ANTHROPIC_TOKEN=x", "ANTHROPIC_TOKEN"),
  cron(BANNED, "a cron entry's program", { command: ["/usr/local/bin/claude", "-p", "hello"] }, FAMILY),
  cron(BANNED, "a cron entry's option", { command: ["/usr/local/bin/ask", "--model", "claude-x"] }, FAMILY),
  unit(
    BANNED,
    "a unit's environment",
    "[Service]\n",
    "[Service]\nEnvironment=ANTHROPIC_API_KEY=x\n",
    "Environment",
  ),
  unit(BANNED, "a unit's program", "start-gateway.sh", "start-gateway.sh --provider anthropic", "ExecStart"),
  change(
    BANNED,
    "a job's script",
    (house) => house.file("scripts/ask.sh", "curl https://api.anthropic.com/v1\n"),
    "scripts/ask.sh",
  ),
  config(
    BANNED,
    "prose in a prompt",
    "agent.system_prompt",
    "Never say claude-x or https://api.anthropic.com",
  ),
  config(BANNED, "what must be ignored", "provider_routing.ignore", ["anthropic"]),
  change(BANNED, "prose in SOUL.md", (house) => house.append("SOUL.md", "I am not Claude by Anthropic.")),
  change(BANNED, "prose in a comment", (house) =>
    house.append("config.yaml", "# not anthropic: provider: claude"),
  ),
  env(BANNED, "a credential pinned to nothing", "ANTHROPIC_TOKEN="),
  env(BANNED, "another vendor's path", "MINIMAX_BASE_URL=https://api.minimax.io/anthropic"),
  cron(BANNED, "a path in which the name stands", {
    command: ["/usr/bin/find", "/srv/builds/claude", "-delete"],
  }),
  change(BANNED, "a script's comment", (house) =>
    house.file("scripts/ask.sh", "# not https://api.anthropic.com\n"),
  ),

  config("soul-gate", "approvals off", "approvals.mode", "off", "approvals.mode"),
  config("soul-gate", "approvals a bare off, which is false", "approvals.mode", false, "approvals.mode"),
  config(
    "soul-gate",
    "jobs that approve themselves",
    "approvals.cron_mode",
    "approve",
    "approvals.cron_mode",
  ),
  config("soul-gate", "keys shown", "security.redact_secrets", false, "security.redact_secrets"),
  config("soul-gate", "keys shown, in text", "security.redact_secrets", "true", "security.redact_secrets"),
  config("soul-gate", "names shown", "privacy.redact_pii", false, "privacy.redact_pii"),
  config("soul-gate", "names shown by default", "privacy.redact_pii", undefined, "privacy.redact_pii"),
  config("soul-gate", "lazy installs", "security.allow_lazy_installs", true, "security.allow_lazy_installs"),
  config(
    "soul-gate",
    "lazy installs by default",
    "security.allow_lazy_installs",
    undefined,
    "security.allow_lazy_installs",
  ),
  config(
    "soul-gate",
    "sub-agents that approve themselves",
    "delegation.subagent_auto_approve",
    true,
    "delegation",
  ),
  config("soul-gate", "an unknown voice", "tts.provider", "parrot", "tts.provider"),
  config("soul-gate", "an unknown ear", "stt.provider", "", "stt.provider"),
  config(
    "soul-gate",
    "a forbidden endpoint",
    "tts.openai.base_url",
    "https://evil.example/v1",
    "forbidden remote base URL",
  ),
  config(
    "soul-gate",
    "an endpoint as a number",
    "tts.openai.base_url",
    "http://134744072/v1",
    "forbidden remote base URL",
  ),
  config("soul-gate", "a proxy", "gateway.proxy_url", "https://evil.example", "gateway.proxy_url"),
  config(
    "soul-gate",
    "a host that only ends like a provider's",
    "tts.openai.base_url",
    "https://evilapi.x.ai/v1",
    "forbidden",
  ),
  config("soul-gate", "a provider in clear", "tts.openai.base_url", "http://api.openai.com/v1", "in clear"),
  config("soul-gate", "a provider's own endpoint", "tts.openai.base_url", "https://api.openai.com/v1"),
  config("soul-gate", "an endpoint of this network", "tts.openai.base_url", "http://10.1.2.3:8000/v1"),
  config("soul-gate", "stricter approvals", "approvals.mode", "manual"),
  config("soul-gate", "another known voice", "tts.provider", "piper"),
  change("soul-gate", "no ears at all", (house) => {
    house.config("stt.enabled", false);
    house.config("stt.provider", "none");
  }),

  config("golden-state", "no fallbacks", "fallback_providers", [], "without a local model"),
  config(
    "golden-state",
    "an end in the cloud",
    "fallback_providers",
    [{ provider: "deepseek", model: "m" }],
    "without a local model",
  ),
  config(
    "golden-state",
    "an end on another machine",
    "fallback_providers",
    [{ provider: "custom", model: "m", base_url: "http://10.0.0.9:1/v1" }],
    "without a local model",
  ),
  config(
    "golden-state",
    "an end without a URL",
    "fallback_providers",
    [{ provider: "custom", model: "m" }],
    "without a local model",
  ),
  config(
    "golden-state",
    "an end with nonsense for a URL",
    "fallback_providers",
    [{ provider: "custom", model: "m", base_url: "" }],
    "without a local model",
  ),
  config(
    "golden-state",
    "an end the harness would drop",
    "fallback_providers",
    [
      { provider: "deepseek", model: "m" },
      { provider: "custom", base_url: "http://127.0.0.1:1/v1" },
    ],
    "without a local model",
  ),
  config(
    "golden-state",
    "a local one that is not last",
    "fallback_providers",
    [
      { provider: "custom", model: "m", base_url: "http://127.0.0.1:1/v1" },
      { provider: "deepseek", model: "m" },
    ],
    "without a local model",
  ),
  change(
    "golden-state",
    "two entries of one company",
    (house) => {
      house.config("model.provider", "custom");
      house.config("model.base_url", "http://127.0.0.1:1/v1");
      house.config("fallback_providers", [
        { provider: "custom", model: "m", base_url: "http://localhost:2/v1" },
      ]);
    },
    "names one provider only",
  ),
  config(
    "golden-state",
    "a leaf left to the agent",
    "model.base_url",
    undefined,
    "model.base_url is not pinned",
  ),
  config(
    "golden-state",
    "a branch left to the agent",
    "custom_providers",
    undefined,
    "custom_providers is not pinned",
  ),
  change(
    "golden-state",
    "a variable left to the agent",
    (house) => house.edit(".env", "HERMES_MODEL=\n", ""),
    "HERMES_MODEL is not pinned",
  ),
  unit("golden-state", "no managed scope", /Environment=HERMES_MANAGED_DIR.*\n/, "", "HERMES_MANAGED_DIR"),
  unit(
    "golden-state",
    "a managed scope elsewhere",
    /(HERMES_MANAGED_DIR=.*)\/current\n/,
    "$1/home\n",
    "HERMES_MANAGED_DIR",
  ),
  unit(
    "golden-state",
    "the agent's own configuration",
    /BindReadOnlyPaths=.*config.yaml\n/,
    "",
    "BindReadOnlyPaths",
  ),
  change(
    "golden-state",
    "no unit",
    (house) => delete (house.inputs["health"] as Record<string, unknown>)["unit"],
    "health.unit",
  ),
  config("golden-state", "a short chain", "fallback_providers", [
    { provider: "custom", model: "m", base_url: "http://[::1]:1/v1" },
  ]),
  config("golden-state", "another company", "fallback_providers", [
    { provider: "deepseek", model: "m" },
    { provider: "custom", model: "m", base_url: "http://127.1.2.3:1/v1" },
  ]),

  change(
    "deadman-present",
    "no script",
    (house) => delete house.inputs.files["deadman/deadman.sh"],
    "deadman/deadman.sh",
  ),
  change(
    "deadman-present",
    "no settings",
    (house) => delete house.inputs.files["deadman/deadman.conf"],
    "deadman/deadman.conf",
  ),
  change(
    "deadman-present",
    "no entry",
    (house) => delete house.inputs.cron[`wizard-${house.name}-deadman`],
    "does not run the deadman switch",
  ),
  change(
    "deadman-present",
    "a grace of a day",
    (house) => house.edit("deadman/deadman.conf", /GRACE=.*/, "GRACE=86400"),
    "no sane grace",
  ),
  change(
    "deadman-present",
    "no grace",
    (house) => house.edit("deadman/deadman.conf", /GRACE=.*/, "GRACE="),
    "no sane grace",
  ),
  change(
    "deadman-present",
    "a grace that is no number",
    (house) => house.edit("deadman/deadman.conf", /GRACE=.*/, "GRACE=1e2"),
    "no sane grace",
  ),
  change(
    "deadman-present",
    "restarts without end",
    (house) => house.edit("deadman/deadman.conf", /MAX_RETRIES=.*/, "MAX_RETRIES=1000"),
    "calls a human too late",
  ),
  change(
    "deadman-present",
    "a window that forgets",
    (house) => house.edit("deadman/deadman.conf", /WINDOW=.*/, "WINDOW=300"),
    "too short",
  ),
  change("deadman-present", "the longest grace", (house) => {
    house.edit("deadman/deadman.conf", /GRACE=.*/, "GRACE=3600");
    house.edit("deadman/deadman.conf", /WINDOW=.*/, "WINDOW=86400");
  }),

  change(
    "request-log-present",
    "no script",
    (house) => delete house.inputs.files["request-log/request-log.py"],
    "request-log.py",
  ),
  change(
    "request-log-present",
    "no entry",
    (house) => delete house.inputs.cron[`wizard-${house.name}-request-log`],
    "does not write the request log",
  ),
  change(
    "request-log-present",
    "a log that fills the disk",
    (house) => logOption(house, "--keep", "5000"),
    "without a sane bound",
  ),
  change(
    "request-log-present",
    "a log without a bound",
    (house) => logOption(house, "--max-bytes", "0"),
    "without a sane bound",
  ),
  change(
    "request-log-present",
    "a log elsewhere",
    (house) => logOption(house, "--log", "/srv/data/log"),
    "writes elsewhere",
  ),
  change("request-log-present", "a larger log", (house) => logOption(house, "--max-bytes", "100000000")),

  cron("cron-safe", "no schedule", { schedule: "sometimes" }, "schedule is no schedule"),
  cron(
    "cron-safe",
    "a minute that does not exist",
    { schedule: "61 * * * *" },
    "schedule has no valid minute",
  ),
  cron("cron-safe", "a line break in a schedule", { schedule: "* * * * *\n* * * * *" }, "schedule"),
  cron("cron-safe", "every minute", { schedule: "* * * * *" }, "too frequent"),
  cron("cron-safe", "every two minutes", { schedule: "*/2 * * * *" }, "too frequent"),
  cron("cron-safe", "two minutes next to each other", { schedule: "0,1 3 * * *" }, "too frequent"),
  cron("cron-safe", "around midnight", { schedule: "0,58 0,23 * * *" }, "too frequent"),
  cron("cron-safe", "root", { user: "root" }, "user may not run jobs"),
  cron("cron-safe", "another agent", { user: "wizard-other" }, "user may not run jobs"),
  cron("cron-safe", "shell text", { command: ["/bin/sh", "-c", "true; false"] }, "command[1] is no option"),
  cron("cron-safe", "a percent sign", { command: ["/usr/bin/date", "+%F"] }, "command[1] holds a %"),
  cron("cron-safe", "a relative program", { command: ["true"] }, "command[0]"),
  cron(
    "cron-safe",
    "a program of the agent's",
    ({ path }) => ({ command: [`${path}/home/bin/x`] }),
    "command[0]",
  ),
  cron(
    "cron-safe",
    "find that runs something",
    ({ path }) => ({ command: ["/usr/bin/find", `${path}/home`, "-exec", "/bin/x", "{}", ";"] }),
    "makes find run",
  ),
  change(
    "cron-safe",
    "an entry without a user",
    (house) => {
      house.inputs.cron["x"] = { entries: [{ name: "x", schedule: "0 * * * *" } as never] };
    },
    "is no cron entry",
  ),
  change(
    "cron-safe",
    "an agent's job every minute",
    (house) => house.job({ schedule: { kind: "interval", minutes: 1, display: "every 1m" } }),
    "jobs[0].schedule is too frequent",
  ),
  change(
    "cron-safe",
    "an agent's job as text",
    (house) => house.job({ schedule: "every 5m" }),
    "jobs[0].schedule is no schedule",
  ),
  cron("cron-safe", "every five minutes", { schedule: "*/5 * * * *" }),
  cron("cron-safe", "a nickname", { schedule: "@hourly" }),
  cron("cron-safe", "at boot", { schedule: "@reboot" }),
  cron("cron-safe", "shell characters as data", {
    command: ["/usr/bin/find", "/srv/x", "-name", "a;b $(c) `d` | e"],
  }),
  cron("cron-safe", "one minute of one day", { schedule: "0 0 1 * *" }),
  change("cron-safe", "an agent's job by the clock", (house) =>
    house.job({ schedule: { kind: "cron", expr: "0 9 * * 1-5", display: "x" } }),
  ),

  change(
    "ports-unique",
    "a port that nobody serves",
    (house) => house.tree("golden.yaml", "ports.web", 8080),
    "advertised but not deployed",
  ),
  config(
    "ports-unique",
    "a platform that nobody knows of",
    "platforms.webhook",
    { enabled: true, channel_overrides: [] },
    "deployed but not advertised",
  ),
  config(
    "ports-unique",
    "the health service elsewhere",
    "platforms.api_server.extra.port",
    8999,
    "on another port",
  ),
  change(
    "ports-unique",
    "another port in .env",
    (house) => house.edit(".env", /API_SERVER_PORT=.*/, "API_SERVER_PORT=1"),
    "API_SERVER_PORT names another port",
  ),
  change(
    "ports-unique",
    "another port that is asked",
    (house) => {
      house.inputs["health"] = { ...(house.inputs["health"] as object), http: "http://127.0.0.1:1/health" };
    },
    "health.http names another port",
  ),
  change("ports-unique", "a platform that is advertised", (house) => {
    house.config("platforms.webhook", { enabled: true, channel_overrides: [], extra: { port: 8777 } });
    house.tree("golden.yaml", "ports.webhook", 8777);
  }),
  config("ports-unique", "a platform that is off", "platforms.webhook", {
    enabled: false,
    channel_overrides: [],
  }),

  change(
    "secrets-stay-secret",
    "a key in prose",
    (house) => house.append("SOUL.md", "use sk-abcdefgh12345678"),
    "holds what looks like a key in line",
  ),
  change(
    "secrets-stay-secret",
    "a token in prose",
    (house) => house.append("SOUL.md", "use hT7vQ2mZx9Kp4LwR8sYb3Nc6"),
    "holds what looks like a key",
  ),
  change(
    "secrets-stay-secret",
    "a private key",
    (house) => house.append("SOUL.md", "-----BEGIN OPENSSH PRIVATE KEY-----"),
    "looks like a key",
  ),
  change(
    "secrets-stay-secret",
    "a password in a URL",
    (house) => house.append("SOUL.md", "postgres://wizard:hunter2@db.example/x"),
    "looks like a key",
  ),
  config(
    "secrets-stay-secret",
    "a password in a configuration",
    "platforms.email.extra.password",
    "hunter2",
    "is a secret in plain text",
  ),
  change(
    "secrets-stay-secret",
    "a value of .env",
    (house) => {
      const [, value = ""] = /^API_SERVER_KEY=(.*)$/m.exec(house.inputs.files[".env"]?.content ?? "") ?? [];
      house.append("channel_aliases.json", `# ${value}`);
    },
    "holds the value of API_SERVER_KEY",
  ),
  change(
    "secrets-stay-secret",
    "a value of root's",
    (house) => {
      house.inputs.files["deadman/secrets.conf"] = { content: "PING_URL=https://ping.example/b\n" };
      house.append("channel_aliases.json", "# https://ping.example/b");
    },
    "holds the value of PING_URL",
  ),
  change(
    "secrets-stay-secret",
    "a value of root's for the agent",
    (house) => {
      house.inputs.files["deadman/secrets.conf"] = { content: "FORGE_TOKEN=0123456789abcdef\n" };
      house.append(".env", "GITEA_TOKEN=0123456789abcdef");
    },
    "holds the value of FORGE_TOKEN",
  ),
  change(
    "secrets-stay-secret",
    "a value of the agent's for root",
    (house) => {
      const [, value = ""] = /^API_SERVER_KEY=(.*)$/m.exec(house.inputs.files[".env"]?.content ?? "") ?? [];
      house.inputs.files["deadman/secrets.conf"] = { content: `FORGE_TOKEN=${value}\n` };
    },
    "holds the value of API_SERVER_KEY",
  ),
  change("secrets-stay-secret", "values of root's where they belong", (house) => {
    house.inputs.files["deadman/secrets.conf"] = { content: "FORGE_TOKEN=hT7vQ2mZx9Kp4LwR8sYb3Nc6\n" };
  }),
  cron(
    "secrets-stay-secret",
    "a key in a command",
    { command: ["/usr/bin/true", "ghp_abcdefghijklmnop1234"] },
    "looks like a key",
  ),
  unit(
    "secrets-stay-secret",
    "a key in a unit",
    "[Service]\n",
    "[Service]\nEnvironment=X=AKIAABCDEFGHIJKLMNOP\n",
    "looks like a key",
  ),
  change("secrets-stay-secret", "a commit", (house) =>
    house.append("SOUL.md", "0123456789abcdef0123456789abcdef01234567"),
  ),
  change("secrets-stay-secret", "a long path and a model's name", (house) =>
    house.append("SOUL.md", "/usr/lib/python3/dist-packages/Crypto2 Qwen3-Coder-30B-A3B-Instruct-GGUF-Q4"),
  ),
  change("secrets-stay-secret", "a public key", (house) =>
    house.append("SOUL.md", hostKey(7).replace("BwcH", "Qx7z")),
  ),
  config("secrets-stay-secret", "a reference", "platforms.email.extra.password", "${API_SERVER_KEY}"),

  change(
    "file-modes",
    "keys for everybody",
    (house) => (house.inputs.files[".env"]!.mode = "0644"),
    'files.".env".mode',
  ),
  change(
    "file-modes",
    "writable by everybody",
    (house) => (house.inputs.files["SOUL.md"]!.mode = "0666"),
    "writable by everybody",
  ),
  change(
    "file-modes",
    "writable by the house",
    (house) => (house.inputs.files["config.yaml"]!.mode = "0660"),
    "gives rights it should not",
  ),
  change(
    "file-modes",
    "setuid",
    (house) => (house.inputs.files["SOUL.md"]!.mode = "4640"),
    "gives rights it should not",
  ),
  change(
    "file-modes",
    "no mode",
    (house) => (house.inputs.files["SOUL.md"]!.mode = "rw"),
    "gives rights it should not",
  ),
  change(
    "file-modes",
    "the agent's",
    (house) => (house.inputs.files["config.yaml"]!.owner = `wizard-${house.name}`),
    "owner is not whose",
  ),
  change(
    "file-modes",
    "another house's",
    (house) => (house.inputs.files["config.yaml"]!.group = "wizard-other"),
    "group is not whose",
  ),
  change(
    "file-modes",
    "a home for everybody",
    (house) => (house.inputs.directories["home"]!.mode = "0755"),
    "directories.home.mode",
  ),
  change(
    "file-modes",
    "an agent's folder outside",
    (house) => (house.inputs.directories["data"] = { mode: "0700", owner: `wizard-${house.name}` }),
    "directories.data.owner",
  ),
  change("file-modes", "root's alone", (house) =>
    Object.assign(house.inputs.files["SOUL.md"]!, { mode: "0600", group: "root" }),
  ),
  change("file-modes", "defaults", (house) => delete house.inputs.files["SOUL.md"]!.mode),
  change(
    "file-modes",
    "a folder of the agent's home",
    (house) => (house.inputs.directories["home/x"] = { mode: "0700", owner: `wizard-${house.name}` }),
  ),

  unit(
    "unit-hardened",
    "new privileges",
    "NoNewPrivileges=yes",
    "NoNewPrivileges=no",
    "NoNewPrivileges is not allowed",
  ),
  unit(
    "unit-hardened",
    "the last word counts",
    "NoNewPrivileges=yes",
    "NoNewPrivileges=yes\nNoNewPrivileges=no",
    "NoNewPrivileges",
  ),
  unit("unit-hardened", "a writable system", "ProtectSystem=strict", "ProtectSystem=full", "ProtectSystem"),
  unit("unit-hardened", "homes seen", /ProtectHome=.*\n/, "", "ProtectHome is missing"),
  unit(
    "unit-hardened",
    "a directive in another section",
    "PrivateTmp=yes\n",
    "[Install]\nPrivateTmp=yes\n[Service]\n",
    "PrivateTmp is missing",
  ),
  unit(
    "unit-hardened",
    "a directive in a comment",
    "PrivateTmp=yes",
    "#PrivateTmp=yes",
    "PrivateTmp is missing",
  ),
  unit("unit-hardened", "devices", "PrivateDevices=yes", "PrivateDevices=no", "PrivateDevices"),
  unit(
    "unit-hardened",
    "mount namespaces",
    "RestrictNamespaces=yes",
    "RestrictNamespaces=user mnt",
    "RestrictNamespaces",
  ),
  unit("unit-hardened", "all system calls", /SystemCallFilter=.*/, "SystemCallFilter=", "SystemCallFilter"),
  unit("unit-hardened", "system calls to mount", /SystemCallFilter=.*/, "$& @mount", "SystemCallFilter"),
  unit(
    "unit-hardened",
    "a list of what is forbidden",
    /SystemCallFilter=.*/,
    "SystemCallFilter=~@mount",
    "SystemCallFilter",
  ),
  unit(
    "unit-hardened",
    "a capability",
    "CapabilityBoundingSet=",
    "CapabilityBoundingSet=CAP_SYS_ADMIN",
    "CapabilityBoundingSet",
  ),
  unit(
    "unit-hardened",
    "all capabilities",
    "CapabilityBoundingSet=\n",
    "",
    "CapabilityBoundingSet is missing",
  ),
  unit("unit-hardened", "another agent", /User=.*/, "User=wizard-other", "User is not allowed"),
  unit("unit-hardened", "root", /User=.*/, "User=root", "User is not allowed"),
  unit("unit-hardened", "a program outside the sandbox", "ExecStart=", "ExecStart=+", "ExecStart"),
  unit("unit-hardened", "the system to write to", /ReadWritePaths=.*/, "$& /etc", "ReadWritePaths"),
  change(
    "unit-hardened",
    "root's script in the agent's home",
    (house) => {
      const content = `[Service]\nType=oneshot\nExecStart=/bin/sh ${house.path}/home/x.sh\n`;
      house.inputs.units["boot.service"] = { content };
    },
    "ExecStart",
  ),
  unit("unit-hardened", "what house.yaml can open", "LockPersonality=yes", "LockPersonality=no"),
  unit(
    "unit-hardened",
    "devices of an opening",
    "PrivateDevices=yes",
    "PrivateDevices=no\nDevicePolicy=closed",
  ),
  unit(
    "unit-hardened",
    "namespaces of an opening",
    "RestrictNamespaces=yes",
    "RestrictNamespaces=user pid net",
  ),
  unit("unit-hardened", "a folder of data", /ReadWritePaths=.*/, "$& /srv/builds"),
  change("unit-hardened", "root's script of the release", (house) => {
    const content = `[Service]\nType=oneshot\nExecStart=/bin/sh ${house.path}/current/deadman/boot.sh\n`;
    house.inputs.units["boot.service"] = { content };
  }),
  change("unit-hardened", "a timer", (house) => {
    house.inputs.units["x.timer"] = { content: "[Timer]\nOnBootSec=1\n" };
  }),

  change("ssh-pinned", "no key", (house) => delete host(house)["hostKey"], "host.hostKey is missing"),
  change("ssh-pinned", "an empty key", (house) => (host(house)["hostKey"] = ""), "no ed25519 key"),
  change("ssh-pinned", "a key of zeros", (house) => (host(house)["hostKey"] = hostKey(0)), "no ed25519 key"),
  change(
    "ssh-pinned",
    "a key of another kind",
    (house) => (host(house)["hostKey"] = "ssh-rsa AAAAB3NzaC1yc2E"),
    "no ed25519 key",
  ),
  change(
    "ssh-pinned",
    "another transport",
    (house) => (host(house)["transport"] = "telnet"),
    "host.transport is not allowed",
  ),
  change("ssh-pinned", "another key", (house) => (host(house)["hostKey"] = hostKey(9))),
  change("ssh-pinned", "a folder in place of a host", (house) => {
    house.inputs["host"] = { name: host(house)["name"], transport: "local", root: ".dev/hosts/x" };
  }),
];

function host(house: House): Record<string, unknown> {
  return house.inputs["host"] as Record<string, unknown>;
}

function logOption(house: House, option: string, value: string): void {
  const command = house.inputs.cron[`wizard-${house.name}-request-log`]?.entries[0]?.command ?? [];
  command[command.indexOf(option) + 1] = value;
}

/** Resources of their own: those of hosts, and those that do not exist in the program yet. */
export interface ResourceCase {
  rule: string;
  what: string;
  resources: Registered[];
  says?: string;
}

const LOCAL = { name: "forge", transport: "local", root: ".dev/hosts/forge" };
export const HOOK: Inputs = {
  secret: "f3Zk9sQw7LmX2vB8nT4yR6uH1cJ5dP0a",
  hosts: ["deploy.example.org"],
  url: "https://deploy.example.org/hooks/deploy",
  listen: "127.0.0.1:9000",
  host: { name: "helm", transport: "local", root: ".dev/hosts/helm" },
  signedCommits: true,
};
export const DROPLET: Inputs = {
  ...{ region: "fra1", size: "s-1vcpu-2gb", tags: ["wizard-houses"], backups: true, sshKeys: ["3b:16"] },
  userData: "#cloud-config\nssh_pwauth: false\n",
};
export const FIREWALL: Inputs = {
  tags: ["wizard-houses"],
  inboundRules: [
    { protocol: "tcp", portRange: "22", sourceAddresses: ["198.51.100.7/32"] },
    { protocol: "tcp", portRange: "443", sourceAddresses: ["0.0.0.0/0", "::/0"] },
    { protocol: "icmp", sourceAddresses: ["0.0.0.0/0"] },
  ],
};
const HOST_UNIT = `[Service]
User=webhook
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
ExecStart=/usr/bin/webhook
`;

const types = {
  hook: "fleet:index:DeployHook",
  droplet: "digitalocean:index/droplet:Droplet",
  firewall: "digitalocean:index/firewall:Firewall",
  files: "host:index:Files",
  unit: "host:index:Unit",
};
const resource = (kind: keyof typeof types, inputs: Inputs, name: string = kind): Registered => ({
  ...{ type: types[kind], name, inputs },
});
/** A droplet stands behind a firewall, unless that is the point. */
const droplets = (...changes: Inputs[]): Registered[] => [
  ...changes.map((one, index) => resource("droplet", { ...DROPLET, ...one }, `droplet-${index}`)),
  resource("firewall", FIREWALL),
];
const inbound = (rule: Inputs): Registered[] => [resource("firewall", { ...FIREWALL, inboundRules: [rule] })];
const files = (path: string, file: Inputs): Registered[] => [
  resource("files", { host: LOCAL, files: { [path]: { content: "x", ...file } } }),
];
const hostUnit = (content: string): Registered[] => [
  resource("unit", { host: LOCAL, unit: "webhook.service", content }),
];
const hook = (change: Inputs): Registered[] => [resource("hook", { ...HOOK, ...change })];
const WORLD = ["0.0.0.0/0"];

export const RESOURCE_CASES: readonly ResourceCase[] = [
  { rule: "deploy-hook-signed", what: "signed, named, over TLS", resources: hook({}) },
  {
    rule: "deploy-hook-signed",
    what: "plain HTTP at home",
    resources: hook({ url: "http://127.0.0.1:9000/hooks/x" }),
  },
  {
    rule: "deploy-hook-signed",
    what: "no secret",
    resources: hook({ secret: undefined }),
    says: "secret is missing",
  },
  {
    rule: "deploy-hook-signed",
    what: "an empty secret",
    resources: hook({ secret: "" }),
    says: "secret is missing",
  },
  {
    rule: "deploy-hook-signed",
    what: "a short secret",
    resources: hook({ secret: "hunter2" }),
    says: "secret is too weak",
  },
  {
    rule: "deploy-hook-signed",
    what: "a long secret of one letter",
    resources: hook({ secret: "a".repeat(64) }),
    says: "secret is too weak",
  },
  {
    rule: "deploy-hook-signed",
    what: "any host",
    resources: hook({ hosts: ["*"] }),
    says: "hosts[0] is a wildcard",
  },
  {
    rule: "deploy-hook-signed",
    what: "any subdomain",
    resources: hook({ hosts: ["a.example", "*.example.org"] }),
    says: "hosts[1] is a wildcard",
  },
  { rule: "deploy-hook-signed", what: "no host", resources: hook({ hosts: [] }), says: "hosts is missing" },
  {
    rule: "deploy-hook-signed",
    what: "plain HTTP",
    resources: hook({ url: "http://deploy.example.org/x" }),
    says: "url is plain HTTP on a public address",
  },
  { rule: "deploy-hook-signed", what: "no URL", resources: hook({ url: "deploy" }), says: "url is no URL" },
  {
    rule: "deploy-hook-signed",
    what: "a port for everybody",
    resources: hook({ listen: "0.0.0.0:9000" }),
    says: "listen is plain HTTP",
  },
  {
    rule: "deploy-hook-signed",
    what: "a port for everybody over IPv6",
    resources: hook({ listen: "[::]:9000" }),
    says: "listen is plain HTTP",
  },
  {
    rule: "deploy-hook-signed",
    what: "a public address",
    resources: hook({ listen: "203.0.113.9:9000" }),
    says: "listen is plain HTTP",
  },

  {
    rule: "deploy-hook-alone",
    what: "a hook that is shown twice",
    resources: [...hook({}), ...hook({})],
  },
  {
    rule: "deploy-hook-alone",
    what: "a second hook",
    resources: [...hook({}), resource("hook", { ...HOOK, host: LOCAL }, "another")],
    says: "another: host.name is a second hook beside hook",
  },
  {
    rule: "deploy-hook-alone",
    what: "a hook that is nowhere",
    resources: hook({ host: undefined }),
    says: "hook: host.name is missing",
  },
  { rule: "deploy-hook-commits", what: "signed commits", resources: hook({}) },
  {
    rule: "deploy-hook-commits",
    what: "any commit",
    resources: hook({ signedCommits: false }),
    says: "signedCommits is off",
  },
  {
    rule: "deploy-hook-commits",
    what: "nothing said",
    resources: hook({ signedCommits: undefined }),
    says: "signedCommits is off",
  },
  {
    rule: "secrets-stay-secret",
    what: "a credential of systemd's",
    resources: files("/etc/credstore/x", { content: String(HOOK["secret"]), mode: "0600" }),
  },
  {
    rule: "file-modes",
    what: "a credential that its group may read",
    resources: files("/etc/credstore/x", { mode: "0640" }),
    says: "mode gives rights it should not",
  },
  {
    rule: "file-modes",
    what: "a credential that everybody may read",
    resources: files("/etc/credstore/x", {}),
    says: "mode gives rights it should not",
  },

  { rule: "droplet", what: "as wanted", resources: droplets({}, {}) },
  {
    rule: "droplet",
    what: "another region",
    resources: droplets({ region: "moon1" }),
    says: "region is not allowed",
  },
  {
    rule: "droplet",
    what: "no region",
    resources: droplets({ region: undefined }),
    says: "region is not allowed",
  },
  {
    rule: "droplet",
    what: "a large one",
    resources: droplets({ size: "m-32vcpu-256gb" }),
    says: "size is not allowed",
  },
  {
    rule: "droplet",
    what: "no tags",
    resources: droplets({ tags: ["wizard-houses"] }, { tags: ["other", "wizard-houses"] }),
  },
  { rule: "droplet", what: "no backups", resources: droplets({ backups: false }), says: "backups are off" },
  { rule: "droplet", what: "no SSH keys", resources: droplets({ sshKeys: [] }), says: "sshKeys is empty" },
  {
    rule: "droplet",
    what: "passwords",
    resources: droplets({ userData: "ssh_pwauth: true\n" }),
    says: "lets people log in with a password",
  },
  {
    rule: "droplet",
    what: "a password set",
    resources: droplets({ userData: "ssh_pwauth: false\nchpasswd: {}\n" }),
    says: "sets a password",
  },
  {
    rule: "droplet",
    what: "passwords not off",
    resources: droplets({ userData: "#cloud-config\n" }),
    says: "does not switch password logins off",
  },
  {
    rule: "droplet",
    what: "too many",
    resources: droplets({}, {}, {}, {}, {}, {}, {}),
    says: "cost $100.80 a month",
  },
  {
    rule: "droplet-firewalled",
    what: "no firewall",
    resources: droplets({}).slice(0, 1),
    says: "has no firewall",
  },
  {
    rule: "droplet-firewalled",
    what: "a firewall for others",
    resources: [...droplets({}).slice(0, 1), resource("firewall", { ...FIREWALL, tags: ["x"] })],
    says: "has no firewall",
  },
  {
    rule: "droplet-firewalled",
    what: "a firewall by tag",
    resources: droplets({ tags: ["wizard-houses", "x"] }),
  },
  {
    rule: "firewall-closed",
    what: "an operator's address",
    resources: inbound({ protocol: "tcp", portRange: "22", sourceAddresses: ["198.51.100.7/32"] }),
  },
  {
    rule: "firewall-closed",
    what: "SSH for the world",
    resources: inbound({ protocol: "tcp", portRange: "22", sourceAddresses: WORLD }),
    says: "inboundRules[0] is open to the world",
  },
  {
    rule: "firewall-closed",
    what: "the hook for the world",
    resources: inbound({ protocol: "tcp", portRange: "9000", sourceAddresses: WORLD }),
    says: "open to the world",
  },
  {
    rule: "firewall-closed",
    what: "all ports",
    resources: inbound({ protocol: "tcp", portRange: "1-65535", sourceAddresses: ["::/0"] }),
    says: "open to the world",
  },
  {
    rule: "firewall-closed",
    what: "the world in halves",
    resources: inbound({ protocol: "tcp", portRange: "22", sourceAddresses: ["0.0.0.0/1", "128.0.0.0/1"] }),
    says: "open to the world",
  },
  {
    rule: "firewall-closed",
    what: "web over UDP",
    resources: inbound({ protocol: "udp", portRange: "443", sourceAddresses: WORLD }),
    says: "open to the world",
  },
  {
    rule: "firewall-closed",
    what: "no rules",
    resources: [resource("firewall", { tags: [] })],
    says: "inboundRules is missing",
  },

  { rule: "file-modes", what: "a file of the system", resources: files("/etc/x.conf", { mode: "0644" }) },
  {
    rule: "file-modes",
    what: "data for everybody",
    resources: files("/srv/x", { mode: "0644" }),
    says: "gives rights",
  },
  {
    rule: "file-modes",
    what: "a file for everybody to write",
    resources: files("/etc/x.conf", { mode: "0646" }),
    says: "writable by everybody",
  },
  {
    rule: "file-modes",
    what: "somebody's",
    resources: files("/etc/x.conf", { owner: "wizard-ezra" }),
    says: "owner is not whose",
  },
  {
    rule: "secrets-stay-secret",
    what: "a key in a file of the host",
    resources: files("/etc/x.conf", { content: "t=ghp_abcdefghijklmnop1234" }),
    says: "looks like a key",
  },
  { rule: "unit-hardened", what: "a unit of the host", resources: hostUnit(HOST_UNIT) },
  { rule: "unit-hardened", what: "the guard of a droplet's metadata", resources: hostUnit(guardUnit()) },
  {
    rule: "unit-hardened",
    what: "a guard that does more as root",
    resources: hostUnit(guardUnit().replace(/^ExecStart=.*$/m, "$&\nExecStartPost=/usr/bin/true")),
    says: "User is not allowed",
  },
  {
    rule: "unit-hardened",
    what: "a root unit of the host",
    resources: hostUnit(HOST_UNIT.replace("User=webhook\n", "")),
    says: "User is not allowed",
  },
  {
    rule: "unit-hardened",
    what: "a powerful unit of the host",
    resources: hostUnit(HOST_UNIT.replace("CAP_NET_BIND_SERVICE", "CAP_SYS_ADMIN")),
    says: "CapabilityBoundingSet",
  },
  {
    rule: "ssh-pinned",
    what: "an unpinned file",
    resources: [resource("files", { host: { name: "forge", transport: "ssh" }, files: {} })],
    says: "hostKey is missing",
  },
];
export { RELEASE };
