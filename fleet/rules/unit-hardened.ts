/** Rule `unit-hardened`: what runs for an agent runs in a sandbox, and what runs as root runs root's own scripts. */
import type { Finding } from "./finding.ts";
import type { PolicySettings } from "./settings.ts";
import { type Directive, shellWords, unitDirectives } from "./words.ts";

const YES = ["yes", "true", "on", "1"];

/** Directives every sandbox has, with what is accepted. Other values than the first are openings of `sandbox.allow`. */
const REQUIRED: Readonly<Record<string, readonly string[]>> = {
  NoNewPrivileges: YES,
  ProtectSystem: ["strict"],
  ProtectHome: [...YES, "tmpfs"],
  PrivateTmp: YES,
  ProtectClock: YES,
  ProtectControlGroups: [...YES, "strict"],
  ProtectHostname: YES,
  ProtectKernelLogs: YES,
  ProtectKernelModules: YES,
  ProtectKernelTunables: YES,
  RestrictRealtime: YES,
  RestrictSUIDSGID: YES,
  SystemCallArchitectures: ["native"],
};
/** Required in houses, where the program is an agent. */
const REQUIRED_IN_HOUSES: Readonly<Record<string, readonly string[]>> = {
  PrivateUsers: YES,
  PrivateMounts: YES,
  ProtectProc: ["invisible", "noaccess"],
  LockPersonality: [...YES, "no"],
  KeyringMode: ["private"],
};
/** Groups of system calls by which a process leaves its sandbox or takes the machine. */
const DANGEROUS_CALLS = [
  "@mount",
  "@privileged",
  "@raw-io",
  "@reboot",
  "@swap",
  "@module",
  "@obsolete",
  "@cpu-emulation",
];
/** Prefixes of Exec lines by which systemd leaves the sandbox out. */
const WITHOUT_SANDBOX = /^[-@:]*[+!]/;

/** A unit of a house at `path`, whose agent has the account `user`. */
export function houseUnitFindings(text: string, house: { path: string; user: string }): Finding[] {
  const unit = new UnitReader(text);
  if (!unit.hasService) return [];
  const user = unit.last("User") ?? "root";
  if (user === "root" || user === "0") return rootUnitFindings(unit, house.path);
  const findings = [
    ...(user === house.user ? [] : [wrong("User", user, house.user)]),
    ...sandboxFindings(unit, { ...REQUIRED, ...REQUIRED_IN_HOUSES }, []),
    ...deviceFindings(unit),
    ...namespaceFindings(unit, true),
  ];
  // More than the agent's home is data of the host, or the release itself.
  const writable = unit.list("ReadWritePaths").filter((path) => {
    const plain = path.replace(/^[-+]+/, "");
    const inHome = inside(`${house.path}/home`, plain);
    const data = /^\/(srv|mnt|media|data)\//.test(plain) && !overlaps(plain, house.path);
    return !(inHome || data);
  });
  for (const path of writable) {
    findings.push(
      wrong("ReadWritePaths", path, `${house.path}/home, and folders of data apart from the house`),
    );
  }
  return findings;
}

/** A unit outside any house, e.g. of the deploy hook. */
export function hostUnitFindings(text: string, settings: PolicySettings["unit-hardened"]): Finding[] {
  const unit = new UnitReader(text);
  if (!unit.hasService) return [];
  const user = unit.last("User") ?? (YES.includes(unit.last("DynamicUser") ?? "") ? "dynamic" : "root");
  const filter = loadsPacketFilter(unit);
  const capabilities = [...settings.capabilities, ...(filter ? ["CAP_NET_ADMIN"] : [])];
  return [
    ...((user === "root" || user === "0") && !filter ? [wrong("User", user, "an account of its own")] : []),
    ...sandboxFindings(unit, REQUIRED, capabilities),
    ...namespaceFindings(unit, false),
  ];
}

/** Root may load rules of the packet filter from root's own folder, and end. */
function loadsPacketFilter(unit: UnitReader): boolean {
  const commands = unit.commands();
  return (
    unit.last("Type") === "oneshot" &&
    commands.length > 0 &&
    commands.every(({ value }) => /^\/usr\/sbin\/nft -f \/etc\/[a-z-]+\/[a-z-]+\.nft$/.test(value))
  );
}

