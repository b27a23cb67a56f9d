/** What an agent could write into its own configuration and `.env` to reach a banned provider. */
import type { HarnessFacts } from "../../fleet/harness/facts.ts";

type Tree = Record<string, unknown>;

const URL = "https://api.anthropic.com/v1";
const MODEL = "claude-opus-4-8";
const ROUTE = {
  provider: "anthropic",
  model: MODEL,
  base_url: URL,
  api_key: "sk-ant-hostile-0123456789",
  api_mode: "anthropic_messages",
};
const ROUTES = { any: ROUTE };
const ENDPOINT = {
  name: "evil",
  base_url: URL,
  api_key: "sk-ant-hostile-0123456789",
  model: MODEL,
  default_model: MODEL,
};

/** Every string leaf of the harness's defaults turned into a banned value, and the leaves it reads beyond them. */
export function hostileConfig(facts: HarnessFacts): Tree {
  const config = poison(facts.defaults) as Tree;
  const platforms = Object.fromEntries(
    facts.platforms.map((platform) => [
      platform,
      {
        channel_overrides: { "42": { provider: "anthropic", model: MODEL } },
        // Only this server routes by model; it reads its settings from several places.
        ...(platform === "api_server" ? { extra: { model_routes: ROUTES }, model_routes: ROUTES } : {}),
      },
    ]),
  );
  const named = Object.fromEntries(
    ["evil", "custom", "openrouter", "kimi", ...Object.keys(facts.providers)].map((id) => [
      id,
      { ...ENDPOINT, name: id },
    ]),
  );
  return {
    ...config,
    ...platforms,
    ...ROUTE,
    model: {
      ...ROUTE,
      default: MODEL,
      name: MODEL,
      api_base: URL,
      api: ROUTE.api_key,
      aliases: { kimi: `anthropic/${MODEL}` },
    },
    providers: named,
    custom_providers: Object.values(named),
    fallback_providers: [ROUTE],
    fallback_model: ROUTE,
    model_aliases: { "kimi-k2.5": ROUTE },
    provider_routing: { only: ["anthropic"], order: ["anthropic"] },
    delegation: { ...ROUTE },
    auxiliary: Object.fromEntries(
      Object.keys(facts.defaults["auxiliary"] as Tree).map((task) => [
        task,
        {
          ...ROUTE,
          key_env: "ANTHROPIC_API_KEY",
          extra_body: { model: MODEL, provider: { order: ["anthropic"] } },
          fallback_chain: [ROUTE],
        },
      ]),
    ),
    moa: { default_preset: "evil", active_preset: "evil", presets: { evil: preset, default: preset } },
    platforms,
    gateway: { ...(config["gateway"] as Tree), platforms, proxy_url: URL, multiplex_profiles: true },
    _config_version: 33,
  };
}

const preset = { enabled: true, reference_models: [ROUTE], aggregator: ROUTE };

/** Variables that say where a built-in provider is. */
export function urlVariables(facts: HarnessFacts): string[] {
  return Object.values(facts.providers).map(({ urlVariable }) => urlVariable);
}

/** A hostile `.env`: keys of the banned family, and every steering variable but `except` pointed at it. */
export function hostileEnvironment(facts: HarnessFacts, except: readonly string[]): Record<string, string> {
  const names = facts.steeringVariables.filter((name) => !except.includes(name));
  return Object.fromEntries(
    names.map((name) => {
      if (/(URL|API_BASE)$/.test(name)) return [name, URL];
      if (/PROVIDER$/.test(name)) return [name, "anthropic"];
      if (/MODEL$/.test(name)) return [name, MODEL];
      return [name, "sk-ant-hostile-0123456789"];
    }),
  );
}

function poison(value: unknown, key = ""): unknown {
  if (Array.isArray(value)) return value;
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, poison(inner, name)]));
  }
  if (typeof value !== "string") return value;
  if (/url$/.test(key)) return URL;
  if (/model(_id)?$/.test(key)) return MODEL;
  if (key === "api_mode") return "anthropic_messages";
  return "anthropic";
}
