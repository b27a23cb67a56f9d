/** Rule `golden-state`: a house keeps thinking when a provider is gone, and when the internet is. */
import type { ResourceValidationPolicy } from "@pulumi/policy";

import { isLocal } from "../../fleet/house.ts";
import type { ProviderEntry } from "../../fleet/model.ts";
import { parseAsHarness } from "./parse.ts";
import { RELEASE, releaseFile } from "./release-files.ts";

export const goldenStateRule: ResourceValidationPolicy = {
  name: "golden-state",
  description: "Every house has a chain of at least two different providers, and the last one is local.",
  enforcementLevel: "mandatory",
  validateResource: ({ type, props }, reportViolation) => {
    if (type === RELEASE) goldenStateProblems(props).forEach((message) => reportViolation(message));
  },
};

/** What is wrong with the provider chain in a release's inputs, one sentence each. */
export function goldenStateProblems(props: Record<string, unknown>): string[] {
  const file = releaseFile(props, "config.yaml");
  if ("problem" in file) return [file.problem];
  const config = parseAsHarness(file.text);
  if ("problem" in config) return [`config.yaml ${config.problem}`];
  const chain = providerChain(config.value);
  const names = chain.map((link) => link.provider);
  const shown = names.join(", ") || "nothing";
  const problems: string[] = [];
  if (new Set(names).size < 2) {
    problems.push(
      `config.yaml: the provider chain is ${shown}; it must have at least two different providers`,
    );
  }
  const last = chain.at(-1);
  if (last === undefined || !isLocal(last)) {
    problems.push(
      `config.yaml: the provider chain (${shown}) must end in provider custom with a base_url on the house's own ` +
        `machine, so that it answers when the network is gone`,
    );
  }
  return problems;
}

/** `model`, then `fallback_providers`; entries the harness would drop for lack of a provider or model do not count. */
function providerChain(config: unknown): ProviderEntry[] {
  const model = field(config, "model");
  const primary = {
    provider: field(model, "provider"),
    model: field(model, "default"),
    base_url: field(model, "base_url"),
  };
  const fallbacks = field(config, "fallback_providers");
  return [primary, ...(Array.isArray(fallbacks) ? fallbacks : [])].flatMap((entry: unknown) => {
    const link = { provider: text(field(entry, "provider")), model: text(field(entry, "model")) };
    if (link.provider === "" || link.model === "") return [];
    const baseUrl = text(field(entry, "base_url"));
    return [URL.canParse(baseUrl) ? { ...link, baseUrl } : link];
  });
}

function field(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)[key]
    : undefined;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
