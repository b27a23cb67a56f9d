/** The policy pack: registers every rule. `pulumi preview --policy-pack policies` runs it. */
import { fileURLToPath } from "node:url";

import { PolicyPack } from "@pulumi/policy";

import { loadFleet } from "../fleet/index.ts";
import { allRules } from "./rules.ts";

const { banned } = loadFleet(fileURLToPath(new URL("../wizards", import.meta.url)));

new PolicyPack("wizard-houses", { policies: allRules(banned), enforcementLevel: "mandatory" });
