/** The list of rules. A rule that is not in it does not run. */
import type { ResourceValidationPolicy } from "@pulumi/policy";

import type { BannedFamily } from "../fleet/model.ts";
import { bannedProviderRule } from "./rules/banned-provider.ts";
import { goldenStateRule } from "./rules/golden-state.ts";

export function allRules(banned: readonly BannedFamily[]): ResourceValidationPolicy[] {
  return [bannedProviderRule(banned), goldenStateRule];
}
