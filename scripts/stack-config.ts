/** What our scripts refuse in stack configuration before any engine starts. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";

import { parse } from "yaml";

import { DEPLOY_SECRETS } from "../components/deploy-secrets.ts";
import { DEFAULT_STACK } from "./arguments.ts";
import { PROJECT } from "./stack.ts";

/** Configuration that is never plain text. */
const SECRET = ["keys", "harnessIndex", ...DEPLOY_SECRETS].map((key) => `${PROJECT}:${key}`);

/** All reasons to refuse, as lines for the operator; none contains a value. */
export function configProblems(root: string, stack: string, env: NodeJS.ProcessEnv): string[] {
  const files = readdirSync(root).filter((name) => /^Pulumi\..+\.ya?ml$/.test(name));
  const plain = files.flatMap((name) => plainKeys(name, readFileSync(path.join(root, name), "utf8")));
  return [...plain, ...passphraseProblem(root, stack, env)];
}

/** API keys that stand in a stack's file as plain text. */
export function plainKeys(file: string, text: string): string[] {
  const document = parse(text) as { config?: Record<string, unknown> } | null;
  const leaves = SECRET.flatMap((key) => plainLeaves(document?.config?.[key], [key]));
  return leaves.map(
    (where) =>
      `${file}: config.${where}: a secret stands here as plain text; remove it, treat it as leaked, and set a new one ` +
      `with: npx pulumi config set --secret --path ${JSON.stringify(keyPath(where))} -s ${stackOf(file)}`,
  );
}

function plainLeaves(value: unknown, where: string[]): string[] {
  if (value === undefined || value === null) return [];
  if (typeof value !== "object") return [where.join(".")];
  if ("secure" in value && Object.keys(value).length === 1) return [];
  return Object.entries(value).flatMap(([key, child]) => plainLeaves(child, [...where, key]));
}

const keyPath = (where: string): string => where.slice(`${PROJECT}:`.length);
const stackOf = (file: string): string => file.replace(/^Pulumi\.(.+)\.ya?ml$/, "$1");

/** An empty passphrase encrypts with a key everybody has. Stacks with another secrets provider do not use one. */
function passphraseProblem(root: string, stack: string, env: NodeJS.ProcessEnv): string[] {
  if (stack === DEFAULT_STACK) return [];
  const file = path.join(root, `Pulumi.${stack.split("/").at(-1)}.yaml`);
  const settings = existsSync(file)
    ? (parse(readFileSync(file, "utf8")) as { secretsprovider?: string } | null)
    : null;
  if (settings?.secretsprovider && settings.secretsprovider !== "passphrase") return [];
  const passphraseFile = env.PULUMI_CONFIG_PASSPHRASE_FILE;
  const passphrase =
    env.PULUMI_CONFIG_PASSPHRASE ??
    (passphraseFile && existsSync(passphraseFile) ? readFileSync(passphraseFile, "utf8").trim() : undefined);
  if (passphrase !== "") return [];
  return [
    `the passphrase of stack ${stack} is empty: its secrets would be readable by anyone; set PULUMI_CONFIG_PASSPHRASE ` +
      `or PULUMI_CONFIG_PASSPHRASE_FILE to the stack's own passphrase`,
  ];
}
