/** The sandbox of a gateway's unit as directives, and what a house may have opened in it by name. Pure. */
import type { Opening, SandboxSettings } from "../../fleet/model.ts";

interface OpeningSpec {
  /** What it is for, and what it costs; one line of the unit. */
  note: string;
  /** Directives with another value than in {@link COMMON}. */
  instead: Readonly<Record<string, string>>;
  /** Words added to `SystemCallFilter`. */
  systemCalls: readonly string[];
  /** Further directives. */
  more: readonly string[];
  /** Groups of the host the unit joins. They must exist there, or it does not start. */
  groups: readonly string[];
}

const NOTHING = { instead: {}, systemCalls: [], more: [], groups: [] };

/** A name more here is a name more in `OPENINGS` of the model and a line more in the README. */
const OPENING_SPECS: Readonly<Record<Opening, OpeningSpec>> = {
  namespaces: {
    ...NOTHING,
    note: "a browser's own sandbox; the agent reaches kernel code that only root reaches otherwise",
    // Not mnt: whoever may leave a mount namespace can uncover the home's files by removing what they are mounted on.
    instead: { RestrictNamespaces: "user pid net" },
    systemCalls: ["chroot"],
  },
  debugging: {
    ...NOTHING,
    note: "gdb, strace, perf, leak checkers; a tool can read and change the gateway's own memory",
    instead: { LockPersonality: "no" },
    systemCalls: ["@debug"],
  },
  devices: {
    ...NOTHING,
    note: "graphics cards and /dev/kvm; the agent reaches their drivers",
    instead: { PrivateDevices: "no" },
    more: [
      "DevicePolicy=closed",
      "DeviceAllow=char-drm rw",
      "DeviceAllow=char-nvidia* rw",
      "DeviceAllow=/dev/kvm rw",
    ],
    groups: ["video", "render", "kvm"],
  },
};

/**
 * What every house gets. `PrivateUsers` is why the agent cannot write into the memory of a process that its account runs
 * outside the sandbox, such as a cron entry, and go on from there. Deliberately left out: `MemoryDenyWriteExecute` (agents run tools with just-in-time compilers)
 * and `ProcSubset=pid` (Python tools read /proc/meminfo).
 */
const COMMON: readonly (readonly [string, string])[] = [
  ["ProtectSystem", "strict"],
  ["ProtectHome", "yes"],
  ["PrivateTmp", "yes"],
  ["PrivateDevices", "yes"],
  ["ProtectProc", "invisible"],
  ["PrivateMounts", "yes"],
  ["PrivateUsers", "yes"],
  ["ProtectClock", "yes"],
  ["ProtectControlGroups", "yes"],
  ["ProtectHostname", "yes"],
  ["ProtectKernelLogs", "yes"],
  ["ProtectKernelModules", "yes"],
  ["ProtectKernelTunables", "yes"],
  ["NoNewPrivileges", "yes"],
  ["CapabilityBoundingSet", ""],
  ["AmbientCapabilities", ""],
  ["LockPersonality", "yes"],
  ["RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK"],
  ["RestrictNamespaces", "yes"],
  ["RestrictRealtime", "yes"],
  ["RestrictSUIDSGID", "yes"],
  ["RemoveIPC", "yes"],
  ["KeyringMode", "private"],
  ["SystemCallArchitectures", "native"],
  ["SystemCallErrorNumber", "EPERM"],
];

/** By these a program only puts itself into a narrower sandbox; `@system-service` does not have them. */
const NARROWING = ["seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"];

/** The sandbox's lines, what a house has opened being said first. */
export function sandboxLines(home: string, { write, allow }: SandboxSettings): string[] {
  const opened = allow.map((name) => OPENING_SPECS[name]);
  const instead: Record<string, string> = Object.assign({}, ...opened.map((opening) => opening.instead));
  const systemCalls = ["@system-service", ...NARROWING, ...opened.flatMap((opening) => opening.systemCalls)];
  const groups = sandboxGroups({ allow });
  return [
    ...(write.length + allow.length === 0 ? [] : ["# Opened for this house by `sandbox` in its house.yaml:"]),
    ...allow.map((name) => `#   ${name}: ${OPENING_SPECS[name].note}`),
    ...write.map((folder) => `#   may write to ${folder}`),
    `ReadWritePaths=${[home, ...write].join(" ")}`,
    ...COMMON.map(([directive, value]) => `${directive}=${instead[directive] ?? value}`),
    `SystemCallFilter=${systemCalls.join(" ")}`,
    ...opened.flatMap((opening) => opening.more),
    ...(groups.length === 0 ? [] : [`SupplementaryGroups=${groups.join(" ")}`]),
  ];
}

/** Groups of the host that the unit joins, sorted. */
export function sandboxGroups({ allow }: Pick<SandboxSettings, "allow">): string[] {
  return [...new Set(allow.flatMap((name) => OPENING_SPECS[name].groups))].sort();
}
