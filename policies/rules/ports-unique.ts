/** Rule `ports-unique`: what a house says it serves is what it serves, and nobody else on its host does. */
import { isMap } from "../../fleet/merge.ts";
import { at } from "../../fleet/pins.ts";
import { below, type Finding } from "../../fleet/rules/finding.ts";
import {
  advertisedFindings,
  deployedPorts,
  type PortClaim,
  portClashes,
  type Ports,
} from "../../fleet/rules/ports.ts";
import { inTree, parseAsHarness, inEnv, RELEASE } from "../release.ts";
import type { Resource, ResourceRule } from "../rule.ts";

export const portsUnique: ResourceRule = {
  name: "ports-unique",
  description:
    "Every port is one house's alone on its host, every advertised service is deployed, and every deployed one advertised.",
  remediation: "Give the house a port of its own in house.yaml, and name there what its platforms listen on.",
  whenLoading: "all of it",
  types: [RELEASE],
  judge: ({ policies }) => {
    const claims = new Map<string, PortClaim[]>();
    return (release) => {
      const { inputs, urn } = release;
      return [
        ...inTree(inputs, "config.yaml", (config) => advertisedIn(release, deployedPorts(config))),
        ...inEnv(inputs, (env) => samePort(release, env.get("API_SERVER_PORT"), ["API_SERVER_PORT"])),
        ...inputs.judgeAll([["health", "http"]], (url) => samePort(release, portOf(url), ["health", "http"])),
        ...inputs.judgeAll([["host", "name"]], (host) => {
          const own = Object.entries(advertised(release)).map(([service, port]) => ({
            ...{ host: String(host), house: release.name, service, port },
          }));
          // An engine may show a resource twice.
          claims.delete(urn);
          const others = [...claims.values()].flat();
          claims.set(urn, own);
          return portClashes([...others, ...own], policies["ports-unique"])
            .filter(({ claim }) => own.includes(claim as (typeof own)[number]))
            .map(({ claim, taken }): Finding => {
              const by =
                taken === "reserved" ? "is reserved" : `is taken on host ${claim.host} by ${taken.house}`;
              return {
                path: ["ports", claim.service],
                message: by,
                got: claim.port,
                allowed: "a port of its own",
              };
            });
        }),
      ];
    };
  },
};

/** The ports of `golden.yaml`, which is what others are told about a house. */
function advertised({ inputs }: Resource): Ports {
  const content = inputs.peek(["files", "golden.yaml", "content"]);
  const ports = at(parseAsHarness(typeof content === "string" ? content : "")?.value, ["ports"]);
  if (!isMap(ports)) return {};
  return Object.fromEntries(
    Object.entries(ports).map(([name, port]) => [name, typeof port === "number" ? port : NaN]),
  );
}

function advertisedIn(release: Resource, deployed: Ports): Finding[] {
  return inTree(release.inputs, "golden.yaml", () =>
    below(["ports"], advertisedFindings(advertised(release), deployed)),
  );
}

/** The health service's other mentions name the same port. */
function samePort(release: Resource, got: string | undefined, path: string[]): Finding[] {
  const { health } = advertised(release);
  if (health === undefined || got === String(health)) return [];
  return [{ path, message: "names another port than ports.health", got, allowed: String(health) }];
}

function portOf(url: unknown): string | undefined {
  return typeof url === "string" && URL.canParse(url) ? new URL(url).port : undefined;
}
