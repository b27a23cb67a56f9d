/**
 * The fleet as the rest of the program sees it: what `wizards/` says, checked and with defaults filled in.
 * `load.ts` is the only maker of these values.
 */
import type { CronEntry } from "./cron.ts";
import type { PolicySettings } from "./rules/settings.ts";

/** A house's configuration environment: which overlay of `wizards/base/` lies between base and house. */
export const ENVIRONMENTS = ["dev", "cron", "gateway", "prod"] as const;
export type Environment = (typeof ENVIRONMENTS)[number];

/** How houses follow one another in an update. */
export const ROLLOUTS = ["canary", "serial", "parallel"] as const;
export type Rollout = (typeof ROLLOUTS)[number];

/** A family of providers and models that no house may use. Patterns are lower case; `*` matches anything. */
export interface BannedFamily {
  family: string;
  reason: string;
  /** Provider ids and aliases, e.g. `anthropic`. */
  providers: string[];
  /** Model names as any aggregator or cloud spells them, e.g. `anthropic/*`, `claude-*`. */
  models: string[];
  /** Host names of base URLs, e.g. `*.anthropic.com`. */
  hosts: string[];
  /** Names of credentials' environment variables, e.g. `ANTHROPIC_*`. */
  keys: string[];
}

/** A Debian package that a host must have. */
export interface PackageSpec {
  /** Exact version; any if absent. */
  version?: string;
  /** Whether upgrades of the host leave it alone. */
  held: boolean;
}

/** An existing Debian host. Stacks whose transport is `local` use only its name and its packages. */
export interface HostSpec {
  name: string;
  address: string;
  port: number;
  user: string;
  /** `ssh-ed25519 AAAA…`; absent means the host cannot be connected to over SSH yet. */
  hostKey?: string;
  /** By name: those all hosts have with those of its own, beside what our own scripts need. */
  packages: Record<string, PackageSpec>;
}

/** One link of a provider chain: the first is the house's primary model, the rest its ordered fallbacks. */
export interface ProviderEntry {
  provider: string;
  model: string;
  /** For `custom` endpoints, e.g. a llama.cpp server on the host. */
  baseUrl?: string;
  /** Environment variable that holds the API key; absent for endpoints that need none. */
  keyEnv?: string;
}

/** A job of the agent's own scheduler (Hermes cron), not of the system's. */
export interface AgentJob {
  /** Stable id, 12 hex digits, derived from house and name. */
  id: string;
  name: string;
  prompt: string;
  /** Always an object: the harness wipes string schedules. */
  schedule:
    { kind: "interval"; minutes: number; display: string } | { kind: "cron"; expr: string; display: string };
  provider: string;
  model: string;
  skills: string[];
  deliver: string;
  /** A file of `wizards/<house>/scripts/`: its output goes into the prompt, or is all there is to the job. */
  script?: string;
  /** Whether the job is its script alone and no model is asked. */
  noAgent: boolean;
}

export interface DeadmanSettings {
  /** Seconds a heartbeat may be old before it counts as expired. */
  grace: number;
  /** Restarts within `window` before the switch stops trying and calls a human. */
  maxRetries: number;
  /** Seconds. */
  window: number;
  /** Outside monitor that is pinged while all is well. */
  pingUrl?: string;
  /** URL alerts are posted to as JSON. */
  webhookUrl?: string;
  dryRun: boolean;
}

export interface RequestLogSettings {
  /** Bytes at which the log rotates. */
  maxBytes: number;
  /** Rotated files kept. */
  keep: number;
}

/** What every piece of scheduled work has. */
export interface Scheduled {
  /** Whether there is a cron entry for it. */
  enabled: boolean;
  /** Five fields or a nickname, in the host's own time. */
  schedule: string;
  /** Seconds after which a run is ended. */
  timeout: number;
}

