/** What follows from a fleet's droplets: their tags, their price, and what is wrong with them together. Pure. */
import type { DropletHost, DropletSpec, HostSpec } from "./model.ts";
import { valueProblem, type Problem } from "./problem.ts";
import {
  backupFindings,
  costFindings,
  inboundFindings,
  monthlyCost,
  regionFindings,
  sizeFindings,
  tagFindings,
} from "./rules/droplet.ts";
import { below, type Finding } from "./rules/finding.ts";
import type { PolicySettings } from "./rules/settings.ts";
import type { FleetData } from "./schema.ts";
import { type DataFile, placeOf } from "./yaml.ts";

/** Every droplet of every stack has it. */
const FLEET_TAG = "wizard-houses";

/** The tag of all droplets of a stack; its firewall goes by it. Two stacks of one account have nothing in common. */
export const stackTag = (stack: string): string => `${FLEET_TAG}-${stack}`;

/** The tag of one host's droplet alone. */
export const hostTag = (stack: string, host: string): string => `${stackTag(stack)}-${host}`;

/** @param own the tags that the stack gives it */
export const dropletTags = (own: readonly string[], { tags }: Pick<DropletSpec, "tags">): string[] => [
  ...new Set([FLEET_TAG, ...own, ...tags]),
];

/** An inbound rule of a firewall, as the API takes it. */
export interface InboundRule {
  protocol: "tcp" | "icmp";
  portRange?: string;
  sourceAddresses: string[];
}

/** What the whole fleet lets in: SSH from where the operators are, and ping from anywhere. */
export const fleetInbound = (sshFrom: string[]): InboundRule[] => [
  { protocol: "tcp", portRange: "22", sourceAddresses: sshFrom },
  { protocol: "icmp", sourceAddresses: ["0.0.0.0/0", "::/0"] },
];

/** What one host lets in beside that. */
export const hostInbound = ({ inbound }: Pick<DropletSpec, "inbound">): InboundRule[] =>
  inbound.map(({ port, from }) => ({ protocol: "tcp", portRange: String(port), sourceAddresses: from }));

export const isDroplet = (host: HostSpec): host is DropletHost => host.droplet !== undefined;

/** Name of the component that has all machines of a host. */
export const dropletComponent = (host: string): string => `${host}-machine`;

/** What the machine of a host is called in the state: another generation is another machine, under another name. */
export const machineName = (host: string, { generation }: Pick<DropletSpec, "generation">): string =>
  generation === 1 ? host : `${host}-${generation}`;

/** Name of the resource that a machine is. */
export const dropletName = (machine: string): string => `${machine}-droplet`;

/** US dollars a month by host, and all together. */
export function dropletCosts(
  hosts: readonly HostSpec[],
  settings: PolicySettings["droplet"],
): { byHost: Record<string, number>; total: number } {
  const prices = hosts
    .filter(isDroplet)
    .map(
      ({ name, droplet: { size, backups } }) =>
        [name, rounded(monthlyCost(size, backups, settings))] as const,
    );
  const total = prices.reduce((sum, [, price]) => sum + price, 0);
  return { byHost: Object.fromEntries(prices), total: rounded(total) };
}

const rounded = (dollars: number): number => Math.round(dollars * 100) / 100;

type HostData = FleetData["hosts"][string];

/** What the rules find in the droplets of fleet.yaml; paths lead from `hosts`. */
export function dropletFindings(
  hosts: Readonly<Record<string, HostData>>,
  settings: PolicySettings["droplet"],
): Finding[] {
  let total = 0;
  return Object.entries(hosts).flatMap(([name, { droplet }]): Finding[] => {
    if (droplet === undefined) return [];
    total += monthlyCost(droplet.size, droplet.backups, settings);
    const inbound = inboundFindings(hostInbound(droplet)).map(({ path: [, index = 0], ...finding }) => ({
      ...finding,
      path: ["inbound", index],
    }));
    return below(
      [name, "droplet"],
      [
        ...regionFindings(droplet.region, settings),
        ...sizeFindings(droplet.size, settings),
        ...tagFindings(dropletTags([], droplet), settings),
        ...backupFindings(droplet.backups, settings),
        ...costFindings(total, settings),
        ...inbound,
      ],
    );
  });
}

/** Keys of a host that is there already; a droplet has none of them. */
const REACHED = ["address", "port", "user", "hostKey"] as const;

/** What the shape alone does not say: a host is there already, or is a droplet, and droplets need to know by whom. */
export function hostProblems(source: DataFile, fleet: FleetData, healthPorts: HealthPorts): Problem[] {
  const said = (source.value as { hosts: Record<string, Record<string, unknown>> }).hosts;
  return Object.entries(fleet.hosts).flatMap(([name, { address, droplet }]) => {
    const at = (...path: (string | number)[]) => placeOf(source, ["hosts", name, ...path]);
    if (droplet === undefined) {
      if (address !== undefined) return [];
      const allowed = "the address of a host that is there, or a droplet to be made";
      return [valueProblem(at("address"), "is missing", undefined, allowed)];
    }
    const problems = REACHED.filter((key) => said[name]?.[key] !== undefined).map((key) =>
      valueProblem(at(key), "does not go with droplet", said[name]?.[key], "what makes the droplet sets it"),
    );
    if (fleet.digitalocean === undefined) {
      const place = placeOf(source, ["digitalocean"]);
      problems.push(valueProblem(place, "is missing", undefined, "a map with the keys sshKeys, sshFrom"));
    }
    const health = healthPorts[name] ?? [];
    droplet.inbound.forEach(({ port }, index) => {
      if (!health.includes(port)) return;
      const allowed = "ports that are no house's health port: those answer on the host alone";
      problems.push(
        valueProblem(at("droplet", "inbound", index, "port"), "is open to others", port, allowed),
      );
    });
    return problems;
  });
}

/** By host, the ports on which its gateways tell how they are. */
export type HealthPorts = Readonly<Record<string, readonly number[]>>;
