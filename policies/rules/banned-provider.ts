/** Rule `banned-provider`: no house may reach a banned family of models, by any of its names. */
import type { ResourceValidationPolicy } from "@pulumi/policy";

import {
  bannedInConfig,
  bannedKey,
  bannedMessage,
  bannedModel,
  bannedProvider,
  bannedUrl,
} from "../../fleet/banned.ts";
import type { BannedFamily } from "../../fleet/model.ts";
import { formatPath } from "../../fleet/problem.ts";
import { describe } from "../../fleet/redact.ts";
import { parseAsHarness } from "./parse.ts";
import { RELEASE, releaseFile, releasePaths } from "./release-files.ts";

/** Files in which a provider, a model or a URL can stand. JSON is YAML too. */
const STRUCTURED = ["config.yaml", "golden.yaml", "jobs.json"];
/** Without these there is nothing that would hold the agent to the fleet's providers. */
const REQUIRED = ["config.yaml", ".env"];

export function bannedProviderRule(banned: readonly BannedFamily[]): ResourceValidationPolicy {
  return {
    name: "banned-provider",
    description: "No release may name a banned provider, model, endpoint or credential.",
    enforcementLevel: "mandatory",
    validateResource: ({ type, props }, reportViolation) => {
      if (type === RELEASE) bannedInRelease(banned, props).forEach((message) => reportViolation(message));
    },
  };
}

/** What is banned in a release's inputs, one sentence each, without any value of `.env`. */
export function bannedInRelease(banned: readonly BannedFamily[], props: Record<string, unknown>): string[] {
  const present = releasePaths(props);
  if ("problem" in present) return [present.problem];
  const judged = (path: string, judge: (text: string) => string[]): string[] => {
    if (!present.paths.includes(path) && !REQUIRED.includes(path)) return [];
    const file = releaseFile(props, path);
    return "problem" in file ? [file.problem] : judge(file.text);
  };
  return [
    ...STRUCTURED.flatMap((path) => judged(path, (text) => bannedInYaml(banned, path, text))),
    ...judged(".env", (text) => bannedInEnv(banned, text)),
  ];
}

function bannedInYaml(banned: readonly BannedFamily[], path: string, text: string): string[] {
  const tree = parseAsHarness(text);
  if ("problem" in tree) return [`${path} ${tree.problem}`];
  return bannedInConfig(banned, tree.value).map(
    ({ family, path: at, value }) =>
      `${path}: ${formatPath(at)} is ${describe(value, at)}, which ${bannedMessage(family)}; use another`,
  );
}

/** Lines `NAME=value`. An empty value bans nothing: the golden state pins credentials and URLs to nothing that way. */
function bannedInEnv(banned: readonly BannedFamily[], text: string): string[] {
  return text.split("\n").flatMap((line) => {
    const [, name = "", quoted = ""] = /^\s*(?:export\s+)?([^=#\s]+)\s*=(.*)$/.exec(line) ?? [];
    const value = quoted.trim().replace(/^(["'])(.*)\1$/, "$2");
    if (value === "") return [];
    const family =
      bannedKey(banned, name) ??
      (name.endsWith("_PROVIDER") ? bannedProvider(banned, value) : undefined) ??
      (name.endsWith("_MODEL") ? bannedModel(banned, value) : undefined) ??
      (name.endsWith("_URL") || value.includes("://") ? bannedUrl(banned, value) : undefined);
    return family === undefined
      ? []
      : [`.env: ${name} ${bannedMessage(family)}, by its name or its value; remove it`];
  });
}
