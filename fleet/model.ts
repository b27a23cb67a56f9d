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

interface AnyHost {
  name: string;
  /** By name: those all hosts have with those of its own, beside what our own scripts need. */
  packages: Record<string, PackageSpec>;
}

/** An existing Debian host. */
export interface AddressedHost extends AnyHost {
  address: string;
  port: number;
  user: string;
  /** `ssh-ed25519 AAAA…`; absent means the host cannot be connected to over SSH yet. */
  hostKey?: string;
  droplet?: undefined;
}

/** A machine that the program rents. */
export interface DropletHost extends AnyHost {
  droplet: DropletSpec;
}

/** A Debian host. Stacks whose transport is `local` use only its name and its packages. */
export type HostSpec = AddressedHost | DropletHost;

/** A droplet of DigitalOcean. Names of regions, sizes and images are those of its API. */
export interface DropletSpec {
  /** E.g. `fra1`. */
  region: string;
  /** E.g. `s-1vcpu-2gb`. A larger one resizes it, which needs it to be off for some minutes. */
  size: string;
  /** What it is made from; changing it does nothing to a droplet that is there. */
  image: string;
  /** Id of its private network; the region's default network if absent. */
  vpc?: string;
  backups: boolean;
  /** Whether it has DigitalOcean's agent, for graphs and alerts. */
  monitoring: boolean;
  /** Beside the fleet's and its own. */
  tags: string[];
  /** Whether it has an address of its own that outlives it. */
  reservedIp: boolean;
  /** Gigabytes of a volume attached to it; none if absent. */
  volume?: number;
  /** What its firewall lets in beside SSH. */
  inbound: { port: number; from: string[] }[];
  /** Raised to get another machine in the place of this one. */
  generation: number;
  /** Whether nothing deletes it, neither destroy nor its removal from the data. */
  protect: boolean;
}

/** What all droplets share. */
export interface DigitalOceanSpec {
  /** Public keys that may log in to a new droplet, by name. */
  sshKeys: Record<string, string>;
  /** Addresses and networks from which SSH is reached. */
  sshFrom: string[];
  /** Project that the droplets are put into, made if there are droplets; none if absent. */
  project?: string;
  /** Domain in which each droplet gets a name, e.g. `houses.example.org`; it must be at DigitalOcean already. */
  domain?: string;
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
  /** Key of the stack that holds the URL of an outside monitor, which is pinged while all is well. */
  pingUrlKey?: string;
  /** Key of the stack that holds the URL to which alerts are posted as JSON. */
  webhookUrlKey?: string;
  /** Where an issue is opened when the house is given up. */
  forge?: ForgeSettings;
  dryRun: boolean;
}

/** A repository at a Gitea or Forgejo. */
export interface ForgeSettings {
  /** Where the forge is, without a / at its end. Example: `https://forge.example`. */
  url: string;
  /** Owner and name. Example: `fleet/houses`. */
  repository: string;
  /** Key of the stack that holds a token with the scope `write:issue` and no other. */
  tokenKey: string;
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

/** Encrypted copies of what an agent keeps. */
export interface BackupSettings {
  /** Public keys of those who can read them: age's own, or SSH keys of the kind ed25519. */
  recipients: string[];
  /** Five fields or a nickname, in the host's own time. */
  schedule: string;
  /** Backups that stay on the host, and in each folder they are fetched to. */
  keep: number;
  /** Bytes of an agent's home, caches left out, above which there is an error and no backup. */
  maxSize: number;
  /** Hours after which the newest one is told as too old. */
  maxAge: number;
  /** Seconds after which a run is ended. */
  timeout: number;
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

/** The harness that a house runs. */
export interface Harness {
  version: string;
  /** Absolute path of its virtualenv on the host. */
  venv: string;
  /** Text of the lock from which this program installs it; absent where the operator has put it there. */
  lock?: string;
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
  /** Absent where none is made. */
  backup?: BackupSettings;
  sandbox: SandboxSettings;
  harness: Harness;
  /** Whether a folder or links on the host that this stack did not make are taken over, and kept aside. */
  adopt: boolean;
}

/** Software of a forge, as it signs what it delivers. Forgejo is `gitea`. */
export const FORGES = ["gitea", "github"] as const;

/** The deploy hook: on which host it is, whom it hears and what it brings up. */
export interface DeployHookSettings {
  /** The control house: key into {@link Fleet.hosts}, a host without wizards. */
  host: string;
  /** The stack it brings up; the hook is part of that one alone. */
  stack: string;
  /** Names the forge calls it by. */
  names: string[];
  /** Its certificate: `acme` gets one, else files on the control house. Absent: on loopback only. */
  tls?: "acme" | { certificate: string; key: string };
  forge: {
    kind: (typeof FORGES)[number];
    /** E.g. `https://forge.example.org`. */
    url: string;
    /** E.g. `timmy/config`. */
    repository: string;
    branch: string;
  };
  /** Pulumi backend that holds the stack's state, e.g. `s3://state?region=eu`. */
  backend: string;
  /** Whether a commit must be signed by a key of the control house's list. */
  signedCommits: boolean;
  /** Folder of Node.js on the control house: `bin/node` and `bin/npm` in it. */
  node: string;
  /** Seconds an update may take. */
  deadline: number;
}

export interface Fleet {
  banned: BannedFamily[];
  /** Settings of the rules, by rule. */
  policies: PolicySettings;
  hosts: Record<string, HostSpec>;
  /** Where droplets come from; there if any host is one. */
  digitalocean?: DigitalOceanSpec;
  rollout: Rollout;
  /** In rollout order. */
  houses: House[];
  deployHook?: DeployHookSettings;
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
