/**
 * The rules that need only the model, on the model: they stop a fleet from loading, whether or not anybody passes the
 * policy pack, which applies the same functions to what would reach a host.
 */
import { bannedInCommand, bannedInConfig, bannedInDefaults, type Violation } from "../banned.ts";
import { dropletFindings } from "../droplet.ts";
import type { HarnessFacts } from "../harness/facts.ts";
import type { Tree } from "../merge.ts";
import type { BannedFamily, House } from "../model.ts";
import type { FleetData } from "../schema.ts";
import { bannedMessage } from "./banned-names.ts";
import { chainFindings } from "./chain.ts";
import { agentJobFindings, cronLimitFindings } from "./cron-safe.ts";
import { below, type Finding } from "./finding.ts";
import { advertisedFindings, deployedPorts, type PortClash, portClashes } from "./ports.ts";
import { secretsInText, secretsInTree } from "./secrets.ts";
import type { PolicySettings } from "./settings.ts";
import { baseUrlFindings, soulGateFindings } from "./soul-gate.ts";
import { sharedKeyFindings } from "./ssh-pinned.ts";
import { deadmanFindings, requestLogFindings } from "./watch.ts";

/** What rules go by. */
export interface Rulebook {
  banned: readonly BannedFamily[];
  policies: PolicySettings;
  facts: HarnessFacts;
}

/** Findings on a house as house.yaml describes it; `data` is that file's own tree. */
export function houseFindings(house: House, data: unknown, { banned, policies, facts }: Rulebook): Finding[] {
  return [
    ...below(["providers"], chainFindings(house.providers, policies["golden-state"], facts)),
    ...house.providers.flatMap(({ baseUrl }, index) =>
      baseUrl === undefined
        ? []
        : below(["providers", index, "baseUrl"], baseUrlFindings(baseUrl, policies["soul-gate"], facts)),
    ),
    ...below(["deadman"], deadmanFindings(house.deadman, policies["deadman-present"])),
    ...below(["requestLog"], requestLogFindings(house.requestLog, policies["request-log-present"])),
    ...house.cron.flatMap((entry, index) =>
      below(
        ["cron", index],
        [
          ...cronLimitFindings(entry, { ...house, folders: [] }, policies["cron-safe"]),
          ...bannedCommandFindings(entry.command, banned),
        ],
      ),
    ),
    ...house.jobs.flatMap((job, index) =>
      below(["jobs", index], agentJobFindings(job, policies["cron-safe"])),
    ),
    ...secretsInTree(data, policies["secrets-stay-secret"]),
  ];
}

/** Findings on a house's merged configuration, before the golden layer. */
export function configFindings(config: Tree, house: House, { banned, policies, facts }: Rulebook): Finding[] {
  return [
    ...bannedFindings(bannedInConfig(banned, config, { facts })),
    ...soulGateFindings(config, policies["soul-gate"], facts),
    ...secretsInTree(config, policies["secrets-stay-secret"]),
    ...portFindings(config, house),
  ];
}

/** Findings on the effective configuration, the golden layer on top: what is left to the harness's own defaults. */
export function effectiveFindings(config: Tree, { banned, facts }: Rulebook): Finding[] {
  return bannedFindings(bannedInDefaults(banned, config, facts)).map((finding) => ({
    ...finding,
    message: `is left to the harness's default, which ${finding.message}`,
  }));
}

/** Findings on a file of prose or looks. */
export function textFindings(text: string, { policies }: Rulebook): Finding[] {
  return secretsInText(text, policies["secrets-stay-secret"]);
}

/** Findings on the hosts; paths lead from `hosts`. */
export function hostFindings(hosts: FleetData["hosts"], { policies }: Rulebook): Finding[] {
  return [...sharedKeyFindings(hosts, policies["ssh-pinned"]), ...dropletFindings(hosts, policies.droplet)];
}

/** Ports that houses of one host claim twice. */
export function housePortClashes(houses: readonly House[], { policies }: Rulebook): PortClash[] {
  return portClashes(
    houses.flatMap(({ name, host, ports }) =>
      Object.entries(ports).map(([service, port]) => ({ host, house: name, service, port })),
    ),
    policies["ports-unique"],
  );
}

/** The golden layer deploys the health service, so only the others can be missing. */
function portFindings(config: Tree, { ports }: House): Finding[] {
  const deployed = { ...deployedPorts(config), health: ports.health };
  return advertisedFindings(ports, deployed).map(({ path: [service = ""], ...finding }) => ({
    ...finding,
    path: ["platforms", service, "extra", "port"],
  }));
}

function bannedCommandFindings(command: readonly string[], banned: readonly BannedFamily[]): Finding[] {
  const family = bannedInCommand(banned, command);
  return family === undefined
    ? []
    : bannedFindings([{ family, path: ["command"], value: command.join(" ") }]);
}

/** Banned values as findings. */
export function bannedFindings(violations: readonly Violation[]): Finding[] {
  return violations.map(({ family, path, value }) => ({
    path,
    message: bannedMessage(family),
    got: value,
    allowed: "another family",
  }));
}
