/** Each rule on a release that passes, with one thing broken at a time. Unknown values are the SDK's own. */
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { ResourceValidationArgs, ResourceValidationPolicy } from "@pulumi/policy";
import { describe, expect, test } from "vitest";

import type { BannedFamily } from "../../fleet/model.ts";
import { allRules } from "../../policies/rules.ts";

const banned: BannedFamily[] = [
  {
    ...{
      family: "anthropic",
      reason: "fleet policy",
      providers: ["anthropic"],
      models: ["*claude*", "anthropic/*"],
    },
    ...{ hosts: ["*.anthropic.com"], keys: ["ANTHROPIC_*"] },
  },
];
/** Stands in every secret place below; no violation may repeat it. */
const CANARY = "sk-canary0123456789abcdef";

const CONFIG = `
model: {provider: kimi-coding, default: kimi-k2.5}
fallback_providers:
  - {provider: openrouter, model: deepseek/deepseek-v3.2}
  - {provider: custom, model: qwen3-8b, base_url: "http://127.0.0.1:8081/v1"}
`;
const passing: Record<string, string> = {
  "config.yaml": CONFIG,
  "golden.yaml": "providers: [{provider: kimi-coding, model: kimi-k2.5}]\n",
  "jobs.json":
    '{"jobs": [{"prompt": "read what claude said", "provider": "kimi-coding", "model": "kimi-k2.5"}]}',
  "SOUL.md": "I am not claude.\n",
  ".env": `KIMI_API_KEY=${CANARY}\nANTHROPIC_API_KEY=\nANTHROPIC_BASE_URL=\nOPENAI_BASE_URL=https://api.openai.com/v1\n`,
};

/** The SDK wraps a resource's properties in this proxy before it calls a rule; the module is not in its public types. */
const { unknownCheckingProxy, unknownStringValue, unknownObjectValue } = createRequire(import.meta.url)(
  "@pulumi/policy/proxy",
) as {
  unknownCheckingProxy: (props: unknown) => Record<string, unknown>;
  unknownStringValue: string;
  unknownObjectValue: string;
};

function violationsOf(name: string, props: unknown, type = "host:index:Release"): string[] {
  const rule = allRules(banned).find((one) => one.name === name);
  const check = rule?.validateResource;
  if (typeof check !== "function") throw new Error(`no rule ${name}`);
  const messages: string[] = [];
  const args = { type, props: unknownCheckingProxy(props) } as unknown as ResourceValidationArgs;
  const done = check(args, (message) => messages.push(message));
  expect(done).toBeUndefined();
  expect(messages.join()).not.toContain(CANARY);
  return messages;
}

const release = (changes: Record<string, string | undefined> = {}) => ({
  files: Object.fromEntries(
    Object.entries({ ...passing, ...changes }).flatMap(([path, content]) =>
      content === undefined ? [] : [[path, { content }]],
    ),
  ),
});

describe("banned-provider", () => {
  const check = (changes?: Record<string, string | undefined>) =>
    violationsOf("banned-provider", release(changes));

  test("a clean release passes, prose and empty pins included", () => {
    expect(check()).toEqual([]);
  });

  test.each([
    ["the primary provider", "config.yaml", CONFIG.replace("kimi-coding", "anthropic"), "model.provider"],
    ["the primary model", "config.yaml", CONFIG.replace("kimi-k2.5", "claude-x"), "model.default"],
    [
      "a fallback by way of an aggregator",
      "config.yaml",
      CONFIG.replace("deepseek/deepseek-v3.2", "anthropic/x"),
      "fallback_providers[0].model",
    ],
    [
      "an endpoint",
      "config.yaml",
      `${CONFIG}providers: {x: {base_url: "https://api.anthropic.com"}}\n`,
      "providers.x.base_url",
    ],
    [
      "an auxiliary model",
      "config.yaml",
      `${CONFIG}auxiliary: {vision: {provider: anthropic}}\n`,
      "auxiliary.vision.provider",
    ],
    [
      "a provider behind a merge key",
      "config.yaml",
      `x: &x {provider: anthropic}\n${CONFIG}delegation: {<<: *x}\n`,
      "delegation.provider",
    ],
    [
      "the thin configuration",
      "golden.yaml",
      "providers: [{provider: anthropic, model: x}]",
      "providers[0].provider",
    ],
    ["an agent's job", "jobs.json", '{"jobs": [{"model": "claude-x"}]}', "jobs[0].model"],
  ])("%s", (_, path, content, where) => {
    const messages = check({ [path]: content });
    expect(messages.length).toBeGreaterThan(0);
    expect(messages.some((message) => message.startsWith(`${path}: ${where} is `))).toBe(true);
    expect(messages[0]).toContain("banned family anthropic (fleet policy)");
  });

  test.each([
    ["a credential", `ANTHROPIC_API_KEY=${CANARY}`],
    ["an exported one", `export ANTHROPIC_TOKEN="${CANARY}"`],
    ["a URL", `OPENAI_BASE_URL=https://${CANARY}@api.anthropic.com/v1`],
    ["a provider", "HERMES_INFERENCE_PROVIDER=anthropic"],
    ["a model", "HERMES_MODEL=claude-x"],
  ])("%s in .env, by its name only", (_, line) => {
    const [message, ...more] = check({ ".env": `${passing[".env"]}${line}\n` });
    expect(more).toEqual([]);
    const name = /([A-Z_]+)=/.exec(line)?.[1] ?? "";
    expect(message).toContain(`.env: ${name} belongs to the banned family anthropic`);
  });

  test.each(["config.yaml", ".env"])("a release without %s is not judged clean", (path) => {
    expect(check({ [path]: undefined })).toEqual([expect.stringContaining(`${path} is missing`)]);
  });

  test("a file that cannot be parsed is not judged clean, nor quoted", () => {
    expect(check({ "config.yaml": `key: "${CANARY}` })).toEqual([
      expect.stringContaining("config.yaml cannot be parsed"),
    ]);
  });
});

