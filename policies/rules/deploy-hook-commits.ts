/** Rule `deploy-hook-commits`: what is deployed was signed by an operator, not only merged. */
import { unsignedFindings } from "../../fleet/rules/deploy-hook.ts";
import type { ResourceRule } from "../rule.ts";
import { DEPLOY_HOOK } from "./deploy-hook-signed.ts";

export const deployHookCommits: ResourceRule = {
  name: "deploy-hook-commits",
  level: "advisory",
  description: "Commits that a deploy hook brings up are signed by a key of the control house's list.",
  remediation:
    "Take signedCommits: false out of deployHook in wizards/fleet.yaml, and put the operators' keys into /etc/wizard-deploy/allowed_signers on the control house.",
  whenLoading: "nothing",
  types: [DEPLOY_HOOK],
  judge:
    () =>
    ({ inputs }) =>
      inputs.judge(["signedCommits"], unsignedFindings),
};
