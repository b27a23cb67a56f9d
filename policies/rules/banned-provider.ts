/** Rule `banned-provider`: no house may reach a banned family of models, by any of its names. */
import {
  bannedInCommand,
  bannedInConfig,
  bannedInScript,
  bannedInUnit,
  bannedVariable,
} from "../../fleet/banned.ts";
import { bannedMessage } from "../../fleet/rules/banned-names.ts";
import type { Finding } from "../../fleet/rules/finding.ts";
import { bannedFindings, effectiveFindings, type Rulebook } from "../../fleet/rules/model.ts";
import type { BannedFamily } from "../../fleet/model.ts";
import { envOf, inCron, inEnv, inFile, inOptionalFile, inTree, inUnits, RELEASE } from "../release.ts";
import type { Resource, ResourceRule } from "../rule.ts";

export const bannedProvider: ResourceRule = {
  name: "banned-provider",
  description:
    "No house reaches a banned family of models, by whatever name: providers, models, URLs, credentials, jobs, command lines, units, the harness's own defaults.",
  remediation:
    "Use a provider of another family. The families stand under banned in wizards/fleet.yaml; patterns are matched on what is parsed, never on prose.",
  whenLoading: "the model's part",
  types: [RELEASE],
  judge: (rulebook) => (release) => [
    ...configFindings(release, rulebook),
    ...envFindings(release, rulebook.banned),
    ...programFindings(release, rulebook.banned),
  ],
};

function configFindings({ inputs }: Resource, rulebook: Rulebook): Finding[] {
  const { banned, facts } = rulebook;
  const surroundings = { env: envOf(inputs), facts };
  const judge = (tree: unknown) => bannedFindings(bannedInConfig(banned, tree, surroundings));
  return [
    ...inTree(inputs, "config.yaml", (tree) => [
      ...judge(tree),
      ...effectiveFindings((tree ?? {}) as Record<string, unknown>, rulebook),
    ]),
    ...["golden.yaml", "jobs.json"].flatMap((path) =>
      inOptionalFile(inputs, path, () => inTree(inputs, path, judge)),
    ),
  ];
}

/** By names only: a value of `.env` may be a secret. */
function envFindings({ inputs }: Resource, banned: readonly BannedFamily[]): Finding[] {
  return inEnv(inputs, (env) =>
    [...env].flatMap(([name, value]) => {
      const family = bannedVariable(banned, name, value);
      if (family === undefined) return [];
      const message = `${bannedMessage(family)}, by its name or its value`;
      return [{ path: [name], message, allowed: "no such variable, or an empty one" }];
    }),
  );
}

/** What would run: units, cron entries, the check of a release, scripts of the agent's jobs. */
function programFindings({ inputs }: Resource, banned: readonly BannedFamily[]): Finding[] {
  const command = (words: unknown): Finding[] => {
    const family = bannedInCommand(banned, Array.isArray(words) ? words.map(String) : []);
    return family === undefined ? [] : [finding(family)];
  };
  return [
    ...inUnits(inputs, (text) =>
      bannedInUnit(banned, text).map(({ family, path }) => ({ ...finding(family), path })),
    ),
    ...inCron(inputs, (entry) => command(entry["command"])),
    ...inputs.judge(["check", "argv"], command),
    ...inputs.each(["files"], (path) =>
      /^scripts\//.test(path)
        ? inFile(inputs, path, (text) => bannedInScript(banned, text).map(finding))
        : [],
    ),
  ];
}

/** Without the value: a command line may hold a secret. */
function finding(family: BannedFamily): Finding {
  return { path: [], message: `calls what ${bannedMessage(family)}`, allowed: "another family" };
}