/** The house's scheduled work by name; docs/scheduled-work.md says what each does. */
export interface ScheduledSettings {
  /** `urls`: what else must answer beside the gateway, e.g. the forge. */
  heartbeat: Scheduled & { urls: string[] };
  heavyHeartbeat: Scheduled;
  /** `maxAge`: hours after which a process or a lock that nobody waits for is taken for forgotten. */
  orphanCleanup: Scheduled & { maxAge: number };
  /** Days after which a cached file nobody reads and a rotated log go. */
  dailyReset: Scheduled & { cacheDays: number; logDays: number };
  /** `dailyTokens`: what a house may use up in a day (UTC) before its jobs wait for the next. */
  tokenBudget: Scheduled & { dailyTokens: number };
  /** `keepDays`: days a daily note stays. */
  flushContinuity: Scheduled & { keepDays: number };
}

/** What a house may have opened in its agent's sandbox, by name; `components/gateway/sandbox.ts` says what each is. */
export const OPENINGS = ["namespaces", "debugging", "devices"] as const;
export type Opening = (typeof OPENINGS)[number];

/** What the agent and its tools may do beyond the sandbox that every house has. */
export interface SandboxSettings {
  /** Folders of the host they may write to, besides the agent's home. */
  write: string[];
  allow: Opening[];
}

export interface House {
  name: string;
  /** Key into {@link Fleet.hosts}. */
  host: string;
  /** One sentence: what this wizard is for. */
  role: string;
  /** Absolute path on the host, default `/srv/wizards/<name>`. */
  path: string;
  /** Account and group of the agent, default `wizard-<name>`. */
  user: string;
  /** By service: `health` is the gateway's own server, others are named after their platform, e.g. `webhook`. */
  ports: { health: number; [service: string]: number };
  /** Golden provider chain, in order. */
  providers: ProviderEntry[];
  toolsets: string[];
  skin: string;
  /** Further environment variables of secrets the house needs, e.g. `TELEGRAM_BOT_TOKEN`. */
  keys: string[];
  cron: CronEntry[];
  jobs: AgentJob[];
  deadman: DeadmanSettings;
  requestLog: RequestLogSettings;
  scheduled: ScheduledSettings;
  sandbox: SandboxSettings;
  /** Whether a folder or links on the host that this stack did not make are taken over, and kept aside. */
  adopt: boolean;
}

export interface Fleet {
  banned: BannedFamily[];
  /** Settings of the rules, by rule. */
  policies: PolicySettings;
  hosts: Record<string, HostSpec>;
  rollout: Rollout;
  /** In rollout order. */
  houses: House[];
  /** The harness all houses run: its version and where its virtualenv is on a host. */
  harness: { version: string; venv: string };
}

/** What one house's overlay merge and golden state come to in one environment. Everything is text, ready for a release. */
export interface RenderedHouse {
  /** The effective managed configuration as data (what `config.yaml` says), for policies and tests. */
  config: Record<string, unknown>;
  /** Non-secret release files by path: `config.yaml`, `golden.yaml`, `SOUL.md`, `skins/<skin>.yaml`, `channel_aliases.json`, `jobs.json`, `banned.json`, `scripts/<name>`. */
  files: Record<string, string>;
  /** Links in the house to release files, by path in the house: `home/SOUL.md` → `SOUL.md`. */
  links: Record<string, string>;
  /** Names of the secrets that `.env` must hold, sorted: provider chain, house keys, `API_SERVER_KEY`. */
  keys: string[];
  /** Non-secret lines of `.env`, by name. */
  env: Record<string, string>;
}

/** What the loader has read and merged for one house, so that rendering it needs no files. */
export interface HouseSources {
  /** base → environment → house, per environment, without the golden layer. */
  config: Record<Environment, Record<string, unknown>>;
  soul: string;
  /** Text of the skin's YAML file. */
  skin: string;
  /** Friendly names of chats, by platform and chat id. */
  channelAliases: Record<string, Record<string, string>>;
  /** Text of each script that a job names, by file name. */
  scripts: Record<string, string>;
}

/** A fleet as `loadFleet` returns it. */
export interface LoadedFleet extends Fleet {
  /** By house name. */
  sources: Record<string, HouseSources>;
}
