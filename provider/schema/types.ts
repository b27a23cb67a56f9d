/** The object types that resources of this provider share. */
import { PACKAGE_VERSION } from "../../fleet/packages.ts";
import type { ObjectSpec, PropertySpec } from "./spec.ts";

const MODE: NonNullable<PropertySpec["pattern"]> = {
  expression: /^0[0-7]{3}$/,
  words: 'four octal digits such as "0640"',
};
const ACCOUNT: NonNullable<PropertySpec["pattern"]> = {
  expression: /^[a-z_][a-z0-9_-]{0,31}$/,
  words: "an account name: lower-case letters, digits, _ and -, at most 32",
};
const PART: PropertySpec = {
  type: "string",
  description:
    "Which part of the house contributed it, e.g. `golden-state`. Shown in reports, stored nowhere on the host.",
};

export const patterns = {
  mode: MODE,
  account: ACCOUNT,
  unit: {
    expression: /^[A-Za-z0-9:_.@-]{1,200}\.(service|timer|path|socket|target|mount)$/,
    words: "a systemd unit name such as hermes-bezalel.service",
  },
  deep: {
    expression: /^(\/(?!\.{1,2}(\/|$))[^/\n]+){3,}$/,
    words: "an absolute path of three parts or more, such as /var/lib/wizard-houses/bezalel",
  },
  relative: {
    expression: /^(?!\.{1,2}(\/|$))[^/\n]+(\/(?!\.{1,2}(\/|$))[^/\n]+)*$/,
    words: "a path inside the project without a leading /, empty, . or .. parts and without newlines",
  },
  sha256: { expression: /^[0-9a-f]{64}$/, words: "64 hex digits" },
  absolute: {
    expression: /^(\/(?!\.{1,2}(\/|$))[^/\n]+)+$/,
    words: "an absolute path without empty, . or .. parts and without newlines",
  },
};

