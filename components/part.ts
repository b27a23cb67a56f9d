/**
 * What one component contributes to its house's release, and how contributions become one.
 *
 * A house is switched as a whole, so a component makes no resource of its own: it describes its aspect here and
 * `WizardHouse` puts everything into one `Release`.
 */
import type { CronFileArgs, DirectoryArgs, FileArgs, LinkArgs, UnitArgs } from "../provider/sdk.ts";

/** One component's contribution. Keys are those of `ReleaseArgs`. */
export interface ReleasePart {
  /** Who contributes, e.g. `golden-state`; stamped on every entry and named in drift reports. */
  name: string;
  /** By path inside the release. */
  files?: Record<string, FileArgs>;
  /** By path inside the house. */
  links?: Record<string, LinkArgs>;
  /** By path inside the house. */
  directories?: Record<string, DirectoryArgs>;
  /** By unit name. */
  units?: Record<string, UnitArgs>;
  /** By file name in /etc/cron.d. */
  cron?: Record<string, CronFileArgs>;
  /** Folders outside the house in which what the part runs keeps records. */
  traces?: string[];
}

/** All parts of a house, in the shape `ReleaseArgs` takes. */
export type MergedParts = Required<Omit<ReleasePart, "name">>;

/** Puts parts together. Throws an `Error` that lists every file, link, directory, unit or cron file claimed twice. */
export function mergeParts(parts: ReleasePart[]): MergedParts {
  const clashes: string[] = [];
  const merge = <Entry extends { part?: string }>(
    kind: string,
    pick: (part: ReleasePart) => Record<string, Entry> | undefined,
  ): Record<string, Entry> => {
    const merged = new Map<string, Entry>();
    for (const part of parts) {
      for (const [key, entry] of Object.entries(pick(part) ?? {})) {
        const other = merged.get(key)?.part;
        if (other !== undefined) clashes.push(`${kind} "${key}" comes from both ${other} and ${part.name}`);
        merged.set(key, { ...entry, part: part.name });
      }
    }
    return Object.fromEntries(merged);
  };
  const merged: MergedParts = {
    files: merge("file", (part) => part.files),
    links: merge("link", (part) => part.links),
    directories: merge("directory", (part) => part.directories),
    units: merge("unit", (part) => part.units),
    cron: merge("cron file", (part) => part.cron),
    traces: parts.flatMap((part) => part.traces ?? []),
  };
  if (clashes.length > 0) {
    throw new Error(
      `Each part of a house must own its names alone: ${clashes.join("; ")}. Rename one of them.`,
    );
  }
  return merged;
}
