/** Rule `ports-unique`: what houses say they serve is what they serve, and no two serve it in the same place. */
import { isMap } from "../merge.ts";
import { at } from "../pins.ts";
import type { Finding } from "./finding.ts";
import type { PolicySettings } from "./settings.ts";

/** Ports of a house by service: `health` is the gateway's own server, others are named after their platform. */
export type Ports = Readonly<Record<string, number>>;

/** Platforms that listen, with the harness's port for them; others listen only where their settings name a port. */
const LISTENING: Readonly<Record<string, number>> = { api_server: 8642, webhook: 8644 };

/** Services that an effective configuration makes the gateway listen for. A port that is no number is NaN. */
export function deployedPorts(config: unknown): Ports {
  const ports: Record<string, number> = {};
  for (const parent of [["gateway", "platforms"], ["platforms"]]) {
    const platforms = at(config, parent);
    if (!isMap(platforms)) continue;
    for (const [name, platform] of Object.entries(platforms)) {
      const port = at(platform, ["extra", "port"]) ?? LISTENING[name];
      if (at(platform, ["enabled"]) === true && port !== undefined)
        ports[name === "api_server" ? "health" : name] = typeof port === "number" ? port : NaN;
    }
  }
  return ports;
}

/** Where what a house advertises and what it deploys differ. The path is the service. */
export function advertisedFindings(advertised: Ports, deployed: Ports): Finding[] {
  const names = [...new Set([...Object.keys(advertised), ...Object.keys(deployed)])].sort();
  return names.flatMap((name): Finding[] => {
    const [said, done] = [advertised[name], deployed[name]];
    if (said === done) return [];
    if (said === undefined) {
      const allowed = "the service's port under `ports` in house.yaml, or the platform not enabled";
      return [{ path: [name], message: "is deployed but not advertised", got: done, allowed }];
    }
    const message = done === undefined ? "is advertised but not deployed" : "is deployed on another port";
    const allowed = done === undefined ? "an enabled platform of this name, or no port for it" : String(done);
    return [{ path: [name], message, got: said, allowed }];
  });
}

export interface PortClaim {
  /** Name of the host. */
  host: string;
  house: string;
  service: string;
  port: number;
}

/** A claim that cannot be, and whose was there first: a house's, or what the settings reserve. */
export interface PortClash {
  claim: PortClaim;
  taken: PortClaim | "reserved";
}

/** Ports of one host claimed twice, by one house or two, or reserved for something else. */
export function portClashes(
  claims: readonly PortClaim[],
  settings: PolicySettings["ports-unique"],
): PortClash[] {
  const first = new Map<string, PortClaim>();
  return claims.flatMap((claim): PortClash[] => {
    if (settings.reserved.includes(claim.port)) return [{ claim, taken: "reserved" }];
    const key = `${claim.host} ${claim.port}`;
    const taken = first.get(key);
    if (taken !== undefined) return [{ claim, taken }];
    first.set(key, claim);
    return [];
  });
}
