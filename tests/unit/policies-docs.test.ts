/** docs/policies.md is what the rules say. */
import { readFileSync } from "node:fs";

import { expect, test } from "vitest";

import { RULE_SETTINGS } from "../../fleet/rules/settings.ts";
import { RULES } from "../../policies/rules.ts";
import { DOCUMENT, policyDocument } from "../../scripts/policy-docs.ts";

test("the document is current: npx tsx scripts/policy-docs.ts", async () => {
  expect(readFileSync(DOCUMENT, "utf8")).toBe(await policyDocument());
});

test("it has a row for every rule, and every setting belongs to a rule and is described", async () => {
  const text = await policyDocument();
  for (const { name } of RULES) expect(text).toMatch(new RegExp(`^\\| \`${name}\``, "m"));
  for (const [rule, settings] of Object.entries(RULE_SETTINGS)) {
    expect(RULES.map(({ name }) => name)).toContain(rule);
    for (const { meaning } of Object.values(settings)) expect(meaning).toMatch(/^[A-Z].{20,}\.$/s);
  }
});
