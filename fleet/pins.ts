/**
 * Leaves of the harness's configuration that can name a provider, a model or a URL.
 *
 * The managed scope merges leaf by leaf: a leaf that the release leaves out belongs to the agent. So every such leaf is
 * written, with the house's own value or the harness's default. Where the harness takes a map of any names (`providers`,
 * `channel_overrides` …) an empty map would pin nothing; an empty list replaces whatever the agent wrote there, and the
 * harness reads it as "none".
 */
import type { HarnessFacts } from "./harness/facts.ts";
import { isMap, type Tree } from "./merge.ts";
import type { Path } from "./problem.ts";

const STEERING_LEAF = /(^|_)(provider|model|model_id|url|api_mode|api_key|backend|preset)$/;

/** Leaves that the harness reads although DEFAULT_CONFIG does not have them, with values that mean "none". */
const UNLISTED: Tree = {
  custom_providers: [],
  fallback_model: [],
  model_aliases: [],
  profile_routes: [],
  multiplex_profiles: false,
  providers: [],
  provider_routing: { only: [], ignore: [], order: [] },
  smart_model_routing: { enabled: false },
  model_catalog: { providers: [] },
  gateway: { profile_routes: [], multiplex_profiles: false, proxy_url: "", relay_url: "" },
  image_gen: { provider: "", model: "" },
  video_gen: { provider: "", model: "" },
  tts: { openai: { base_url: "" }, xai: { base_url: "" }, gemini: { base_url: "" } },
  stt: { openai: { base_url: "" }, xai: { base_url: "" }, elevenlabs: { base_url: "" } },
};

/** Keys of a configuration that houses may not set: they are derived from the provider chain or pinned to "none". */
export const DERIVED: readonly Path[] = [
  ...[
    "default",
    "model",
    "name",
    "provider",
    "base_url",
    "api_base",
    "api_key",
    "api",
    "api_mode",
    "aliases",
  ].map((key) => ["model", key]),
  ["model", "openai_runtime"],
  ["providers"],
  ["custom_providers"],
  ["fallback_providers"],
  ["fallback_model"],
  ["model_aliases"],
  ["moa"],
  ["profile_routes"],
  ["multiplex_profiles"],
  ["smart_model_routing"],
  ["toolsets"],
  ["display", "skin"],
];

/** Every steering leaf with the value it has in `config`, or else the harness's default. */
export function steeringPins(config: Tree, facts: HarnessFacts): Tree {
  const pins: Tree = {};
  const { own, none } = pinned(facts);
  for (const [path, fallback] of own) set(pins, path, at(config, path) ?? fallback);
  for (const path of none) set(pins, path, []);
  return pins;
}

interface Pinned {
  /** Leaves a house may set, with what they are where it does not. */
  own: [Path, unknown][];
  /** Leaves that are empty in every house. */
  none: Path[];
}

/** The same for every house on one version of the harness. */
const pinnedBy = new WeakMap<HarnessFacts, Pinned>();

function pinned(facts: HarnessFacts): Pinned {
  const known = pinnedBy.get(facts);
  if (known !== undefined) return known;
  const platforms = [["platforms"], ["gateway", "platforms"]];
  const found: Pinned = {
    own: [
      ...steeringLeaves(facts.defaults).map((path): [Path, unknown] => [path, at(facts.defaults, path)]),
      ...leaves(UNLISTED),
    ],
    none: [
      ...facts.platforms.flatMap((platform) =>
        [...platforms, []].map((parent) => [...parent, platform, "channel_overrides"]),
      ),
      ...platforms.map((parent) => [...parent, "api_server", "extra", "model_routes"]),
    ],
  };
  pinnedBy.set(facts, found);
  return found;
}

/** Paths of all leaves in a default configuration whose name says that they steer. */
export function steeringLeaves(defaults: Tree): Path[] {
  return leaves(defaults)
    .filter(([path, value]) => value !== null && path.length > 1 && STEERING_LEAF.test(String(path.at(-1))))
    .map(([path]) => path);
}

/** Every leaf of a tree with its path; an empty map is a leaf. */
export function leaves(tree: Tree, path: Path = []): [Path, unknown][] {
  return Object.entries(tree).flatMap(([key, value]): [Path, unknown][] => {
    const here = [...path, key];
    return isMap(value) && Object.keys(value).length > 0 ? leaves(value, here) : [[here, value]];
  });
}

/** The value at a path of maps, `undefined` if there is none. */
export function at(tree: unknown, path: Path): unknown {
  let value = tree;
  for (const step of path) {
    if (!isMap(value) || !Object.hasOwn(value, step)) return undefined;
    value = value[step];
  }
  return value;
}

function set(tree: Tree, path: Path, value: unknown): void {
  const last = path.length - 1;
  let node = tree;
  path.slice(0, last).forEach((step) => {
    const next = node[step];
    if (isMap(next)) node = next;
    else node = node[step] = {} as Tree;
  });
  node[String(path[last])] = value;
}
