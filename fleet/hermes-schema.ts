/**
 * Checks of a merged Hermes `config.yaml` before the golden layer. The harness itself checks next to nothing: it drops
 * what it does not understand and goes on. Types are compared with its own defaults.
 */
import { auxiliaryTasks, taskEntry } from "./golden.ts";
import type { HarnessFacts } from "./harness/facts.ts";
import { isMap, type Merged, type Tree } from "./merge.ts";
import type { House } from "./model.ts";
import { at, DERIVED } from "./pins.ts";
import { type Path, type Problem, valueProblem } from "./problem.ts";

/** Top-level keys the gateway reads beyond the harness's own list of known ones. */
const EXTRA_ROOT_KEYS = ["model_aliases", "provider_routing", "channel_aliases"];
const MAPS = [
  "platforms",
  "platform_toolsets",
  "mcp_servers",
  "image_gen",
  "video_gen",
  "plugins",
  "session_reset",
  "provider_routing",
];

/** Everything wrong with a house's merged configuration. */
export function hermesProblems(merged: Merged, house: House, facts: HarnessFacts): Problem[] {
  const problems: Problem[] = [];
  const report = (path: Path, message: string, value: unknown, allowed: string): void => {
    problems.push(valueProblem({ ...merged.origin(path), path }, message, value, allowed));
  };
  const config = merged.value;
  const known = new Set([...facts.rootKeys, ...EXTRA_ROOT_KEYS]);

  for (const key of Object.keys(config)) {
    if (!known.has(key))
      report([key], "is no key of the harness", config[key], `a known key${closest(key, known)}`);
  }
  for (const path of DERIVED) {
    const value = at(config, path);
    if (value !== undefined)
      report(path, "is derived", value, "nothing here: house.yaml and the golden layer say it");
  }
  compareTypes(config, facts.defaults, [], report);
  for (const key of MAPS) {
    if (config[key] !== undefined && !isMap(config[key]))
      report([key], "has the wrong type", config[key], "a map");
  }
  for (const key of ["platforms", "mcp_servers"]) {
    for (const [name, value] of Object.entries(mapAt(config, [key]))) {
      if (!isMap(value)) report([key, name], "has the wrong type", value, "a map");
    }
  }
  for (const name of Object.keys(mapAt(config, ["platforms"]))) {
    if (!facts.platforms.includes(name)) {
      report(["platforms", name], "is no platform of the harness", name, facts.platforms.join(", "));
    }
    const overrides = at(config, ["platforms", name, "channel_overrides"]);
    if (overrides !== undefined) {
      report(
        ["platforms", name, "channel_overrides"],
        "is pinned",
        overrides,
        "nothing: a house has one provider chain",
      );
    }
  }
  for (const [name, list] of Object.entries(mapAt(config, ["platform_toolsets"]))) {
    const fits = Array.isArray(list) && list.every((item) => facts.toolsets.includes(String(item)));
    if (!fits) report(["platform_toolsets", name], "is no list of toolsets", list, facts.toolsets.join(", "));
  }
  routeProblems(config, house, facts, report);
  placeProblems(config, house, report);
  return problems;
}

type Report = (path: Path, message: string, value: unknown, allowed: string) => void;

/** Types as the defaults have them: a map must stay a map, a list a list, a switch a switch. */
function compareTypes(config: Tree, defaults: Tree, path: Path, report: Report): void {
  for (const [key, value] of Object.entries(config)) {
    const fallback = Object.hasOwn(defaults, key) ? defaults[key] : undefined;
    const here = [...path, key];
    // `model` is a map for this program whatever its default is; null means "the default" everywhere.
    const wanted = path.length === 0 && key === "model" ? {} : fallback;
    if (wanted === undefined || wanted === null || value === null) continue;
    if (isMap(wanted)) {
      if (isMap(value)) compareTypes(value, wanted, here, report);
      else report(here, "has the wrong type", value, "a map");
    } else if (Array.isArray(wanted)) {
      if (!Array.isArray(value)) report(here, "has the wrong type", value, "a list");
    } else if (typeof wanted === "boolean" || typeof wanted === "number") {
      const allowed = typeof wanted === "boolean" ? "true or false" : "a number";
      if (typeof value !== typeof wanted) report(here, "has the wrong type", value, allowed);
    } else if (typeof value === "object") {
      report(here, "has the wrong type", value, "text");
    }
  }
}

/** Tasks may only be routed to links of the house's chain: for others there is no key and no policy. */
function routeProblems(config: Tree, house: House, facts: HarnessFacts, report: Report): void {
  const chain = house.providers.map(({ provider }) => provider).join(", ");
  const tasks = auxiliaryTasks(facts);
  for (const task of Object.keys(mapAt(config, ["auxiliary"]))) {
    if (!tasks.includes(task) && isMap(at(config, ["auxiliary", task]))) {
      report(["auxiliary", task], "is no auxiliary task of the harness", task, tasks.join(", "));
    }
  }
  for (const path of [["delegation"], ...tasks.map((task) => ["auxiliary", task])]) {
    const section = at(config, path);
    if (!isMap(section)) continue;
    if (taskEntry(house, section) === undefined) {
      report([...path, "provider"], "is not in the house's chain", section["provider"], `${chain}, or auto`);
    }
    for (const key of [
      "base_url",
      "api_key",
      "api_mode",
      "key_env",
      "api_key_env",
      "extra_body",
      "fallback_chain",
    ]) {
      const value = section[key];
      const empty = value === undefined || value === "" || (Array.isArray(value) && value.length === 0);
      if (!empty)
        report([...path, key], "is derived", value, "nothing here: the provider chain in house.yaml says it");
    }
  }
}

/** Where the house works and listens. */
function placeProblems(config: Tree, house: House, report: Report): void {
  const cwd = at(config, ["terminal", "cwd"]);
  const outside =
    typeof cwd === "string" &&
    cwd !== "." &&
    (!cwd.startsWith(`${house.path}/`) || cwd.split("/").includes(".."));
  if (outside) report(["terminal", "cwd"], "is outside the house", cwd, `a folder below ${house.path}/`);
  for (const [key, wanted] of Object.entries({ host: "127.0.0.1", port: house.ports.health })) {
    const path = ["platforms", "api_server", "extra", key];
    const value = at(config, path);
    if (value !== undefined && value !== wanted)
      report(path, "differs from house.yaml", value, String(wanted));
  }
}

function mapAt(tree: Tree, path: Path): Tree {
  const value = at(tree, path);
  return isMap(value) ? value : {};
}

/** `; did you mean …` for a known key that differs by one or two letters. */
function closest(key: string, known: ReadonlySet<string>): string {
  const best = [...known]
    .map((name) => ({ name, distance: editDistance(key, name) }))
    .sort((a, b) => a.distance - b.distance)[0];
  return best !== undefined && best.distance <= 2
    ? `; did you mean ${best.name}?`
    : " of the harness's config.yaml";
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
