/** What a stack's configuration says about where and how the fleet comes up. Pure. */
import { type AddressedHost, ENVIRONMENTS, type Environment, type HostSpec } from "../fleet/model.ts";
import type { Connection } from "../provider/sdk.ts";

/** The plain configuration values of a stack, all in the namespace `wizard-houses`. */
export interface StackSettings {
  /** Which overlay of `wizards/base/` applies. */
  environment: Environment;
  /** `local`: folders of this machine stand for hosts. `ssh`: real hosts. */
  transport: Connection["transport"];
  /** `local` only: the folder that holds one folder per host. */
  root: string;
  /** Whether missing keys are made up and real ones refused: in dev, and where a stack on this machine asks for it. */
  placeholders: boolean;
  /** Whether the houses behind a canary follow one by one or all at once. */
  afterCanary: "serial" | "parallel";
  /** `ssh` only: seconds within which a host must be connected to. The provider has a default. */
  connectDeadline?: number;
  /** How long a switch may take to be confirmed. */
  activation: Activation;
  /** `ssh` only: folder of this machine with the wheels of harnesses; carried to hosts that lack them. */
  harnessWheels?: string;
  /** `ssh` only: URL of the package index that hosts install harnesses from; a secret where it holds a password. */
  harnessIndex?: string;
}

/** Seconds; what is absent is the provider's default. */
export interface Activation {
  /** Until a restarted gateway must be well. */
  deadline?: number;
  /** That it must have run without a break. */
  stableFor?: number;
  /** Until the host reverts what nobody has confirmed. */
  revertAfter?: number;
}

/** Their names in the stack's configuration. */
const ACTIVATION = {
  healthDeadline: "deadline",
  stableFor: "stableFor",
  revertAfter: "revertAfter",
} as const;

/** Configuration that does not fit; its message lists every problem. */
export class StackError extends Error {
  constructor(problems: string[]) {
    super(`The stack's configuration does not fit:\n${problems.map((problem) => `  ${problem}`).join("\n")}`);
    this.name = "StackError";
  }
}

/** Reads and checks the settings. Throws a {@link StackError}. */
export function stackSettings(get: (key: string) => string | undefined): StackSettings {
  const problems: string[] = [];
  const choice = <Choice extends string>(
    key: string,
    allowed: readonly Choice[],
    fallback?: Choice,
  ): Choice => {
    const value = get(key) ?? fallback;
    const match = allowed.find((one) => one === value);
    if (match !== undefined) return match;
    const got = value === undefined ? "is not set" : `is ${JSON.stringify(value)}`;
    problems.push(`${key} ${got}; allowed: ${allowed.join(", ")}; run: pulumi config set ${key} <value>`);
    return allowed[0] as Choice;
  };
  const seconds = (key: string, digits: number): number | undefined => {
    const text = get(key);
    if (text === undefined) return undefined;
    if (text.length <= digits && /^[1-9]\d*$/.test(text)) return Number(text);
    const most = "9".repeat(digits);
    problems.push(`${key} is ${JSON.stringify(text)}; allowed: seconds, a whole number from 1 to ${most}`);
    return undefined;
  };
  const environment = choice("environment", ENVIRONMENTS);
  const transport = choice("transport", ["local", "ssh"]);
  const placeholders = choice(
    "placeholders",
    ["true", "false"],
    String(environment === "dev") as "true" | "false",
  );
  if (placeholders === "true" && environment !== "dev" && transport !== "local")
    problems.push(
      "placeholders is true, and a real host would run on made-up keys; allowed: with transport local",
    );
  const connectDeadline = seconds("connectDeadline", 3);
  const activation = Object.entries(ACTIVATION).flatMap(([key, name]) => {
    const value = seconds(key, 4);
    return value === undefined ? [] : [[name, value] as const];
  });
  const [harnessWheels, harnessIndex] = [get("harnessWheels"), get("harnessIndex")];
  if (harnessWheels !== undefined && harnessIndex !== undefined)
    problems.push("harnessWheels and harnessIndex are both set; allowed: one of them, or neither");
  // The URL may hold a password, so it is not repeated.
  if (harnessIndex !== undefined && !/^https?:\/\/[^\s"'\\]+$/.test(harnessIndex))
    problems.push(
      `harnessIndex is no URL with https: or http: and without white space, quotes and backslashes`,
    );
  const settings: StackSettings = {
    environment,
    transport,
    placeholders: placeholders === "true",
    root: get("root") ?? ".dev/hosts",
    afterCanary: choice("afterCanary", ["serial", "parallel"], "serial"),
    ...(connectDeadline !== undefined && { connectDeadline }),
    activation: Object.fromEntries(activation),
    ...(harnessWheels !== undefined && { harnessWheels }),
    ...(harnessIndex !== undefined && { harnessIndex }),
  };
  if (problems.length > 0) throw new StackError(problems);
  return settings;
}

/**
 * How this stack reaches the hosts, by name. Over SSH droplets are not among them: how they are reached is known once they
 * are made. Throws a {@link StackError} naming every other host without a pinned key where the transport is `ssh`.
 */
export function connections(
  hosts: HostSpec[],
  { transport, root, connectDeadline }: Pick<StackSettings, "transport" | "root" | "connectDeadline">,
): Record<string, Connection> {
  if (transport === "local") {
    return Object.fromEntries(hosts.map(({ name }) => [name, { name, transport, root: `${root}/${name}` }]));
  }
  const there = hosts.filter((host): host is AddressedHost => host.droplet === undefined);
  const unpinned = there.filter((host) => host.hostKey === undefined);
  if (unpinned.length > 0) throw new StackError(unpinned.map(unpinnedHost));
  return Object.fromEntries(
    there.map(({ name, address, port, user, hostKey }): [string, Connection] => [
      name,
      {
        ...{ name, transport, address, port, user },
        ...(hostKey !== undefined && { hostKey }),
        ...(connectDeadline !== undefined && { connectDeadline }),
      },
    ]),
  );
}

function unpinnedHost({ name, address, port }: AddressedHost): string {
  return (
    `host ${name} has no pinned host key, and without one there is no connection. Read it on the host itself ` +
    `(cat /etc/ssh/ssh_host_ed25519_key.pub), compare it with what "ssh-keyscan -t ed25519 -p ${port} ${address}" ` +
    `answers, and write "ssh-ed25519 AAAA…" as its hostKey in wizards/fleet.yaml`
  );
}
