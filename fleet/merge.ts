/**
 * Merging overlays: base → environment → house, then the golden layer on top.
 *
 * Maps merge by key. Scalars and lists are replaced, unless the overlay asks for more with a marker in the value's place:
 *
 *     toolsets: {$append: [browser]}           after what is there, without repeating an item
 *     toolsets: {$prepend: [coding]}           before it
 *     toolsets: {$remove: [web]}               without these; all three may be combined
 *     timezone: {$unset: true}                 as if no layer below had said anything
 *
 * Markers are idempotent: applying an overlay twice is applying it once. `null` stands for "no value" and gives way to
 * anything. A map over a list, a list over a scalar and so on is a type clash: a problem that names both places.
 * Merging layers without markers and clashes is associative.
 */
import { formatPath, type Path, type Problem, valueProblem } from "./problem.ts";

export type Tree = Record<string, unknown>;

/** One layer: data, and where its values stand. A {@link DataFile} of a map is one. */
export interface Layer {
  file: string;
  value: Tree;
  line(path: Path): number | undefined;
}

export interface Merged {
  value: Tree;
  problems: Problem[];
  /** The layer whose word counts for this path: the last that says anything about it. */
  origin(path: Path): { file: string; line?: number };
}

const LIST_MARKERS = ["$append", "$prepend", "$remove"] as const;
const MARKERS: readonly string[] = [...LIST_MARKERS, "$unset"];

/** Merges layers, lowest first. With problems, `value` holds what could be merged. */
export function mergeLayers(layers: readonly Layer[]): Merged {
  const problems: Problem[] = [];
  let value: Tree = {};
  layers.forEach((layer, index) => {
    const below = layers.slice(0, index);
    value = mergeMap(value, layer.value, [], { layer, below, problems });
  });
  return { value, problems, origin: (path) => originOf(layers, path) };
}

interface Context {
  layer: Layer;
  below: readonly Layer[];
  problems: Problem[];
}

function mergeMap(base: Tree, overlay: Tree, path: Path, context: Context): Tree {
  const result: Tree = { ...base };
  for (const [key, over] of Object.entries(overlay)) {
    const merged = mergeValue(own(base, key), over, [...path, key], context);
    if (merged === undefined) delete result[key];
    else result[key] = merged;
  }
  return result;
}

/** The merged value; `undefined` if there is none. */
function mergeValue(base: unknown, over: unknown, path: Path, context: Context): unknown {
  if (isMap(over) && Object.keys(over).some((key) => key.startsWith("$")))
    return applyMarker(base, over, path, context);
  if (isMap(over)) {
    if (base === undefined || base === null || isMap(base))
      return mergeMap(isMap(base) ? base : {}, over, path, context);
    return clash(base, over, path, context);
  }
  if (base !== undefined && base !== null && kindOf(base) !== kindOf(over))
    return clash(base, over, path, context);
  return over;
}

function applyMarker(base: unknown, marker: Tree, path: Path, context: Context): unknown {
  const keys = Object.keys(marker);
  const complain = (message: string, allowed: string): unknown => {
    const { layer } = context;
    context.problems.push(
      valueProblem({ file: layer.file, line: layer.line(path), path }, message, keys, allowed),
    );
    return base;
  };
  if (keys.some((key) => !MARKERS.includes(key)))
    return complain("mixes markers with other keys", MARKERS.join(", "));
  if ("$unset" in marker) {
    return keys.length === 1 && marker["$unset"] === true
      ? undefined
      : complain("is no usable $unset", "{$unset: true}");
  }
  const lists = LIST_MARKERS.map((key) => marker[key] ?? []);
  if (!lists.every(Array.isArray)) return complain("has a marker without a list", "e.g. {$append: [item]}");
  if (base !== undefined && base !== null && !Array.isArray(base)) return clash(base, [], path, context);
  const [append = [], prepend = [], remove = []] = lists as unknown[][];
  if (
    append.some((item) => holds(remove, item) || holds(prepend, item)) ||
    prepend.some((item) => holds(remove, item))
  ) {
    return complain("names an item in two markers", "every item in one of them");
  }
  const kept = (Array.isArray(base) ? base : []).filter((item) => !holds(remove, item));
  const before = unique(prepend).filter((item) => !holds(kept, item));
  const list = [...before, ...kept];
  return [...list, ...unique(append).filter((item) => !holds(list, item))];
}

function clash(base: unknown, over: unknown, path: Path, { layer, below, problems }: Context): unknown {
  const other = originOf(below, path);
  const otherPlace = other.line === undefined ? other.file : `${other.file}:${other.line}`;
  problems.push(
    valueProblem(
      { file: layer.file, line: layer.line(path), path },
      `is a ${kindOf(over)}, but ${otherPlace} has a ${kindOf(base)} here`,
      over,
      `a ${kindOf(base)}, or {$unset: true} in a layer between`,
    ),
  );
  return base;
}

function originOf(layers: readonly Layer[], path: Path): { file: string; line?: number } {
  for (let length = path.length; length > 0; length--) {
    const part = path.slice(0, length);
    const layer = layers.findLast((candidate) => says(candidate.value, part));
    if (layer === undefined) continue;
    const line = layer.line(part);
    return { file: layer.file, ...(line === undefined ? {} : { line }) };
  }
  const lowest = layers[0];
  return { file: lowest?.file ?? formatPath(path) };
}

function says(value: unknown, path: Path): boolean {
  let current = value;
  for (const step of path) {
    if (Array.isArray(current) && typeof step === "number") current = current[step] as unknown;
    else if (isMap(current)) current = own(current, String(step));
    else return false;
    if (current === undefined) return false;
  }
  return true;
}

export function isMap(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function own(map: Tree, key: string): unknown {
  return Object.hasOwn(map, key) ? map[key] : undefined;
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return "list";
  return isMap(value) ? "map" : "scalar";
}

function holds(list: readonly unknown[], item: unknown): boolean {
  const text = canonical(item);
  return list.some((other) => canonical(other) === text);
}

function unique(list: readonly unknown[]): unknown[] {
  return [...new Map(list.map((item) => [canonical(item), item])).values()];
}

/** JSON with sorted keys, so that equal values are equal text. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    isMap(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner,
  );
}