/** As root a house runs one thing and ends, and the thing lies where its agent cannot write. */
function rootUnitFindings(unit: UnitReader, path: string): Finding[] {
  const findings: Finding[] = [];
  if (unit.last("Type") !== "oneshot") {
    findings.push(wrong("User", "root", "the agent's account; root only with Type=oneshot"));
  }
  for (const { name, value } of unit.commands()) {
    const words = shellWords(value.replace(/^[-@:+!]+/, ""));
    const agents = words.find((word) => inside(`${path}/home`, word) || inside(`${path}/log`, word));
    const foreign = agents ?? words.find((word) => word.split("/").includes(".."));
    if (foreign !== undefined) {
      findings.push(wrong(name, foreign, `what root owns: nothing in ${path}/home or ${path}/log`));
    }
  }
  return findings;
}

function inside(folder: string, word: string): boolean {
  return word === folder || word.startsWith(`${folder}/`);
}

function sandboxFindings(
  unit: UnitReader,
  required: Readonly<Record<string, readonly string[]>>,
  capabilities: readonly string[],
): Finding[] {
  const findings = Object.entries(required).flatMap(([name, accepted]): Finding[] => {
    const value = unit.last(name);
    const fits = value !== undefined && accepted.includes(value.toLowerCase());
    return fits
      ? []
      : [
          wrong(
            name,
            value,
            accepted.filter((one) => one !== "true" && one !== "on" && one !== "1").join(", "),
          ),
        ];
  });
  for (const name of ["CapabilityBoundingSet", "AmbientCapabilities"]) {
    const given = unit.list(name);
    // Left out, the bounding set is everything, the ambient one nothing.
    const missing = name === "CapabilityBoundingSet" && unit.last(name) === undefined;
    if (missing || given.some((one) => !capabilities.includes(one))) {
      findings.push(
        wrong(name, missing ? undefined : given.join(" "), capabilities.join(", ") || "nothing behind ="),
      );
    }
  }
  const calls = unit.list("SystemCallFilter");
  const broad = calls.filter((call) => call.startsWith("~") || DANGEROUS_CALLS.includes(call));
  if (!calls.includes("@system-service") || broad.length > 0) {
    findings.push(
      wrong("SystemCallFilter", broad[0] ?? calls[0], "a list of what is allowed, from @system-service"),
    );
  }
  for (const { name, value } of unit.commands()) {
    if (WITHOUT_SANDBOX.test(value))
      findings.push(wrong(name, value.slice(0, 1), "no + or ! before the program"));
  }
  return findings;
}

/** Devices of the host are hidden, or those of an opening are named. */
function deviceFindings(unit: UnitReader): Finding[] {
  if (YES.includes(unit.last("PrivateDevices") ?? "")) return [];
  if (unit.last("PrivateDevices") === "no" && unit.last("DevicePolicy") === "closed") return [];
  return [wrong("PrivateDevices", unit.last("PrivateDevices"), "yes, or no with DevicePolicy=closed")];
}

/** Whoever may leave a mount namespace gets from under the files that hold the agent's configuration. */
function namespaceFindings(unit: UnitReader, house: boolean): Finding[] {
  const value = unit.last("RestrictNamespaces");
  if (YES.includes(value ?? "")) return [];
  const kinds = (value ?? "").split(/\s+/).filter((kind) => kind !== "");
  const known =
    kinds.length > 0 && kinds.every((kind) => ["user", "pid", "net", "uts", "ipc"].includes(kind));
  if (known && house) return [];
  return [wrong("RestrictNamespaces", value, house ? "yes, or kinds without mnt" : "yes")];
}

function wrong(name: string, got: string | undefined, allowed: string): Finding {
  const message = got === undefined ? "is missing" : "is not allowed";
  return { path: [name], message, ...(got === undefined ? {} : { got }), allowed };
}

function overlaps(a: string, b: string): boolean {
  return `${a}/`.startsWith(`${b}/`) || `${b}/`.startsWith(`${a}/`);
}

/** Reads a unit's [Service] section as systemd does: the last value counts, an empty one empties a list. */
class UnitReader {
  readonly #service: Directive[];
  readonly hasService: boolean;

  constructor(text: string) {
    this.#service = unitDirectives(text).filter(({ section }) => section === "Service");
    this.hasService = this.#service.length > 0;
  }

  last(name: string): string | undefined {
    return this.#service.findLast((directive) => directive.name === name)?.value;
  }

  list(name: string): string[] {
    const lines = this.#service.filter((directive) => directive.name === name).map(({ value }) => value);
    return lines.slice(lines.lastIndexOf("") + 1).flatMap((value) => shellWords(value));
  }

  commands(): Directive[] {
    return this.#service.filter(({ name }) => /^Exec[A-Z]/.test(name));
  }
}
