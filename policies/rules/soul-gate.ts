/** Rule `soul-gate`: what a wizard may talk to, and the safeguards of the harness that may not be loosened. */
import { soulGateFindings } from "../../fleet/rules/soul-gate.ts";
import { inTree, RELEASE } from "../release.ts";
import type { ResourceRule } from "../rule.ts";

export const soulGate: ResourceRule = {
  name: "soul-gate",
  description:
    "Endpoints are the harness's own, local or allowed by name; voices are known; redaction, approvals and the ban on lazy installs are as strict as they can be.",
  remediation:
    "Set the key back in the overlay that the preview names, or add the host or the provider to policies.soul-gate in wizards/fleet.yaml.",
  whenLoading: "all of it",
  types: [RELEASE],
  judge:
    ({ policies, facts }) =>
    ({ inputs }) =>
      inTree(inputs, "config.yaml", (config) => soulGateFindings(config, policies["soul-gate"], facts)),
};
