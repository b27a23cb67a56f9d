/**
 * The golden layer: what a house's agent must not decide. It lies on top of every overlay, and through the harness's
 * managed scope on top of whatever the agent writes into its own configuration.
 */
import { bannedInConfig } from "./banned.ts";
import type { HarnessFacts } from "./harness/facts.ts";
import { isMap, type Tree } from "./merge.ts";
import type { BannedFamily, Fleet, House, ProviderEntry } from "./model.ts";
import { at, steeringPins } from "./pins.ts";
import type { Path } from "./problem.ts";

/**
 * Leaves of an auxiliary task that can name who answers. `extra_body` and `fallback_chain` are lists because an empty
 * map would let the agent's `extra_body: {model: …}` through.
 */
const NO_DETOUR = { api_key: "", api_key_env: "", api_mode: "", extra_body: [], fallback_chain: [] };

/** The golden layer for one house on top of its merged configuration. Pure. */
export function goldenLayer(
  fleet: Pick<Fleet, "banned">,
  house: House,
  config: Tree,
  facts: HarnessFacts,
): Tree {
  const [primary, ...fallbacks] = house.providers;
  if (primary === undefined) throw new Error(`House ${house.name} has no providers`);
  const pins = without(bannedPins(fleet.banned, facts), config, steeringPins(config, facts));
  return overlay(pins, {
    _config_version: facts.defaults["_config_version"],
    model: {
      ...route(primary),
      default: primary.model,
      model: "",
      name: "",
      api: "",
      api_base: "",
      api_key: primary.provider === "custom" && primary.keyEnv !== undefined ? `\${${primary.keyEnv}}` : "",
      api_mode: "",
      auth_mode: "",
      openai_runtime: "auto",
      aliases: [],
    },
    fallback_providers: fallbacks.map(chainEntry),
    delegation: { ...taskRoute(house, config["delegation"]), api_key: "", api_mode: "" },
    auxiliary: Object.fromEntries(
      auxiliaryTasks(facts).map((task) => [
        task,
        { ...NO_DETOUR, ...taskRoute(house, at(config, ["auxiliary", task])) },
      ]),
    ),
    moa: mixture(house),
    toolsets: house.toolsets,
    platform_toolsets: { cli: house.toolsets, api_server: house.toolsets, cron: house.toolsets },
    display: { skin: house.skin },
    terminal: { cwd: workingFolder(house, config) },
    security: { allow_lazy_installs: false, redact_secrets: true },
    approvals: {
      mode: at(config, ["approvals", "mode"]) ?? "smart",
      cron_mode: at(config, ["approvals", "cron_mode"]) ?? "deny",
    },
    platforms: {
      api_server: { enabled: true, extra: { host: "127.0.0.1", port: house.ports.health } },
    },
  });
}

/** Environment variables that steer the harness past its configuration, set to nothing, and where its server listens. */
export function goldenEnvironment(
  fleet: Pick<Fleet, "banned">,
  house: House,
  facts: HarnessFacts,
): Record<string, string> {
  const keys = new Set(houseKeys(house));
  return {
    ...Object.fromEntries(
      facts.steeringVariables.filter((name) => !keys.has(name)).map((name) => [name, ""]),
    ),
    API_SERVER_HOST: "127.0.0.1",
    API_SERVER_PORT: String(house.ports.health),
  };
}

/** Names of the secrets a house needs, sorted. */
export function houseKeys(house: House): string[] {
  const chain = house.providers.flatMap((entry) => entry.keyEnv ?? []);
  return [...new Set([...chain, ...house.keys, "API_SERVER_KEY"])].sort();
}

/** Auxiliary tasks of the harness, e.g. `compression`. */
export function auxiliaryTasks(facts: HarnessFacts): string[] {
  const section = facts.defaults["auxiliary"];
  return isMap(section) ? Object.keys(section).filter((task) => isMap(section[task])) : [];
}

/**
 * The link of the chain that a section of the configuration asks for. A section that names no provider, or `auto`,
 * gets the primary: left alone, the harness would pick whatever it finds a key for.
 */
export function taskEntry(house: House, section: unknown): ProviderEntry | undefined {
  const provider = at(section, ["provider"]);
  if (typeof provider !== "string" || provider === "" || provider === "auto") return house.providers[0];
  const model = at(section, ["model"]);
  const links = house.providers.filter((entry) => entry.provider === provider);
  return links.find((entry) => entry.model === model) ?? links[0];
}

function taskRoute(house: House, section: unknown): Tree {
  const entry = taskEntry(house, section);
  if (entry === undefined)
    throw new Error(`House ${house.name} routes a task to a provider outside its chain`);
  const model = at(section, ["model"]);
  return route({ ...entry, model: typeof model === "string" && model !== "" ? model : entry.model });
}

function route(entry: ProviderEntry): Tree {
  return {
    provider: entry.provider,
    model: entry.model,
    base_url: entry.baseUrl ?? "",
    key_env: entry.provider === "custom" ? (entry.keyEnv ?? "") : "",
  };
}

function chainEntry(entry: ProviderEntry): Tree {
  return {
    provider: entry.provider,
    model: entry.model,
    ...(entry.baseUrl === undefined ? {} : { base_url: entry.baseUrl }),
    ...(entry.keyEnv === undefined ? {} : { key_env: entry.keyEnv }),
  };
}

/** The harness's mixture of agents is off; its default preset would otherwise name models outside the chain. */
function mixture(house: House): Tree {
  const routes = house.providers.map((entry) => ({ ...route(entry), api_key: "", api_mode: "" }));
  return {
    default_preset: "default",
    active_preset: "",
    presets: { default: { enabled: false, reference_models: routes, aggregator: routes[0] } },
  };
}

function workingFolder(house: House, config: Tree): unknown {
  const chosen = at(config, ["terminal", "cwd"]);
  return chosen === undefined || chosen === "." ? `${house.path}/home` : chosen;
}

/**
 * Banned defaults of the harness become empty. What a house's own configuration says in such a place stays: the loader
 * refuses it where it is banned.
 */
function without(banned: readonly Path[], config: Tree, pins: Tree): Tree {
  return banned
    .filter((path) => at(config, path) === undefined)
    .reduce<Tree>((tree, path) => replaced(tree, path.map(String), ""), pins);
}

/** The same for every house: to look for them takes longer than all the rest of a house. */
const bannedDefaults = new WeakMap<HarnessFacts, { banned: readonly BannedFamily[]; paths: Path[] }>();

/** Where the harness's defaults, as they would be pinned, name what is banned. */
function bannedPins(banned: readonly BannedFamily[], facts: HarnessFacts): Path[] {
  const known = bannedDefaults.get(facts);
  if (known?.banned === banned) return known.paths;
  const paths = bannedInConfig(banned, steeringPins({}, facts)).map(({ path }) => path);
  bannedDefaults.set(facts, { banned, paths });
  return paths;
}

function replaced(tree: Tree, [step = "", ...rest]: readonly string[], value: unknown): Tree {
  const inner = tree[step];
  return { ...tree, [step]: rest.length > 0 && isMap(inner) ? replaced(inner, rest, value) : value };
}

/** Plain deep merge of two trees of the same shape. */
export function overlay(base: Tree, over: Tree): Tree {
  const result: Tree = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = result[key];
    result[key] = isMap(below) && isMap(value) ? overlay(below, value) : value;
  }
  return result;
}
