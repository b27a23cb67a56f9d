/** Rule `secrets-stay-secret`: nothing that looks like a key, and no value of the files for secrets, stands anywhere else. */
import type { Finding } from "../../fleet/rules/finding.ts";
import { CREDENTIALS } from "../../fleet/rules/file-modes.ts";
import { copiedSecrets, secretsInText, secretsInTree, secretVariables } from "../../fleet/rules/secrets.ts";
import { envOf, inFile, inTree, inUnits, RELEASE } from "../release.ts";
import type { ResourceRule } from "../rule.ts";

/** The agent's secrets. */
const ENV = ".env";
/** What root alone may know of the deadman switch: the agent must not have it either. */
const OF_ROOT = "deadman/secrets.conf";
const FILES = "host:index:Files";
const UNIT = "host:index:Unit";

export const secretsStaySecret: ResourceRule = {
  name: "secrets-stay-secret",
  description:
    "Keys stand in .env, those of the deadman switch in deadman/secrets.conf, and nowhere else: no known key, no random word and none of their values in any other file, unit or command.",
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
      const env = type === RELEASE ? secretVariables(envOf(inputs)) : [];
      const ofRoot = type === RELEASE ? [...envOf(inputs, OF_ROOT)] : [];
      const judge = (text: string): Finding[] => [
        ...inText(text),
        ...copyFindings([...env, ...ofRoot], text),
      ];
      return [
        ...inputs.each(["files"], (path) => {
          // Outside of houses systemd's folder for credentials is the place.
          if (type === FILES && path.startsWith(CREDENTIALS)) return [];
          if (path === ENV) return inFile(inputs, path, (text) => copyFindings(ofRoot, text));
          if (path === OF_ROOT) return inFile(inputs, path, (text) => copyFindings(env, text));
          if (path !== "config.yaml") return inFile(inputs, path, judge);
          return [
            ...inTree(inputs, path, (tree) => secretsInTree(tree, settings)),
            ...inFile(inputs, path, (text) => copyFindings([...env, ...ofRoot], text)),
          ];
        }),
        ...inUnits(inputs, judge),
        ...["cron", "check", "health", "links", "directories"].flatMap((part) =>
          inputs.judge([part], (tree) => leavesOf(tree, judge)),
        ),
      ];
    };
  },
};

function copyFindings(secrets: readonly [string, string][], text: string): Finding[] {
  return copiedSecrets(secrets, text).map((name) => ({
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