export const types: Record<string, ObjectSpec> = {
  "host:index:Connection": {
    description:
      "How a host is reached. `name` is its identity; changing anything else does nothing on the host.",
    properties: {
      name: { type: "string", description: "The host's name in the fleet, e.g. `forge`." },
      transport: {
        type: "string",
        description:
          "`local`: a folder of this machine stands for the host. `ssh`: OpenSSH to a Debian host.",
        enum: ["local", "ssh"],
      },
      root: {
        type: "string",
        description: "`local`: the folder, relative to the Pulumi project or absolute.",
      },
      address: { type: "string", description: "`ssh`: name or IP address." },
      port: { type: "integer", description: "`ssh`: port, 22 if absent.", minimum: 1 },
      user: { type: "string", description: "`ssh`: login; anything but root goes through sudo -n." },
      hostKey: { type: "string", description: "`ssh`: pinned host key, e.g. `ssh-ed25519 AAAA…`." },
      connectDeadline: {
        type: "integer",
        description:
          "`ssh`: seconds within which a connection must be made, new attempts included; 20 if absent.",
        minimum: 1,
      },
    },
    required: ["name", "transport"],
  },
  "host:index:Backups": {
    description: "Backups of a house on its host.",
    properties: {
      folder: { type: "string", description: "Absolute path of their folder.", pattern: patterns.absolute },
      maxAge: { type: "integer", description: "Hours the newest may be old.", minimum: 1 },
    },
    required: ["folder", "maxAge"],
  },
  "host:index:File": {
    description: "A file.",
    properties: {
      content: {
        type: "string",
        description: "The whole content, UTF-8; where it is absent, `source` and `sha256` say it.",
      },
      source: {
        type: "string",
        description: "A file of the Pulumi project that holds the content, by its path there.",
        pattern: patterns.relative,
      },
      sha256: {
        type: "string",
        description: "Digest of the bytes of `source`, which must not change until they are on the host.",
        pattern: patterns.sha256,
      },
      mode: { type: "string", description: 'Octal mode, e.g. `"0640"`.', pattern: MODE },
      owner: {
        type: "string",
        description: "Account that owns it; default root.",
        pattern: ACCOUNT,
        default: "root",
      },
      group: {
        type: "string",
        description: "Its group; default the house's group, or root outside a house.",
        pattern: ACCOUNT,
      },
      part: PART,
    },
    required: [],
  },
  "host:index:Link": {
    description: "A symbolic link in the house to a file of the current release.",
    properties: { target: { type: "string", description: "Path inside the release." }, part: PART },
    required: ["target"],
  },
  "host:index:Directory": {
    description: "A folder of the house that outlives releases.",
    properties: {
      mode: { type: "string", description: "Octal mode.", pattern: MODE, default: "0750" },
      owner: {
        type: "string",
        description: "Account that owns it; default root.",
        pattern: ACCOUNT,
        default: "root",
      },
      group: { type: "string", description: "Its group; default the house's group.", pattern: ACCOUNT },
      part: PART,
    },
    required: [],
  },
  "host:index:Unit": {
    description: "A systemd unit of the house.",
    properties: {
      content: { type: "string", description: "The unit file." },
      enabled: {
        type: "boolean",
        description: "Whether it is linked into `<wantedBy>.wants`.",
        default: true,
      },
      running: {
        type: "boolean",
        description: "Whether it runs; default as `enabled`. Not acted on where nothing runs.",
      },
      wantedBy: {
        type: "string",
        description: "Target that wants it.",
        pattern: patterns.unit,
        default: "multi-user.target",
      },
      restartOn: {
        type: "array",
        items: { type: "string" },
        description: "Release files whose change restarts the unit.",
      },
      path: { type: "string", description: "Computed: where systemd finds it." },
      part: PART,
    },
    required: ["content"],
  },
  "host:index:CronEntry": {
    description: "One line of a cron file. The command is an argument list: data, never shell.",
    properties: {
      name: { type: "string", description: "Unique within the file." },
      schedule: { type: "string", description: "Five fields or a nickname such as @hourly." },
      user: { type: "string", description: "Account the command runs as." },
      command: {
        type: "array",
        items: { type: "string" },
        description: "Program, by absolute path, and arguments.",
      },
    },
    required: ["name", "schedule", "user", "command"],
  },
  "host:index:CronFile": {
    description: "One file of /etc/cron.d.",
    properties: {
      entries: { type: "array", items: { $ref: "#/types/host:index:CronEntry" }, description: "Its lines." },
      content: { type: "string", description: "Computed: the file as cron reads it." },
      path: { type: "string", description: "Computed: where cron finds it." },
      part: PART,
    },
    required: ["entries"],
  },
  "host:index:Package": {
    description: "A Debian package that must be there.",
    properties: {
      version: {
        type: "string",
        description: "Its exact version; any if absent.",
        pattern: PACKAGE_VERSION,
      },
      held: {
        type: "boolean",
        description: "Whether it is on hold: upgrades of the host then leave it alone.",
        default: false,
      },
    },
    required: [],
  },
  "host:index:Harness": {
    description: "An agent harness that must be there.",
    properties: {
      version: { type: "string", description: "Version of hermes-agent, which the lock must pin." },
      lock: {
        type: "string",
        description:
          "Text of the lock: pip requirements, each with its exact version and the hashes of its wheels.",
      },
      houses: {
        type: "array",
        items: { type: "string" },
        description: "Absolute paths of the houses that run with it.",
      },
      installed: { type: "boolean", description: "Computed: whether it is there, whole and unchanged." },
    },
    required: ["version", "lock", "houses"],
  },
  "host:index:Check": {
    description: "A check of a new release on a live host, before anything is switched.",
    properties: {
      argv: {
        type: "array",
        items: { type: "string" },
        description: "Run in the folder of the release; must exit 0 within a minute.",
      },
      user: { type: "string", description: "Account it runs as.", pattern: ACCOUNT },
    },
    required: ["argv", "user"],
  },
  "host:index:Jobs": {
    description: "What of the house goes into a file that its agent writes as well. Live hosts only.",
    properties: {
      user: { type: "string", description: "Account they run as.", pattern: ACCOUNT },
      apply: {
        type: "array",
        items: { type: "string" },
        description:
          "Brings ours in, and leaves all else as it is. Run after each switch and where they differ.",
      },
      compare: {
        type: "array",
        items: { type: "string" },
        description:
          'Prints how they differ: `{"jobs": [{"name": "…", "problem": "missing", "fields": []}], "more": 0}`.',
      },
      findings: {
        type: "array",
        items: { type: "string" },
        description:
          'Prints what is wrong with what the agent keeps, by name: `{"findings": [{"where": "…", "path": "…", "name": "…", "family": "…"}], "unreadable": [{"where": "…", "why": "…"}], "more": 0}`.',
      },
      withdraw: {
        type: "array",
        items: { type: "string" },
        description: "Takes ours out before the release goes, and leaves all else as it is.",
      },
      merged: { type: "boolean", description: "Computed: whether ours are in it, as declared." },
    },
    required: ["user", "apply", "compare"],
  },
  "host:index:Health": {
    description: "When a release counts as healthy on a live host.",
    properties: {
      unit: {
        type: "string",
        description: "The unit that answers; may be left out where there is one.",
        pattern: patterns.unit,
      },
      http: { type: "string", description: "URL that must answer 200." },
      heartbeat: {
        type: "string",
        description: "File in which the unit's own process leaves its pid, relative to the house.",
      },
      user: { type: "string", description: "Account of the unit.", pattern: ACCOUNT },
      probe: {
        type: "array",
        items: { type: "string" },
        description: "Run with the unit's account, mounts and environment; must exit 0 within a minute.",
      },
      stableFor: { type: "integer", description: "Seconds the unit must stay up.", default: 5, minimum: 1 },
      deadline: {
        type: "integer",
        description: "Seconds until health must be reached.",
        default: 60,
        minimum: 1,
      },
    },
    required: [],
  },
};

export const CONNECTION: PropertySpec = { $ref: "#/types/host:index:Connection", description: "The host." };