describe("golden-state", () => {
  const check = (config: string) => violationsOf("golden-state", release({ "config.yaml": config }));
  const local = '{provider: custom, model: m, base_url: "http://127.0.0.1:8081/v1"}';

  test("a chain of different providers with a local end passes", () => {
    expect(check(CONFIG)).toEqual([]);
    expect(check(`model: {provider: a, default: m}\nfallback_providers: [${local}]`)).toEqual([]);
  });

  test("a single provider is too few, also twice", () => {
    const primary = 'model: {provider: custom, default: m, base_url: "http://127.0.0.1:1/v1"}';
    expect(check(primary)).toEqual([
      expect.stringContaining("chain is custom; it must have at least two different"),
    ]);
    expect(check(`${primary}\nfallback_providers: [${local}]`)).toEqual([
      expect.stringContaining("two different"),
    ]);
  });

  test.each([
    ["an end in the cloud", "[{provider: openrouter, model: m}]"],
    ["a custom end that is not local", '[{provider: custom, model: m, base_url: "https://llm.example/v1"}]'],
    ["a custom end without a URL", "[{provider: custom, model: m}]"],
    ["a custom end with nonsense for a URL", "[{provider: custom, model: m, base_url: nonsense}]"],
    ["a local one that is not last", `[${local}, {provider: openrouter, model: m}]`],
    [
      "a local end that the harness would drop for lack of a model",
      '[{provider: b, model: m}, {provider: custom, base_url: "http://127.0.0.1/v1"}]',
    ],
  ])("%s is refused", (_, fallbacks) => {
    expect(check(`model: {provider: a, default: m}\nfallback_providers: ${fallbacks}`)).toEqual([
      expect.stringContaining("must end in provider custom"),
    ]);
  });

  test.each(["", "model: text", "[]", "fallback_providers: text"])("%j has no chain", (config) => {
    expect(check(config)).toHaveLength(2);
  });

  test("a file that cannot be parsed is not judged clean, nor quoted", () => {
    expect(check(`key: "${CANARY}`)).toEqual([expect.stringContaining("cannot be parsed")]);
  });
});

describe("what is not known at preview is a violation, because the SDK would turn the rule advisory", () => {
  test("a policed file's content", () => {
    const unknown = release({ "config.yaml": unknownStringValue });
    expect(violationsOf("golden-state", unknown)).toEqual([
      expect.stringContaining("config.yaml is not known at preview"),
    ]);
    expect(violationsOf("banned-provider", unknown)).toEqual([
      expect.stringContaining("config.yaml is not known at preview"),
    ]);
  });

  test("it does not hide what is known", () => {
    const unknown = release({ "config.yaml": unknownStringValue, ".env": `ANTHROPIC_API_KEY=${CANARY}` });
    expect(violationsOf("banned-provider", unknown)).toHaveLength(2);
  });

  test.each([
    ["all files", { files: unknownObjectValue }],
    ["one file's object", { files: { ...release().files, ".env": unknownObjectValue } }],
  ])("%s", (_, props) => {
    expect(violationsOf("banned-provider", props)).toEqual([expect.stringContaining("not known at preview")]);
  });

  test("an unknown value elsewhere is nobody's business", () => {
    expect(violationsOf("banned-provider", { ...release(), group: unknownStringValue })).toEqual([]);
  });
});

describe("the pack", () => {
  const rules: ResourceValidationPolicy[] = allRules(banned);

  test("every rule is registered under its file's name, mandatory and described", () => {
    const folder = fileURLToPath(new URL("../../policies/rules", import.meta.url));
    const helpers = ["parse.ts", "release-files.ts"];
    const files = readdirSync(folder).filter((file) => !helpers.includes(file));
    expect(rules.map((rule) => `${rule.name}.ts`).sort()).toEqual(files.sort());
    for (const rule of rules) {
      expect(rule.enforcementLevel).toBe("mandatory");
      expect(rule.description.length).toBeGreaterThan(20);
    }
  });

  test("no rule concerns itself with other resources", () => {
    for (const rule of rules) expect(violationsOf(rule.name, { files: {} }, "host:index:Files")).toEqual([]);
  });
});
