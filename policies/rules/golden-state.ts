/** Rule `golden-state`: a house keeps thinking when a provider is gone, and its agent cannot think otherwise. */
import { isMap } from "../../fleet/merge.ts";
import type { HarnessFacts } from "../../fleet/harness/facts.ts";
import type { ProviderEntry } from "../../fleet/model.ts";
import { at, DERIVED, leaves, steeringPins } from "../../fleet/pins.ts";
import { chainFindings } from "../../fleet/rules/chain.ts";
import type { Finding } from "../../fleet/rules/finding.ts";
import { assignment, shellWords, unitDirectives } from "../../fleet/rules/words.ts";
import type { Path } from "../../fleet/problem.ts";
import type { Inputs } from "../inputs.ts";
import { inEnv, inTree, RELEASE } from "../release.ts";
import type { ResourceRule } from "../rule.ts";

export const goldenState: ResourceRule = {
  name: "golden-state",
  description:
    "Every house has a chain of independent providers that ends in a local one, and its release wins over whatever the agent writes.",
  remediation:
    "Add a provider of another company, and end the chain in provider custom with a base URL on the house's own host.",
  whenLoading: "the model's part",
  types: [RELEASE],
  judge:
    ({ policies, facts }) =>
    ({ inputs }) => [
      ...inTree(inputs, "config.yaml", (config) => [
        ...chainOf(config, (chain) => chainFindings(chain, policies["golden-state"], facts)),
        ...pinFindings(config, facts),
      ]),
      ...inEnv(inputs, (env) => steeringFindings(env, facts)),
      ...managedScopeFindings(inputs),
    ],
};

/** Findings on the chain a configuration makes, at the places of its links. */
function chainOf(config: unknown, judge: (chain: readonly ProviderEntry[]) => Finding[]): Finding[] {
  const links = providerLinks(config);
  return judge(links.map(({ entry }) => entry)).map(({ path: [index, ...rest], ...finding }) => ({
    ...finding,
    path: typeof index === "number" ? [...(links[index]?.path ?? []), ...rest] : ["fallback_providers"],
  }));
}

/** `model`, then `fallback_providers`; entries the harness would drop for lack of a provider or model do not count. */
function providerLinks(config: unknown): { path: Path; entry: ProviderEntry }[] {
  const model = at(config, ["model"]);
  const primary = { ...(isMap(model) ? model : {}), model: at(model, ["default"]) };
  const fallbacks = at(config, ["fallback_providers"]);
  const written: [Path, unknown][] = [
    [["model"], primary],
    ...(Array.isArray(fallbacks) ? fallbacks : []).map((link: unknown, index): [Path, unknown] => [
      ["fallback_providers", index],
      link,
    ]),
  ];
  return written.flatMap(([path, link]) => {
    const [provider, name, url] = ["provider", "model", "base_url"].map((key) => text(at(link, [key])));
    if (!provider || !name) return [];
    return [{ path, entry: { provider, model: name, ...(url && { baseUrl: url }) } }];
  });
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** The managed scope merges leaf by leaf: a leaf that can steer the harness and is left out belongs to the agent. */
function pinFindings(config: unknown, facts: HarnessFacts): Finding[] {
  const pinned = [...leaves(steeringPins({}, facts)).map(([path]) => path), ...DERIVED];
  return pinned.flatMap((path): Finding[] =>
    at(config, path) === undefined
      ? [
          {
            path,
            message: "is not pinned, so the agent's own value would count",
            allowed: "the golden layer's value",
          },
        ]
      : [],
  );
}

/** Variables beat the configuration, so each that can steer the harness is set, if only to nothing. */
function steeringFindings(env: ReadonlyMap<string, string>, { steeringVariables }: HarnessFacts): Finding[] {
  return steeringVariables.flatMap((name): Finding[] =>
    env.has(name)
      ? []
      : [
          {
            path: [name],
            message: "is not pinned, so the agent's own value would count",
            allowed: "an empty value",
          },
        ],
  );
}

/** The gateway's unit points the harness at the release and puts the release's files over the agent's. */
function managedScopeFindings(inputs: Inputs): Finding[] {
  return inputs.judgeAll([["house"], ["health", "unit"]], (house, unit) => {
    if (typeof unit !== "string" || typeof house !== "string") {
      return [{ path: ["health", "unit"], message: "is missing", allowed: "the name of the gateway's unit" }];
    }
    const path = ["units", unit, "content"];
    return inputs.judge(path, (content) => {
      const directives = unitDirectives(text(content)).filter(({ section }) => section === "Service");
      const wordsOf = (name: string): string[] =>
        directives.filter((one) => one.name === name).flatMap(({ value }) => shellWords(value));
      const scope = wordsOf("Environment")
        .flatMap((word) => [assignment(word)])
        .findLast((set) => set?.[0] === "HERMES_MANAGED_DIR")?.[1];
      const wanted = [".env", "config.yaml"].map((file) => `${house}/current/${file}:${house}/home/${file}`);
      const mounted = wordsOf("BindReadOnlyPaths");
      return [
        ...(scope === `${house}/current`
          ? []
          : [
              lacking(
                "Environment",
                `HERMES_MANAGED_DIR=${house}/current, or the agent's configuration wins`,
              ),
            ]),
        ...wanted
          .filter((mount) => !mounted.includes(mount))
          .map((mount) => lacking("BindReadOnlyPaths", `${mount}, or the agent's own file counts`)),
      ];
    });
  });
}

function lacking(directive: string, allowed: string): Finding {
  return { path: [directive], message: "does not put the release over the agent's files", allowed };
}
