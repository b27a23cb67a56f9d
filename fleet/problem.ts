/** What is wrong with the fleet's data, collected so that an operator sees every mistake in one go. */
import { describe, isSecretLooking } from "./redact.ts";

/** Where a value stands inside a file: map keys and list indexes. */
export type Path = readonly (string | number)[];

export interface Problem {
  /** Relative to the folder above `wizards/`, e.g. `wizards/ezra/house.yaml`. */
  file: string;
  /** 1-based; absent where the file gives none, e.g. because it is missing. */
  line?: number;
  /** Dotted, e.g. `providers[1].model`; empty for the file as a whole. */
  path: string;
  /** What is wrong and, where it is not plain, what to do. */
  message: string;
  /** The value found, already fit to print: never a secret. */
  got?: string;
  /** What would be accepted. */
  allowed?: string;
}

/** All that is wrong with a fleet. Its message lists every problem, ordered by file and line. */
export class FleetError extends Error {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    const sorted = distinct(problems).sort(byPlace);
    const count = sorted.length === 1 ? "1 problem" : `${sorted.length} problems`;
    super(`The fleet does not load, ${count}:\n${sorted.map(formatProblem).join("\n")}`);
    this.name = "FleetError";
    this.problems = sorted;
  }
}

/** `file:line: path: message` with what was found and what is allowed on lines of their own. */
export function formatProblem(problem: Problem): string {
  const place = problem.line === undefined ? problem.file : `${problem.file}:${problem.line}`;
  const head = problem.path === "" ? place : `${place}: ${problem.path}`;
  const lines = [`  ${head}: ${problem.message}`];
  if (problem.got !== undefined) lines.push(`      got:     ${problem.got}`);
  if (problem.allowed !== undefined) lines.push(`      allowed: ${problem.allowed}`);
  return lines.join("\n");
}

/** `["providers", 1, "model"]` → `providers[1].model`. A key that looks like a secret is hidden. */
export function formatPath(path: Path): string {
  return path
    .map((part, index) => {
      if (typeof part === "number") return `[${part}]`;
      const shown = isSecretLooking(part) ? "(hidden)" : /^[\w$-]+$/.test(part) ? part : JSON.stringify(part);
      return index === 0 ? shown : `.${shown}`;
    })
    .join("");
}

/** The problem of one value: prints it unless it stands in a secret place or looks like a secret itself. */
export function valueProblem(
  where: { file: string; line?: number | undefined; path: Path },
  message: string,
  value: unknown,
  allowed?: string,
): Problem {
  return {
    file: where.file,
    ...(where.line === undefined ? {} : { line: where.line }),
    path: formatPath(where.path),
    message,
    ...(value === undefined ? {} : { got: describe(value, where.path) }),
    ...(allowed === undefined ? {} : { allowed }),
  };
}

function distinct(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((problem) => [formatProblem(problem), problem])).values()];
}

function byPlace(a: Problem, b: Problem): number {
  return compare(a.file, b.file) || (a.line ?? 0) - (b.line ?? 0) || compare(a.path, b.path);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
