/** Rule `firewall-closed`: of a rented machine the world reaches web ports and ping, at the most. */
import { inboundFindings } from "../../fleet/rules/droplet.ts";
import type { ResourceRule } from "../rule.ts";

export const FIREWALL = "digitalocean:index/firewall:Firewall";

export const firewallClosed: ResourceRule = {
  name: "firewall-closed",
  description:
    "A firewall opens nothing to the world but TCP 80 and 443 and ping: not SSH, not the deploy hook.",
  remediation: "Name the addresses that need the port in the rule's sourceAddresses.",
  whenLoading: "the model's part",
  types: [FIREWALL],
  judge:
    () =>
    ({ inputs }) =>
      inputs.judgeAll([["inboundRules"]], inboundFindings),
};
