/** The list of rules. A rule that is not in it does not run. */
import type { ResourceValidationPolicy, StackValidationPolicy } from "@pulumi/policy";

import type { Rulebook } from "../fleet/rules/model.ts";
import { policyOf, type Rule } from "./rule.ts";
import { bannedProvider } from "./rules/banned-provider.ts";
import { cronSafe } from "./rules/cron-safe.ts";
import { deadmanPresent } from "./rules/deadman-present.ts";
import { deployHookAlone } from "./rules/deploy-hook-alone.ts";
import { deployHookCommits } from "./rules/deploy-hook-commits.ts";
import { deployHookSigned } from "./rules/deploy-hook-signed.ts";
import { dropletFirewalled } from "./rules/droplet-firewalled.ts";
import { droplet } from "./rules/droplet.ts";
import { fileModes } from "./rules/file-modes.ts";
import { firewallClosed } from "./rules/firewall-closed.ts";
import { goldenState } from "./rules/golden-state.ts";
import { portsUnique } from "./rules/ports-unique.ts";
import { requestLogPresent } from "./rules/request-log-present.ts";
import { secretsStaySecret } from "./rules/secrets-stay-secret.ts";
import { soulGate } from "./rules/soul-gate.ts";
import { sshPinned } from "./rules/ssh-pinned.ts";
import { unitHardened } from "./rules/unit-hardened.ts";

export const RULES: readonly Rule[] = [
  bannedProvider,
  soulGate,
  goldenState,
  deadmanPresent,
  requestLogPresent,
  cronSafe,
  portsUnique,
  secretsStaySecret,
  fileModes,
  unitHardened,
  sshPinned,
  deployHookSigned,
  deployHookAlone,
  deployHookCommits,
  droplet,
  firewallClosed,
  dropletFirewalled,
];

/** The rules as policies of the SDK. What a rule remembers of other resources is this list's own. */
export function allPolicies(rulebook: Rulebook): (ResourceValidationPolicy | StackValidationPolicy)[] {
  return RULES.map((rule) => policyOf(rule, rulebook));
}
