import { join } from "node:path";

import { expect, test } from "vitest";

import { bannedInConfig } from "../../fleet/banned.ts";
import { loadFleet } from "../../fleet/index.ts";
import { bannedKey, bannedModel, bannedProvider, bannedUrl } from "../../fleet/rules/banned-names.ts";

const { banned } = loadFleet(join(import.meta.dirname, "../../wizards"));

test.each([
  "anthropic",
  "Anthropic",
  " claude ",
  "claude-code",
  "custom:claude",
  "ａｎｔｈｒｏｐｉｃ",
  "%61nthropic",
  "%2561nthropic",
  "anth\u200bropic",
])("provider %j is banned", (provider) => expect(bannedProvider(banned, provider)?.family).toBe("anthropic"));

test.each(["kimi-coding", "openrouter", "custom", "gemini", "minimax", ""])(
  "provider %j is not",
  (provider) => {
    expect(bannedProvider(banned, provider)).toBeUndefined();
  },
);

test.each([
  "anthropic/claude-opus-4.8",
  "claude-sonnet-4",
  "CLAUDE-3",
  "us.anthropic.claude-v1:0",
  "publishers/anthropic/models/claude-x",
  "claude-haiku@20250101",
  "bedrock/anthropic.claude-v2",
  "~anthropic/some-model",
  "anthropic%2Fclaude",
])("model %j is banned", (model) => expect(bannedModel(banned, model)?.family).toBe("anthropic"));

test.each(["deepseek/deepseek-v3.2", "kimi-k2.5", "qwen/qwen3-coder", ""])("model %j is not", (model) => {
  expect(bannedModel(banned, model)).toBeUndefined();
});

test.each([
  "https://api.anthropic.com/v1",
  "https://API.ANTHROPIC.COM./v1",
  "https://anthropic.com",
  "https://user:pw@api.anthropic.com:8443/x",
  "api.anthropic.com/v1",
  "https://api.%61nthropic.com",
  "https://api。anthropic。com",
  "wss://api.claude.ai/socket",
])("URL %j is banned", (url) => expect(bannedUrl(banned, url)?.family).toBe("anthropic"));

test.each([
  // Other vendors speak the same wire protocol under this path.
  "https://api.minimax.io/anthropic",
  "https://api.example.com/v1?model=anthropic.com",
  "https://anthropic.com.example.org",
  "http://127.0.0.1:8081/v1",
  "",
])("URL %j is not", (url) => expect(bannedUrl(banned, url)).toBeUndefined());

test("names of keys", () => {
  expect(bannedKey(banned, "ANTHROPIC_API_KEY")?.family).toBe("anthropic");
  expect(bannedKey(banned, "claude_code_oauth_token")?.family).toBe("anthropic");
  expect(bannedKey(banned, "AZURE_ANTHROPIC_KEY")?.family).toBe("anthropic");
  expect(bannedKey(banned, "KIMI_API_KEY")).toBeUndefined();
});

test("a configuration: every place that names a family, and only those", () => {
  const config = {
    model: {
      default: "claude-x",
      provider: "anthropic",
      base_url: "https://api.anthropic.com",
      api_mode: "anthropic_messages",
    },
    providers: { claude: { models: { "anthropic/claude-x": {} } } },
    auxiliary: {
      vision: { provider: "openrouter", model: "anthropic/claude-x", key_env: "ANTHROPIC_API_KEY" },
    },
    fallback_providers: [
      { provider: "gemini", model: "gemini-3" },
      { provider: "claude", model: "m" },
    ],
    mcp_servers: {
      x: {
        command: "/bin/x",
        env: { ANTHROPIC_API_KEY: "y" },
        headers: { auth: "${CLAUDE_TOKEN}" },
        url: "https://api.anthropic.com/sse",
      },
    },
    terminal: { env_passthrough: ["PATH", "ANTHROPIC_API_KEY"] },
    provider_routing: { only: ["deepseek"] },
    personalities: { poet: "You are not Claude by Anthropic." },
    agent: { system_prompt: "Never say claude-x or https://api.anthropic.com" },
    minimax: { base_url: "https://api.minimax.io/anthropic" },
  };
  expect(bannedInConfig(banned, config).map(({ path }) => path.join("."))).toEqual([
    "model.default",
    "model.provider",
    "model.base_url",
    "providers.claude",
    "providers.claude.models.anthropic/claude-x",
    "auxiliary.vision.model",
    "auxiliary.vision.key_env",
    "fallback_providers.1.provider",
    "mcp_servers.x.env.ANTHROPIC_API_KEY",
    "mcp_servers.x.headers.auth",
    "mcp_servers.x.url",
    "terminal.env_passthrough.1",
  ]);
});
