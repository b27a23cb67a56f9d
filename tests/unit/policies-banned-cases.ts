/**
 * What the rule `banned-provider` takes for banned and what not, as data, and one function that runs all of it. The unit
 * tests name each case; the mutation run asks only whether any fails.
 */
import type * as banned from "../../fleet/banned.ts";
import type { BannedFamily } from "../../fleet/model.ts";
import type * as names from "../../fleet/rules/banned-names.ts";
import type * as words from "../../fleet/rules/words.ts";

export type Subject = typeof banned & typeof names & typeof words;

export const FAMILIES: readonly BannedFamily[] = [
  {
    family: "anthropic",
    reason: "fleet policy",
    providers: ["anthropic", "anthropic-*", "*-anthropic", "claude", "claude-*"],
    models: ["anthropic/*", "anthropic.*", "*claude*"],
    hosts: ["*.anthropic.com", "*.claude.ai", "exact.example"],
    keys: ["ANTHROPIC_*", "*_ANTHROPIC_*", "CLAUDE_*"],
  },
  {
    family: "acme",
    reason: "another family",
    providers: ["acme"],
    models: ["acme-?.+"],
    hosts: ["*.acme.test", "*.UPPER.test", "barehost"],
    keys: ["ACME_KEY"],
  },
  // Everything of the first one's again: the first that fits is named.
  {
    ...{ family: "shadow", reason: "never first", providers: ["claude"], models: ["*claude*"] },
    ...{ hosts: ["*.anthropic.com"], keys: ["ANTHROPIC_*"] },
  },
];

const FACTS = {
  defaults: {
    auxiliary: { vision: { provider: "auto", model: "" }, title: { provider: "acme", model: "m" } },
    moa: { presets: { default: { reference_models: [{ provider: "anthropic", model: "x" }] } } },
    tts: { url: "https://api.anthropic.com" },
  },
  providers: {
    hidden: { auth: "api_key", keys: ["HIDDEN_KEY"], url: "https://api.anthropic.com/v1", urlVariable: "" },
    keyed: { auth: "api_key", keys: ["ACME_KEY", "OTHER"], url: "https://api.example.org", urlVariable: "" },
    second: { auth: "api_key", keys: ["OTHER", "ACME_KEY"], url: "https://api.example.org", urlVariable: "" },
    keyless: { auth: "oauth", keys: [], url: "https://api.example.org", urlVariable: "" },
    minimax: {
      auth: "api_key",
      keys: ["MINIMAX_API_KEY"],
      url: "https://api.minimax.io/anthropic",
      urlVariable: "",
    },
  },
};

/** The family's name for what is banned, `undefined` for what is not. */
type Verdict = string | undefined;
const A = "anthropic";

interface Table<Input> {
  judge: (subject: Subject, input: Input) => unknown;
  cases: readonly (readonly [Input, unknown])[];
}

/** One function under test with its cases. */
const table = <Input>(judge: Table<Input>["judge"], cases: Table<Input>["cases"]): Table<never> =>
  ({ judge, cases }) as unknown as Table<never>;

const family = (found: { family: string } | undefined): Verdict => found?.family;
/** Paths of what is found in a configuration, in order. */
const found = (violations: readonly { path: readonly (string | number)[] }[]): string =>
  violations.map(({ path }) => path.join(".")).join(" ");

