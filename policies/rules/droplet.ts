/** Rule `droplet`: rented machines are the ones wanted, without passwords, and paid for knowingly. */
import {
  backupFindings,
  costFindings,
  monthlyCost,
  regionFindings,
  sizeFindings,
  sshKeysFindings,
  tagFindings,
  userDataFindings,
} from "../../fleet/rules/droplet.ts";
import type { ResourceRule } from "../rule.ts";

export const DROPLET = "digitalocean:index/droplet:Droplet";

export const droplet: ResourceRule = {
  name: "droplet",
  description:
    "Droplets have an allowed region and size, tags, backups and SSH keys, no password login, and cost no more than is set.",
  remediation: "Correct the droplet, or change policies.droplet in wizards/fleet.yaml.",
  whenLoading: "the model's part",
  types: [DROPLET],
  judge: ({ policies: { droplet: settings } }) => {
    const costs = new Map<string, number>();
    return ({ inputs, urn }) => [
      ...inputs.judgeAll([["region"]], (region) => regionFindings(region, settings)),
      ...inputs.judgeAll([["size"]], (size) => sizeFindings(size, settings)),
      ...inputs.judgeAll([["tags"]], (tags) => tagFindings(tags, settings)),
      ...inputs.judgeAll([["backups"]], (backups) => backupFindings(backups, settings)),
      ...inputs.judgeAll([["sshKeys"]], sshKeysFindings),
      // It holds the host's key, which is made in the same update.
      ...inputs.judgeOnceKnown([["userData"]], userDataFindings),
      ...costFindings(
        total(costs.set(urn, monthlyCost(inputs.peek(["size"]), inputs.peek(["backups"]), settings))),
        settings,
      ),
    ];
  },
};

function total(costs: ReadonlyMap<string, number>): number {
  return [...costs.values()].reduce((sum, cost) => sum + cost, 0);
}
