/**
 * Writes docs/policies.md from the rules themselves; a test tells when it is out of date.
 *
 *     npx tsx scripts/policy-docs.ts
 */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { format, resolveConfig } from "prettier";

import { RULE_SETTINGS, type SettingDoc } from "../fleet/rules/settings.ts";
import { LEVEL, levelOf, type Rule } from "../policies/rule.ts";
import { RULES } from "../policies/rules.ts";

export const DOCUMENT = path.join(import.meta.dirname, "..", "docs", "policies.md");

/** The document's text, formatted as the repository's other documents are. */
export async function policyDocument(): Promise<string> {
  const text = `<!-- Written by scripts/policy-docs.ts from the rules themselves. Do not edit. -->

# Policies

    npm run preview -- --policy-pack policies

runs every rule below on the very inputs that would reach a host, before anything changes, on the first preview of a
stack too. They are ${LEVEL} unless the table says otherwise: a violation ends our commands with exit code 5. It names house, resource, property, what is
wrong and what is allowed, and no value that may be secret. What is not known at preview cannot be judged, so it is a
violation of its own; but for the key and the user data of a droplet that is yet to be made, which are judged in the
update, before anything is ordered.

Nothing in Pulumi can force anybody to pass the pack. What the model alone decides is therefore decided by the same
functions whenever the fleet loads (third column), and stops every command that looks at houses or brings them up, plain \`pulumi up\` included.

| rule | what must hold | when the fleet loads | what to do about a violation |
| --- | --- | --- | --- |
${RULES.map(ruleRow).join("\n")}

## Settings

The banned families stand under \`banned:\` in wizards/fleet.yaml, all other settings under \`policies:\`, by rule:

    policies:
      cron-safe: { everyMinutes: 10 }
      soul-gate: { remoteHosts: [llm.example.org] }

What is left out has its default. Unknown rules, unknown settings and values that do not fit are errors with file and line.

| rule | setting | default | meaning |
| --- | --- | --- | --- |
${settingRows(RULE_SETTINGS).join("\n")}
`;
  return format(text, { ...(await resolveConfig(DOCUMENT)), filepath: DOCUMENT });
}

function ruleRow(rule: Rule): string {
  const { name, description, remediation, whenLoading } = rule;
  const level = levelOf(rule) === LEVEL ? "" : ` (${levelOf(rule)}: a warning)`;
  return row([`\`${name}\`${level}`, description, whenLoading, remediation]);
}

function settingRows(settings: Readonly<Record<string, Readonly<Record<string, SettingDoc>>>>): string[] {
  return Object.entries(settings).flatMap(([rule, own]) =>
    Object.entries(own).map(([name, { fallback, meaning }]) =>
      row([`\`${rule}\``, `\`${name}\``, `\`${JSON.stringify(fallback)}\``, meaning]),
    ),
  );
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(DOCUMENT, await policyDocument());