export const TABLES: Readonly<Record<string, Table<never>>> = {
  "provider ids": table<string>(
    (subject, id) => family(subject.bannedProvider(FAMILIES, id)),
    [
      ["anthropic", A],
      ["Anthropic", A],
      ["  claude\t", A],
      ["claude-code", A],
      ["my-anthropic", A],
      ["custom:claude", A],
      ["  claude  ", A],
      ["ＡＮＴＨＲＯＰＩＣ", A],
      ["ａｎｔｈｒｏｐｉｃ", A],
      ["%61nthropic", A],
      ["%2561nthropic", A],
      ["anth\u200bropic", A],
      ["ACME", "acme"],
      ["acme2", undefined],
      ["xacme", undefined],
      ["custom:other", undefined],
      ["xcustom:claude", undefined],
      ["clacustom:ude", undefined],
      ["%252561nthropic", undefined],
      ["anthropicx", undefined],
      ["minimax", undefined],
      ["%zz", undefined],
      ["%25zz", undefined],
      ["", undefined],
    ],
  ),
  "model names": table<string>(
    (subject, model) => family(subject.bannedModel(FAMILIES, model)),
    [
      ["anthropic/claude-opus-4.8", A],
      ["CLAUDE-3", A],
      ["us.anthropic.v1:0", A],
      ["publishers/anthropic/models/x", A],
      ["x:anthropic/y", A],
      ["~anthropic/some-model", A],
      ["x@anthropic/y", A],
      ["anthropic%2Fx", A],
      ["x\nclaude\ny", A],
      ["acme-?.+", "acme"],
      ["z/acme-?.+", "acme"],
      ["acme-xx", undefined],
      ["acme-?.+2", undefined],
      ["deepseek/deepseek-v3.2", undefined],
      ["some-anthropic/x", undefined],
      ["x-anthropic.y", undefined],
      ["anthropic", undefined],
      ["", undefined],
    ],
  ),
  "credentials' names": table<string>(
    (subject, name) => family(subject.bannedKey(FAMILIES, name)),
    [
      ["ANTHROPIC_API_KEY", A],
      ["claude_code_oauth_token", A],
      ["AZURE_ANTHROPIC_KEY", A],
      ["ACME_KEY", "acme"],
      ["MY_ACME_KEY", undefined],
      ["KIMI_API_KEY", undefined],
      ["ANTHROPIC", undefined],
    ],
  ),
  URLs: table<string>(
    (subject, url) => family(subject.bannedUrl(FAMILIES, url)),
    [
      ["https://api.anthropic.com/v1", A],
      ["https://API.ANTHROPIC.COM./v1", A],
      ["https://api.anthropic.com../v1", A],
      ["https://anthropic.com", A],
      ["https://exact.example", A],
      ["https://act.example", undefined],
      ["https://x.UPPER.test", "acme"],
      ["https://upper.test", "acme"],
      ["https://barehost/", "acme"],
      ["https://relay.example/barehost", undefined],
      ["api.anthropic.com/?u=http://x", A],
      ["grpc://api。claude。ai", A],
      ["https://sub.exact.example", undefined],
      ["https://user:pw@api.anthropic.com:8443/x", A],
      ["https://api.anthropic.com@example.org/", undefined],
      ["api.anthropic.com/v1", A],
      ["//api.anthropic.com/v1", A],
      ["https:\\\\api.anthropic.com", A],
      ["https://api.%61nthropic.com", A],
      ["https://api。anthropic。com", A],
      ["wss://api.claude.ai/socket", A],
      ["grpc+tls://api.claude.ai:443", A],
      ["https://relay.example/https://api.anthropic.com/v1", A],
      ["https://relay.example/api.anthropic.com/v1", A],
      ["https://relay.example//api.anthropic.com/v1", A],
      ["https://relay.example/?url=https%3A%2F%2Fapi.anthropic.com", A],
      ["https://relay.example/?url=https%253A%252F%252Fapi.anthropic.com", A],
      ["https://relay.example/x#https://api.anthropic.com", A],
      ["https://relay.example/?u=https://api.anthropic.com&x=1", A],
      ["https://us-east5-aiplatform.googleapis.com/v1/projects/p/publishers/anthropic/models/x", A],
      [
        "https://us-east5-aiplatform.googleapis.com/v1/projects/p/publishers/anthropic/models/claude-x:rawPredict",
        A,
      ],
      ["https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.x/invoke", A],
      ["https://openrouter.ai/api/v1/models/anthropic/x", A],
      ["https://openrouter.ai/api/v1/models/other?x=claude", undefined],
      ["https://api.minimax.io/anthropic", undefined],
      ["https://api.example.com/v1?model=anthropic.com", undefined],
      ["https://anthropic.com.example.org", undefined],
      ["https://notanthropic.com", undefined],
      ["https://example.org/docs/anthropic.com.html", undefined],
      ["http://127.0.0.1:8081/v1", undefined],
      ["http://x.acme.test", "acme"],
      ["https://[", undefined],
      ["", undefined],
    ],
  ),
  "what a message says": table<string>(
    (subject, name) => {
      const one = FAMILIES.find((other) => other.family === name);
      return one && subject.bannedMessage(one);
    },
    [["acme", "belongs to the banned family acme (another family)"]],
  ),
  variables: table<readonly [string, string]>(
    (subject, [name, value]) => family(subject.bannedVariable(FAMILIES, name, value)),
    [
      [["ANTHROPIC_API_KEY", "x"], A],
      [["ANTHROPIC_API_KEY", ""], undefined],
      [["ANTHROPIC_API_KEY", "  "], undefined],
      [["HERMES_INFERENCE_PROVIDER", "claude"], A],
      [["hermes_inference_provider", "claude"], A],
      [["hermes_model", "anthropic/x"], A],
      [["HERMES_PROVIDERS", "claude"], undefined],
      [["HERMES_MODEL", "anthropic/x"], A],
      [["HERMES_MODEL_X", "claude"], undefined],
      [["SOME_NOTE", "claude"], undefined],
      [["OPENAI_BASE_URL", "api.anthropic.com"], A],
      [["OPENAI_API_BASE", "api.anthropic.com"], A],
      [["LLM_HOST", "api.anthropic.com"], A],
      [["LLM_ENDPOINT", "api.anthropic.com"], A],
      [["llm_url", "api.anthropic.com"], A],
      [["LLM_URL_NOTE", "api.anthropic.com"], undefined],
      [["PROXY", "https://api.anthropic.com"], A],
      [["PROXY", "api.anthropic.com"], undefined],
      [["OPENAI_BASE_URL", "https://api.openai.com"], undefined],
    ],
  ),
  "command lines": table<readonly string[]>(
    (subject, command) => family(subject.bannedInCommand(FAMILIES, command)),
    [
      [["/usr/local/bin/claude", "-p", "hello"], A],
      [["claude"], A],
      [["/usr/bin/env", "claude"], A],
      [["/usr/bin/env", "HOME=/x", "claude"], A],
      [["nice", "-n", "19", "claude"], A],
      [["timeout", "30s", "claude"], A],
      [["timeout", "5", "nohup", "claude"], A],
      [["sudo", "-u", "claude"], A],
      [["npx", "-y", "@anthropic-ai/claude-code@1.0"], A],
      [["npx", "claude-code"], A],
      [["sh", "-c", "true; claude -p x"], A],
      [["sh", "-ec", "true && claude"], A],
      [["sh", "-c", "true", "claude"], undefined],
      [["grep", "-c", "claude"], undefined],
      [["/bin/sh", "-c", "exec ask --model claude-x"], A],
      [["ask", "--model", "claude-x"], A],
      [["ask", "--model=claude-x"], A],
      [["ask", "--model=x\nclaude"], A],
      [["ask", "x--model=claude-x"], undefined],
      [["ask", "--MODEL", "claude-x"], A],
      [["ask", "x--model", "claude-x"], undefined],
      [["ask", "--PROVIDER", "claude"], A],
      [["ask", "x--provider", "claude"], undefined],
      [["ask", "--provider-note", "claude"], undefined],
      [["ask", "--providers", "claude"], A],
      [["bash", "-c", "claude"], A],
      [["/bin/dash", "-c", "claude"], A],
      [["zsh", "claude"], A],
      [["shx", "-c", "x claude; claude"], undefined],
      [["myenv", "claude"], undefined],
      [["envy", "claude"], undefined],
      [["curl", "HTTPS://api.anthropic.com"], A],
      [["sh", "x-c", "claude -p"], undefined],
      [["sh", "x", "-cx", "claude -p"], undefined],
      ...[
        "env",
        "exec",
        "nice",
        "nohup",
        "timeout",
        "setsid",
        "xargs",
        "sudo",
        "npx",
        "uvx",
        "pnpx",
        "bunx",
      ].map((wrapper): [string[], string] => [[`/usr/bin/${wrapper}`, "claude"], A]),
      [["pipx", "claude"], A],
      [["command", "claude"], A],
      [["timeout", "x5", "claude"], undefined],
      [["timeout", "5x", "claude"], undefined],
      [["npx", "@x/my-claude@1.0"], A],
      [["my-claude"], undefined],
      [["ask", "-m", "claude-x"], A],
      [["ask", "--models", "claude-x"], A],
      [["ask", "--default-model", "claude-x"], A],
      [["ask", "--provider", "anthropic"], A],
      [["ask", "--provider=anthropic"], A],
      [["ask", "-p", "anthropic"], A],
      [["ask", "--fallback-provider", "anthropic"], A],
      [["ask", "ANTHROPIC_API_KEY=x"], A],
      [["ask", "HERMES_MODEL=claude"], A],
      [["curl", "https://api.anthropic.com/v1"], A],
      [["ask", "--base-url=https://api.anthropic.com"], A],
      [["ask", "--model"], undefined],
      [["ask", "--provider", "openrouter", "anthropic"], undefined],
      [["ask", "--note", "claude-x"], undefined],
      [["ask", "--model-note", "claude-x"], undefined],
      [["ask", "claude"], undefined],
      [["/usr/bin/find", "/srv/claude", "-delete"], undefined],
      [["grep", "claude", "/var/log/x"], undefined],
      [["grep", "anthropic says claude"], undefined],
      [["ask", "ANTHROPIC_API_KEY="], undefined],
      [["ask", "see:https://api.anthropic.com"], undefined],
      [["@acme/x"], undefined],
      [["x", "@anthropic-ai/claude-code"], undefined],
      [[], undefined],
    ],
  ),
  units: table<string>(
    (subject, text) => found(subject.bannedInUnit(FAMILIES, text)),
    [
      ["[Service]\nExecStart=/opt/x --provider anthropic\n", "ExecStart"],
      ["[Service]\nExecStart=-@/usr/bin/claude claude\n", "ExecStart"],
      ["[Service]\nExecStart=-claude\n", "ExecStart"],
      ["[Service]\nExecStartPre=+/usr/bin/claude\n", "ExecStartPre"],
      ["[Service]\nExecStart=/opt/x \\\n  --model claude-x\n", "ExecStart"],
      ["[Service]\nExecStart=/opt/x \\\n# between\n --model claude-x\n", "ExecStart"],
      ["[Service]\nEnvironment=A=b ANTHROPIC_API_KEY=x\n", "Environment"],
      ['[Service]\nEnvironment="HERMES_MODEL=claude"\n', "Environment"],
      ["[Service]\n  Environment = 'HERMES_MODEL=claude'\n", "Environment"],
      ["[Service]\nEnvironment=X=y\nEnvironment=OPENAI_BASE_URL=https://api.anthropic.com\n", "Environment"],
      ["[Service]\nPassEnvironment=HOME ANTHROPIC_API_KEY\n", "PassEnvironment"],
      ["[Service]\nLoadCredential=ANTHROPIC_KEY:/etc/x\n", "LoadCredential"],
      ["[Service]\nLoadCredentialEncrypted=ANTHROPIC_KEY:/etc/x\n", "LoadCredentialEncrypted"],
      ["[Service]\nSetCredential=ANTHROPIC_KEY:x\n", "SetCredential"],
      ["[Service]\nImportCredential=ANTHROPIC_KEY\n", "ImportCredential"],
      ["[Service]\r\nPassEnvironment=ANTHROPIC_API_KEY\r\n", "PassEnvironment"],
      ["[Unit]\nDescription=Not claude at https://api.anthropic.com\n", ""],
      ["[Service]\n# PassEnvironment=ANTHROPIC_API_KEY\n", ""],
      ["[Service]\n ;PassEnvironment=ANTHROPIC_API_KEY\n", ""],
      ["[Service]\nUnsetEnvironment=ANTHROPIC_API_KEY\n", ""],
      ["[Service]\nEnvironment=ANTHROPIC_API_KEY=\n", ""],
      ["[Service]\nEnvironment=ANTHROPIC_API_KEY\n", ""],
      ["[Service]\nReload=claude\nNoteExecStart=claude\n", ""],
      ["[Service]\nXLoadCredential=ANTHROPIC_KEY:/x\n", ""],
      ["[Service]\nLoadCredential=x:ANTHROPIC_KEY\n", ""],
      ["[Service]\nRestart=always\nanthropic\n", ""],
    ],
  ),
  scripts: table<string>(
    (subject, text) =>
      subject
        .bannedInScript(FAMILIES, text)
        .map(({ family: name }) => name)
        .join(" "),
    [
      ["#!/bin/sh\ncurl -s https://api.anthropic.com/v1\n", A],
      ['import x\nURL = "https://api.anthropic.com/v1"\n', A],
      ["x=1\nclaude -p hello\n", A],
      ["claude -p x # note", A],
      ["f'{\"https://api.anthropic.com\"}'", A],
      ["f'{\"HTTPS://api.anthropic.com\"}'", A],
      ["a 'HTTPS://x.acme.test'\nb https://api.anthropic.com\nc https://x.claude.ai", "acme anthropic"],
      ["# https://api.anthropic.com\n  # claude\necho claude\n", ""],
      ["", ""],
    ],
  ),
  "a configuration": table<unknown>(
    (subject, config) => found(subject.bannedInConfig(FAMILIES, config)),
    [
      [{ model: "claude-x" }, "model"],
      [
        { model: { default: "claude-x", provider: "anthropic", base_url: "https://api.anthropic.com" } },
        "model.default model.provider model.base_url",
      ],
      [{ model: { name: "claude-x", model: "claude-y", note: "claude-z" } }, "model.name model.model"],
      [{ other: { default: "claude-x", name: "claude-x" } }, ""],
      [{ default: "claude-x" }, ""],
      [{ model: { api_mode: "anthropic_messages" } }, ""],
      [
        { providers: { claude: { models: { "anthropic/x": {} } } } },
        "providers.claude providers.claude.models.anthropic/x",
      ],
      [{ provider: "https://api.anthropic.com" }, "provider"],
      [
        {
          fallback_providers: [
            { provider: "claude", model: "m" },
            { provider: "x", model: "claude" },
          ],
        },
        "fallback_providers.0.provider fallback_providers.1.model",
      ],
      [{ fallback_model: "claude" }, "fallback_model"],
      [
        {
          default_model: "claude-x",
          model_id: "claude-x",
          image: "anthropic/x",
          docker_image: "anthropic/x",
        },
        "default_model model_id image docker_image",
      ],
      [{ reference_models: ["claude-x", "other"] }, "reference_models.0"],
      [{ models: ["claude-x"] }, "models.0"],
      [
        { model_aliases: { fast: "claude-x" }, aliases: { slow: "claude-y" } },
        "model_aliases.fast aliases.slow",
      ],
      [{ model_aliases: { claude: "m" } }, "model_aliases.claude"],
      [{ channel_aliases: { claude: { "1": "claude" } } }, ""],
      [{ aliases_note: { claude: "m", fast: "claude" }, xmodel_aliases: { fast: "claude" } }, ""],
      [{ xmodel: "claude-x", supermodels: "claude-x", models_note: "claude-x" }, ""],
      [{ xprovider: "claude", provider_note: "claude" }, ""],
      [{ my_provider: "claude", my_providers: ["claude"] }, "my_provider my_providers.0"],
      [{ custom_providers: [{ name: "claude", base_url: "http://127.0.0.1" }] }, "custom_providers.0.name"],
      [{ others: [{ name: "claude" }] }, ""],
      [
        { provider_routing: { only: ["anthropic"], order: ["acme"], allow: ["claude"], ignore: ["claude"] } },
        "provider_routing.only.0 provider_routing.order.0 provider_routing.allow.0",
      ],
      [{ extra_body: { provider: { only: ["anthropic"] } } }, "extra_body.provider.only.0"],
      [{ access: { only: ["anthropic"], allow: ["claude"] } }, ""],
      [{ provider_routing: { disallow: ["claude"], ordering: ["claude"] } }, ""],
      [{ xprovider: { only: ["claude"] }, provider_note: { only: ["claude"] } }, ""],
      [
        {
          key_env: "ANTHROPIC_API_KEY",
          api_key_env: "CLAUDE_X",
          token_env: "CLAUDE_X",
          env_passthrough: ["PATH", "CLAUDE_X"],
          docker_forward_env: ["CLAUDE_X"],
        },
        "key_env api_key_env token_env env_passthrough.1 docker_forward_env.0",
      ],
      [{ key_env_note: "ANTHROPIC_API_KEY", note: "ANTHROPIC_API_KEY" }, ""],
      [{ my_key_env: "ANTHROPIC_API_KEY" }, "my_key_env"],
      [{ note: "ANTHROPIC_API_KEY=y", env: "ANTHROPIC_API_KEY=y" }, "env"],
      [
        { env: { ANTHROPIC_API_KEY: "y", X: "claude", HERMES_MODEL: "claude" } },
        "env.ANTHROPIC_API_KEY env.HERMES_MODEL",
      ],
      [{ env: { ANTHROPIC_API_KEY: "" } }, ""],
      [{ docker_env: { ANTHROPIC_API_KEY: "y" } }, "docker_env.ANTHROPIC_API_KEY"],
      [{ env: ["ANTHROPIC_API_KEY=y", "HOME=/x", "ANTHROPIC_API_KEY"] }, "env.0"],
      [{ environment: { ANTHROPIC_API_KEY: "y" } }, ""],
      [
        { headers: { auth: "${CLAUDE_TOKEN}", x: "${KIMI_API_KEY} ${ANTHROPIC_X:-y}" } },
        "headers.auth headers.x",
      ],
      [{ note: "$CLAUDE_TOKEN {CLAUDE_TOKEN}" }, ""],
      [
        {
          x: {
            url: "api.anthropic.com",
            host: "api.anthropic.com",
            endpoint: "api.anthropic.com",
            api_base: "api.anthropic.com",
            base_url: "api.anthropic.com",
          },
        },
        "x.url x.host x.endpoint x.api_base x.base_url",
      ],
      [{ x: { curl: "api.anthropic.com", urls: "api.anthropic.com" } }, ""],
      [{ x: { anything: " HTTPS://api.anthropic.com/v1" } }, "x.anything"],
      [{ x: { anything: "see https://api.anthropic.com/v1" } }, ""],
      [
        {
          system_prompt: "claude-x",
          prompt: "claude",
          prompts: { model: "claude" },
          channel_prompts: { model: "claude" },
          personalities: { model: "claude" },
          platform_hints: { model: "claude" },
          description: { model: "claude" },
          role: { model: "claude" },
        },
        "",
      ],
      [{ my_prompt: { model: "claude" }, roles: { model: "claude" } }, "my_prompt.model roles.model"],
      [{ prompt: { model: "claude" }, system_prompt: { model: "claude" } }, ""],
      [
        { script_dir: "claude x", hooks: { a: { command: "true; npx", args: ["claude-code"] } } },
        "hooks.a.command",
      ],
      [{ mcp_servers: { x: { command: "claude", args: ["mcp"] } } }, "mcp_servers.x.command"],
      [
        { mcp_servers: { x: { command: "npx", args: ["-y", "@anthropic-ai/claude-code", 1] } } },
        "mcp_servers.x.command",
      ],
      [
        {
          hooks: {
            a: { cmd: "claude -p x" },
            b: { exec: ["claude"] },
            c: { script: "ask --model claude-x" },
            d: { precommand: "claude" },
          },
        },
        "hooks.a.cmd hooks.b.exec hooks.c.script",
      ],
      [{ mcp_servers: { x: { command: "grep", args: ["claude"] } } }, ""],
      [{ mcp_servers: { x: { command: 1, args: "claude" } } }, ""],
      ["claude", ""],
      [null, ""],
      [{ model: null, provider: 3, providers: [null] }, ""],
    ],
  ),
  "a configuration with the variables and facts around it": table<unknown>(
    (subject, config) =>
      found(
        subject.bannedInConfig(FAMILIES, config, {
          env: new Map([
            ["SOME_MODEL", "claude-x"],
            ["A", "claude"],
            ["OTHER", "kimi"],
            ["NESTED", "${SOME_MODEL}"],
          ]),
          facts: FACTS,
        }),
      ),
    [
      [{ model: "${SOME_MODEL}" }, "model"],
      [{ model: "anthropic${OTHER}/x${A}" }, "model"],
      [{ model: "${OTHER}" }, ""],
      [{ model: "${UNSET}" }, ""],
      [{ model: "${NESTED}" }, ""],
      [{ provider: "${A}", base_url: "https://${A}.anthropic.com" }, "provider base_url"],
      [{ provider: "hidden" }, "provider"],
      [{ provider: " Hidden " }, "provider"],
      [{ provider: "keyed" }, "provider"],
      [{ provider: "second" }, ""],
      [{ provider: "keyless" }, ""],
      [{ provider: "minimax" }, ""],
      [{ provider: "toString" }, ""],
    ],
  ),
  "what is left to the harness's defaults": table<unknown>(
    (subject, config) => found(subject.bannedInDefaults(FAMILIES, config, FACTS)),
    [
      [{}, "auxiliary.title.provider moa.presets.default.reference_models.0.provider tts.url"],
      [{ auxiliary: { title: { provider: "kimi" } }, moa: { presets: [] }, tts: {} }, "tts.url"],
      [{ auxiliary: { title: { provider: {} } }, moa: [], tts: [] }, ""],
      [
        { auxiliary: { title: {} }, moa: {}, tts: { url: "" } },
        "auxiliary.title.provider moa.presets.default.reference_models.0.provider",
      ],
      [{ auxiliary: [], moa: { presets: { default: { reference_models: [] } } }, tts: "x" }, ""],
    ],
  ),
  "what is told of a value": table<unknown>(
    (subject, config) =>
      subject
        .bannedInConfig(FAMILIES, config)
        .map(({ value, family: { family: name } }) => `${name} ${value}`)
        .join("|"),
    [
      [{ hooks: { a: { command: "npx claude-code; true" } } }, "anthropic npx"],
      [{ hooks: { a: { exec: ["npx", "claude-code"] } } }, "anthropic npx"],
      [{ model: "acme-?.+" }, "acme acme-?.+"],
    ],
  ),
  "shell commands": table<string>(
    (subject, line) =>
      subject
        .shellCommands(line)
        .map((words) => words.join(" "))
        .join("|"),
    [
      ["a b; c | d && e", "a b|c|d|e"],
      [";; a\tb\n\nc", "a b|c"],
      ["", ""],
    ],
  ),
  "shell words": table<string>(
    (subject, line) => subject.shellWords(line).join("|"),
    [
      ["a ", "a"],
      ["a", "a"],
      ["a  b\tc", "a|b|c"],
      [`a 'b c' "d e" f\\ g`, "a|b c|d e|f g"],
      [`a'b'"c"`, "abc"],
      [`'a"b' "c'd"`, `a"b|c'd`],
      [`'a\\b' "a\\"b"`, `a\\b|a"b`],
      ["a;b|c&d(e)f<g>h`i", "a|b|c|d|e|f|g|h|i"],
      ["''", ""],
      ["a '' b", "a||b"],
      ["a\\", "a"],
      ["", ""],
    ],
  ),
  directives: table<string>(
    (subject, text) =>
      subject
        .unitDirectives(text)
        .map(({ section, name, value }) => `${section}/${name}=${value}`)
        .join("|"),
    [
      ["A=1\n[S]\nB = 2\nC=\n", "/A=1|S/B=2|S/C="],
      ["[S]\nA=1 \\\n  2\nB=3=4\n", "S/A=1  2|S/B=3=4"],
      ["[S]\nA=1 \\\n; note\n 2\n", "S/A=1  2"],
      ["[S]x\nno directive\nA B=1\n", ""],
      ["[S]x\nA=1", "/A=1"],
      ["x[S]\nA=1", "/A=1"],
      ["[S]\nA=1 # x\nB=1 ; x", "S/A=1 # x|S/B=1 ; x"],
      ["[S]\nA=1\n[T]\nA=2", "S/A=1|T/A=2"],
    ],
  ),
  assignments: table<string>(
    (subject, word) => subject.assignment(word)?.join("|"),
    [
      ["A=b", "A|b"],
      ["_a1=b=c", "_a1|b=c"],
      ["A=", "A|"],
      ["A=b\nc", "A|b\nc"],
      ["1A=b", undefined],
      ["-A=b", undefined],
      ["=b", undefined],
      ["A", undefined],
      ["A B=c", undefined],
    ],
  ),
};

/** One sentence for each case whose verdict is another than expected. */
export function failures(subject: Subject): string[] {
  return Object.entries(TABLES).flatMap(([name, { judge, cases }]) =>
    cases.flatMap(([input, expected]) => {
      const got = judge(subject, input);
      return got === expected
        ? []
        : [`${name}: ${JSON.stringify(input)} is ${String(got)}, not ${String(expected)}`];
    }),
  );
}
