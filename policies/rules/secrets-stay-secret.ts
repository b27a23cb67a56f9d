/** Rule `secrets-stay-secret`: nothing that looks like a key, and no value of `.env`, stands anywhere else. */
import type { Finding } from "../../fleet/rules/finding.ts";
import type { Rulebook } from "../../fleet/rules/model.ts";
import { copiedSecrets, secretsInText, secretsInTree } from "../../fleet/rules/secrets.ts";
import { isKnownSecret } from "../../fleet/redact.ts";
import type { Inputs } from "../inputs.ts";
import { envOf, inFile, inTree, inUnits, RELEASE } from "../release.ts";
import type { ResourceRule } from "../rule.ts";

/** The one file for secrets. */
const SECRET_FILE = ".env";
/** Root's alone, and made to hold URLs in which a token may stand. */
const URL_FILE = "deadman/deadman.conf";
const FILES = "host:index:Files";
const UNIT = "host:index:Unit";

export const secretsStaySecret: ResourceRule = {
  name: "secrets-stay-secret",
  description:
    "Keys stand in .env and nowhere else: no known key, no random word and no value of .env in any other file, unit or command.",
  remediation:
    "Take the value out, revoke it if it was committed, set it as a secret of the stack, and refer to it as ${NAME} with NAME among the house's keys.",
  whenLoading: "the model's part",
  types: [RELEASE, FILES, UNIT],
  judge: ({ policies }) => {
    const settings = policies["secrets-stay-secret"];
    // Scripts are the same in every house.
    const known = new Map<string, Finding[]>();
    const inText = (text: string): Finding[] => {
      const found = known.get(text) ?? secretsInText(text, settings);
      known.set(text, found);
      return found;
    };
    return ({ type, inputs }) => {
      if (type === UNIT)
        return inputs.judge(["content"], (text) => secretsInText(String(text ?? ""), settings));
      const env = type === RELEASE ? envOf(inputs) : new Map<string, string>();
      const judge = (text: string): Finding[] => [...inText(text), ...copyFindings(env, text)];
      return [
        ...inputs.each(["files"], (path) =>
          path === SECRET_FILE ? [] : fileFindings(inputs, path, judge, settings),
        ),
        ...inUnits(inputs, judge),
        ...["cron", "check", "health", "links", "directories"].flatMap((part) =>
          inputs.judge([part], (tree) => leavesOf(tree, judge)),
        ),
      ];
    };
  },
};

function fileFindings(
  inputs: Inputs,
  path: string,
  judge: (text: string) => Finding[],
  settings: Rulebook["policies"]["secrets-stay-secret"],
): Finding[] {
  if (path === "config.yaml") {
    return [
      ...inTree(inputs, path, (tree) => secretsInTree(tree, settings)),
      ...inFile(inputs, path, (text) => copyFindings(envOf(inputs), text)),
    ];
  }
  return inFile(inputs, path, (text) => {
    if (path !== URL_FILE) return judge(text);
    return [
      ...(isKnownSecret(text) ? secretsInText(text, settings) : []),
      ...copyFindings(envOf(inputs), text),
    ];
  });
}

function copyFindings(env: ReadonlyMap<string, string>, text: string): Finding[] {
  return copiedSecrets(env, text).map((name) => ({
    path: [],
    message: `holds the value of ${name}`,
    allowed: `\${${name}}, or nothing of it`,
  }));
}

function leavesOf(
  value: unknown,
  judge: (text: string) => Finding[],
  path: (string | number)[] = [],
): Finding[] {
  if (typeof value === "string")
    return judge(value).map((finding) => ({ ...finding, path: [...path, ...finding.path] }));
  if (Array.isArray(value)) return value.flatMap((item, index) => leavesOf(item, judge, [...path, index]));
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => leavesOf(inner, judge, [...path, key]));
}
