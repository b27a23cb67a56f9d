/** What a change of wizards/fleet.yaml allows that was not allowed before: somebody has to look at it. Pure. */
import type { BannedFamily } from "../model.ts";
import type { Rulebook } from "./model.ts";
import type { PolicySettings } from "./settings.ts";

/** Which way a setting is looser: a greater number, a smaller one, more items, fewer, `true`, `false`. */
type Looser = "greater" | "smaller" | "more" | "fewer" | "true" | "false";

const LOOSER: { [Rule in keyof PolicySettings]: { [Setting in keyof PolicySettings[Rule]]: Looser } } = {
  "soul-gate": { remoteHosts: "more", ttsProviders: "more", sttProviders: "more" },
  "golden-state": { providers: "smaller" },
  "deadman-present": { maxGrace: "greater", maxRetries: "greater" },
  "request-log-present": { maxTotal: "greater" },
  "deploy-hook-signed": { minSecret: "smaller" },
  "cron-safe": { everyMinutes: "smaller" },
  "ports-unique": { reserved: "fewer" },
  "secrets-stay-secret": { minEntropy: "greater", public: "more" },
  "file-modes": { worldReadable: "more" },
  "unit-hardened": { capabilities: "more" },
  "ssh-pinned": { sharedKeys: "true" },
  droplet: { regions: "more", sizes: "more", monthly: "greater", tags: "fewer", backups: "false" },
};

/** One line for everything that `after` allows and `before` did not; empty if nothing is looser. */
export function loosenings(
  before: Pick<Rulebook, "banned" | "policies">,
  after: Pick<Rulebook, "banned" | "policies">,
): string[] {
  return [
    ...bannedLoosenings(before.banned, after.banned),
    ...settingLoosenings(before.policies, after.policies),
  ];
}

function bannedLoosenings(before: readonly BannedFamily[], after: readonly BannedFamily[]): string[] {
  // By pattern and not by family: a pattern that moves to another family still bans.
  return (["providers", "models", "hosts", "keys"] as const).flatMap((kind) => {
    const kept = new Set(after.flatMap((family) => family[kind].map((pattern) => pattern.toLowerCase())));
    return before.flatMap((family) =>
      family[kind]
        .filter((pattern) => !kept.has(pattern.toLowerCase()))
        .map((pattern) => `banned: ${family.family} no longer bans ${kind} ${JSON.stringify(pattern)}`),
    );
  });
}

function settingLoosenings(before: PolicySettings, after: PolicySettings): string[] {
  return Object.entries(LOOSER).flatMap(([rule, settings]) =>
    Object.entries(settings as Record<string, Looser>).flatMap(([setting, direction]) => {
      const [was, is] = [before, after].map(
        (all) => (all as unknown as Record<string, Record<string, unknown>>)[rule]?.[setting],
      );
      return isLooser(was, is, direction)
        ? [`policies.${rule}.${setting}: ${JSON.stringify(was)} → ${JSON.stringify(is)}`]
        : [];
    }),
  );
}

function isLooser(was: unknown, is: unknown, direction: Looser): boolean {
  switch (direction) {
    case "greater":
      return Number(is) > Number(was);
    case "smaller":
      return Number(is) < Number(was);
    case "more":
      return !contains(was, is);
    case "fewer":
      return !contains(is, was);
    case "true":
    case "false":
      return was !== is && String(is) === direction;
  }
}

/** Whether every item of `inner` is one of `outer`: of lists, or of maps by key and value. */
function contains(outer: unknown, inner: unknown): boolean {
  const items = (value: unknown): string[] =>
    Array.isArray(value)
      ? value.map((item) => JSON.stringify(item))
      : Object.entries(value as object).map((entry) => JSON.stringify(entry));
  const all = new Set(items(outer));
  return items(inner).every((item) => all.has(item));
}
