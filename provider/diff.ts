/** The difference of two property trees, as Pulumi's detailed diff wants it. Pure and offline. */
import { formatPath, UNKNOWN, type Path, type Value, type Values } from "./values.ts";

export type ChangeKind = "add" | "delete" | "update";

export interface PropertyChange {
  path: Path;
  kind: ChangeKind;
}

/** What differs, and what of it makes it another resource. */
export interface Difference {
  changes: PropertyChange[];
  replaces: PropertyChange[];
}

/** @param replaceOn dotted paths whose change makes it another resource */
export function difference(old: Values, wanted: Values, replaceOn: readonly string[]): Difference {
  const found = changes(old, wanted);
  return { changes: found, replaces: found.filter(({ path }) => replaceOn.includes(path.join("."))) };
}

function isTree(value: Value | undefined): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function walk(
  path: Path,
  old: Value | undefined,
  wanted: Value | undefined,
  changes: PropertyChange[],
): void {
  if (isTree(old) && isTree(wanted)) {
    for (const key of new Set([...Object.keys(old), ...Object.keys(wanted)])) {
      walk([...path, key], old[key], wanted[key], changes);
    }
    return;
  }
  if (old === undefined && wanted === undefined) return;
  if (old === undefined) changes.push({ path, kind: "add" });
  else if (wanted === undefined) changes.push({ path, kind: "delete" });
  else if (wanted === UNKNOWN || JSON.stringify(old) !== JSON.stringify(wanted))
    changes.push({ path, kind: "update" });
}

/** Every property that differs. Maps are walked; lists are compared whole, because a reordered list is one change. */
export function changes(old: Values, wanted: Values): PropertyChange[] {
  const found: PropertyChange[] = [];
  walk([], old, wanted, found);
  return found.sort((a, b) => formatPath(a.path).localeCompare(formatPath(b.path), "en"));
}
