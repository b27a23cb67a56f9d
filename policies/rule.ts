/** What a rule of the pack is, and how it becomes a policy of the SDK. */
import type {
  EnforcementLevel,
  ResourceValidationPolicy,
  StackValidationPolicy,
  StackValidationArgs,
} from "@pulumi/policy";

import { formatPath } from "../fleet/problem.ts";
import { describe } from "../fleet/redact.ts";
import type { Finding } from "../fleet/rules/finding.ts";
import type { Rulebook } from "../fleet/rules/model.ts";
import { Inputs } from "./inputs.ts";

/** A resource as a rule sees it. */
export interface Resource {
  type: string;
  /** E.g. `ezra-release`. */
  name: string;
  urn: string;
  inputs: Inputs;
}

interface RuleText {
  /** Also the name of its file, and of its settings under `policies:` in fleet.yaml. */
  name: string;
  /** One sentence: what must hold. */
  description: string;
  /** What to do about a violation, one sentence or two. */
  remediation: string;
  /** Default `mandatory`. `advisory` warns of what the operator has chosen by a setting made for it, and stops nothing. */
  level?: "advisory";
  /** Whether the model alone decides, so that loading a fleet refuses what this rule refuses; else what is left to it. */
  whenLoading: "all of it" | "the model's part" | "nothing";
}

export interface ResourceRule extends RuleText {
  /** Types of resources it looks at. */
  types: readonly string[];
  /** Made once per run, so that a rule may remember what it saw of other resources. */
  judge: (rulebook: Rulebook) => (resource: Resource) => Finding[];
}

/** A rule on all resources together, of which it sees the outputs only. */
export interface StackRule extends RuleText {
  judgeStack: (
    rulebook: Rulebook,
  ) => (resources: readonly Resource[]) => { resource: Resource; finding: Finding }[];
}

export type Rule = ResourceRule | StackRule;

export const LEVEL = "mandatory";

export const levelOf = (rule: Rule): EnforcementLevel => rule.level ?? LEVEL;

export function policyOf(rule: Rule, rulebook: Rulebook): ResourceValidationPolicy | StackValidationPolicy {
  const { name, description, remediation } = rule;
  const common = {
    name,
    description,
    enforcementLevel: levelOf(rule),
    remediationSteps: remediation,
  } as const;
  if ("judgeStack" in rule) {
    const judge = rule.judgeStack(rulebook);
    return {
      ...common,
      validateStack: ({ resources }: StackValidationArgs, report) => {
        const seen = resources.map(({ type, name, urn, props }) => ({
          type,
          name,
          urn,
          inputs: new Inputs(props),
        }));
        for (const { resource, finding } of judge(seen)) report(violation(resource, finding), resource.urn);
      },
    };
  }
  const judge = rule.judge(rulebook);
  return {
    ...common,
    validateResource: ({ type, name, urn, props }, report) => {
      if (!rule.types.includes(type)) return;
      const resource = { type, name, urn, inputs: new Inputs(props) };
      for (const finding of judge(resource)) report(violation(resource, finding));
    },
  };
}

/** House, resource, property, what is wrong, what to do. A value that may be a secret is described by its length. */
export function violation({ type, name }: Pick<Resource, "type" | "name">, finding: Finding): string {
  const house = houseOf(type, name);
  const who = house === undefined ? name : `house ${house}, ${name}`;
  const place = finding.path.length === 0 ? "" : `: ${formatPath(finding.path)}`;
  const got = finding.got === undefined ? "" : ` (${describe(finding.got, finding.path)})`;
  return `${who}${place} ${finding.message}${got}; allowed: ${finding.allowed}`;
}

/** Names of a house's resources are `<house>-<part>`. */
function houseOf(type: string, name: string): string | undefined {
  const [, part] = /^host:index:(Release|User)$/.exec(type) ?? [];
  const suffix = `-${part?.toLowerCase()}`;
  return part !== undefined && name.endsWith(suffix) ? name.slice(0, -suffix.length) : undefined;
}
