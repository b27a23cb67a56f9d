/** Every setting and every banned pattern, made looser and made stricter. */
import { describe, expect, test } from "vitest";

import type { Rulebook } from "../../fleet/rules/model.ts";
import { loosenings } from "../../fleet/rules/loosening.ts";
import { DEFAULT_SETTINGS, RULE_SETTINGS } from "../../fleet/rules/settings.ts";

const family = {
  ...{ family: "acme", reason: "policy", providers: ["acme"], models: ["acme-*"] },
  ...{ hosts: ["*.acme.test"], keys: ["ACME_*"] },
};
const book = (policies: object = {}, banned = [family]): Pick<Rulebook, "banned" | "policies"> => ({
  banned,
  policies: { ...DEFAULT_SETTINGS, ...policies },
});
type Case = [rule: keyof typeof DEFAULT_SETTINGS, setting: string, looser: unknown];

const cases: Case[] = [
  ["soul-gate", "remoteHosts", ["evil.example"]],
  ["soul-gate", "ttsProviders", [...DEFAULT_SETTINGS["soul-gate"].ttsProviders, "parrot"]],
  ["soul-gate", "sttProviders", [...DEFAULT_SETTINGS["soul-gate"].sttProviders, "parrot"]],
  ["golden-state", "providers", 1],
  ["deadman-present", "maxGrace", 86_400],
  ["deadman-present", "maxRetries", 20],
  ["request-log-present", "maxTotal", 3_000_000_000],
  ["deploy-hook-signed", "minSecret", 16],
  ["cron-safe", "everyMinutes", 1],
  ["secrets-stay-secret", "minEntropy", 6],
  ["secrets-stay-secret", "public", ["a-word-that-looks-odd"]],
  ["file-modes", "worldReadable", ["/etc/", "/usr/local/", "/srv/"]],
  ["unit-hardened", "capabilities", ["CAP_NET_BIND_SERVICE", "CAP_SYS_ADMIN"]],
  ["ssh-pinned", "sharedKeys", true],
  ["droplet", "regions", ["ams3", "fra1", "nyc3", "sgp1"]],
  ["droplet", "sizes", { ...DEFAULT_SETTINGS.droplet.sizes, "m-32vcpu-256gb": 1 }],
  ["droplet", "monthly", 1000],
  ["droplet", "tags", []],
  ["droplet", "backups", false],
];

describe.each(cases)("%s.%s", (rule, setting, looser) => {
  const changed = book({ [rule]: { ...DEFAULT_SETTINGS[rule], [setting]: looser } });

  test("made looser is named, with what it was and is", () => {
    const [line, ...more] = loosenings(book(), changed);
    expect(more).toEqual([]);
    expect(line).toBe(
      `policies.${rule}.${setting}: ${JSON.stringify(DEFAULT_SETTINGS[rule][setting as never])} → ${JSON.stringify(looser)}`,
    );
  });

  test("made stricter is not", () => expect(loosenings(changed, book())).toEqual([]));
});

test("a reserved port that is none any more", () => {
  const reserved = book({ "ports-unique": { reserved: [8080] } });
  expect(loosenings(reserved, book())).toEqual(["policies.ports-unique.reserved: [8080] → []"]);
  expect(loosenings(book(), reserved)).toEqual([]);
});

test("every setting has a direction that is tried", () => {
  const all = Object.entries(RULE_SETTINGS).flatMap(([rule, own]) =>
    Object.keys(own).map((name) => `${rule}.${name}`),
  );
  const tried = [...cases.map(([rule, setting]) => `${rule}.${setting}`), "ports-unique.reserved"];
  expect(tried.sort()).toEqual(all.sort());
});

test("banned patterns that are gone; one that moved to another family or only changed case still bans", () => {
  expect(loosenings(book(), book({}, [{ ...family, models: [] }]))).toEqual([
    'banned: acme no longer bans models "acme-*"',
  ]);
  expect(loosenings(book(), book({}, []))).toHaveLength(4);
  expect(loosenings(book(), book({}, [{ ...family, family: "other", keys: ["acme_*", "B_*"] }]))).toEqual([]);
});
