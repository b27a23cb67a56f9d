/** The policy pack: registers every rule. `pulumi preview --policy-pack policies` runs it. */
import { fileURLToPath } from "node:url";

import { PolicyPack } from "@pulumi/policy";

import { loadRulebook } from "../fleet/load.ts";
import { LEVEL } from "./rule.ts";
import { allPolicies } from "./rules.ts";

// This checkout's own data: the pack of another revision judges by what that revision bans.
const rulebook = loadRulebook(fileURLToPath(new URL("../wizards", import.meta.url)));

new PolicyPack("wizard-houses", { policies: allPolicies(rulebook), enforcementLevel: LEVEL });
