/** Rule `droplet-firewalled`: no rented machine stands without a firewall of the same stack. */
import type { Finding } from "../../fleet/rules/finding.ts";
import type { StackRule } from "../rule.ts";
import { DROPLET } from "./droplet.ts";
import { FIREWALL } from "./firewall-closed.ts";

export const dropletFirewalled: StackRule = {
  name: "droplet-firewalled",
  description: "Every droplet has a tag that a firewall of the same stack covers.",
  remediation:
    "Give the firewall one of the droplet's tags. Ids of droplets are not known before they exist, so they do not count.",
  whenLoading: "nothing",
  judgeStack: () => (resources) => {
    const covered = new Set<unknown>();
    const unknown: Finding[] = [];
    for (const { type, inputs } of resources) {
      if (type !== FIREWALL) continue;
      unknown.push(
        ...inputs.judgeAll([["tags"]], (tags) => {
          if (Array.isArray(tags)) tags.forEach((tag) => covered.add(tag));
          return [];
        }),
      );
    }
    return resources.flatMap((resource) => {
      if (resource.type !== DROPLET) return [];
      const findings = resource.inputs.judgeAll([["tags"]], (tags): Finding[] => {
        if (Array.isArray(tags) && tags.some((tag) => covered.has(tag))) return [];
        const allowed =
          unknown.length > 0 ? "firewalls whose tags are known at preview" : "a tag that a firewall has too";
        return [{ path: ["tags"], message: "has no firewall", allowed }];
      });
      return findings.map((finding) => ({ resource, finding }));
    });
  },
};
