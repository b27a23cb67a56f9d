/**
 * A resource's inputs as a rule reads them: one place at a time, each of which may be unknown at preview.
 *
 * The SDK throws at every access to an unknown value and, once that escapes from a rule, turns the whole rule advisory.
 * So nothing is handed to a rule that could still throw: what is not known is a finding of its own, and the rest goes on.
 */
import type { Finding } from "../fleet/rules/finding.ts";
import { below } from "../fleet/rules/finding.ts";
import type { Path } from "../fleet/problem.ts";

const UNKNOWN = "is not known at preview, so it cannot be judged";

export class Inputs {
  readonly #props: Record<string, unknown>;

  /** @param props the properties as the SDK hands them to a policy, secrets in clear */
  constructor(props: Record<string, unknown>) {
    this.#props = props;
  }

  /** What a judge finds in the value at a path, `undefined` where there is none; one finding if it is not known. */
  judge(path: Path, judge: (value: unknown) => readonly Finding[]): Finding[] {
    const read = this.#read(path);
    if ("unknown" in read) return [notKnown(path)];
    return below(path, judge(read.value));
  }

  /** As {@link judge} with several values, of which each unknown one is a finding. Paths lead from the resource. */
  judgeAll(paths: readonly Path[], judge: (...values: unknown[]) => readonly Finding[]): Finding[] {
    const values: unknown[] = [];
    const findings: Finding[] = [];
    for (const path of paths) {
      const read = this.#read(path);
      if ("unknown" in read) findings.push(notKnown(path));
      else values.push(read.value);
    }
    return findings.length > 0 ? findings : [...judge(...values)];
  }

  /**
   * As {@link judgeAll}, and nothing where something is not known at preview: for what another resource makes. An update
   * judges again, with every value known, before anything is changed.
   */
  judgeOnceKnown(paths: readonly Path[], judge: (...values: unknown[]) => readonly Finding[]): Finding[] {
    const reads = paths.map((path) => this.#read(path));
    const values = reads.flatMap((read) => ("value" in read ? [read.value] : []));
    return values.length < reads.length ? [] : [...judge(...values)];
  }

  /** The value at a path; `undefined` where there is none or it is not known. For what another judge reports. */
  peek(path: Path): unknown {
    const read = this.#read(path);
    return "unknown" in read ? undefined : read.value;
  }

  /** What is found in each entry of a map; one finding if not even the names are known. */
  each(path: Path, judge: (name: string) => readonly Finding[]): Finding[] {
    try {
      const map = walk(this.#props, path);
      const names = typeof map === "object" && map !== null ? Object.keys(map) : [];
      return names.flatMap((name) => [...judge(name)]);
    } catch (error) {
      if (!isUnknownValue(error)) throw error;
      return [notKnown(path)];
    }
  }

  #read(path: Path): { value: unknown } | { unknown: true } {
    try {
      return { value: plain(walk(this.#props, path)) };
    } catch (error) {
      if (!isUnknownValue(error)) throw error;
      return { unknown: true };
    }
  }
}

function notKnown(path: Path): Finding {
  return {
    path,
    message: UNKNOWN,
    allowed: "a plain value, or one that does not depend on another resource",
  };
}

function walk(props: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, step) =>
      typeof value === "object" && value !== null && Object.hasOwn(value, step)
        ? (value as Record<string | number, unknown>)[step]
        : undefined,
    props,
  );
}

/** A copy without the proxies, so that every value in it has been accessed. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return Array.from(value, plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.keys(value).map((key) => [key, plain((value as Record<string, unknown>)[key])]),
  );
}

/** The SDK throws a class that it does not export. */
function isUnknownValue(error: unknown): boolean {
  return error instanceof Error && "unknownTypeSentinel" in error;
}
