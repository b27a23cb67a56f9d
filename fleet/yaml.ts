/**
 * Reading one data file: bounded, strict, and with the line of every value.
 *
 * A file is at most 256 KiB and a regular file inside the fleet's folder. Duplicate keys, tags, directives, several
 * documents and merge keys (`<<`) are refused: overlays are this program's business, and a second way to merge would
 * hide where a value comes from. Aliases work, up to {@link MAX_ALIASES} of them in a file.
 */
import { closeSync, constants, fstatSync, openSync, readSync, realpathSync } from "node:fs";
import { join, relative, sep } from "node:path";
import {
  type Document,
  isAlias,
  isCollection,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from "yaml";

import type { Path, Problem } from "./problem.ts";
import { describe } from "./redact.ts";

export const MAX_BYTES = 256 * 1024;
export const MAX_ALIASES = 32;
const MAX_DEPTH = 64;
/** One slip can make hundreds of follow-up errors; the first few say it all. */
const MAX_SYNTAX_ERRORS = 5;

/** The folder that holds the data, and how its files are called in messages. */
export interface DataFolder {
  /** Absolute path with links resolved. */
  root: string;
  /** Name in messages, e.g. `wizards`. */
  label: string;
}

/** A parsed file. */
export interface DataFile {
  /** As shown in problems, e.g. `wizards/ezra/house.yaml`. */
  file: string;
  /** Plain data: maps, lists, scalars. */
  value: unknown;
  /** 1-based line of the key or item at this path, or of the closest place above it that exists. */
  line(path: Path): number | undefined;
}

export type Read<T> = { ok: true; value: T } | { ok: false; problems: Problem[] };

export function dataFolder(directory: string): Read<DataFolder> {
  const label = directory.split(sep).filter(Boolean).at(-1) ?? directory;
  try {
    return { ok: true, value: { root: realpathSync(directory), label } };
  } catch (error) {
    return {
      ok: false,
      problems: [{ file: label, path: "", message: `the folder cannot be read: ${systemReason(error)}` }],
    };
  }
}

/** Text of one regular file below the folder, UTF-8, at most {@link MAX_BYTES}. */
export function readText(folder: DataFolder, name: string): Read<string> {
  const file = `${folder.label}/${name}`;
  const fail = (message: string, more: Partial<Problem> = {}): Read<string> => ({
    ok: false,
    problems: [{ file, path: "", message, ...more }],
  });
  let real: string;
  try {
    real = realpathSync(join(folder.root, name));
  } catch (error) {
    return fail(hasCode(error, "ENOENT") ? "the file is missing" : `cannot be read: ${systemReason(error)}`);
  }
  const inside = relative(folder.root, real);
  if (inside === ".." || inside.startsWith(`..${sep}`)) {
    return fail(`leads out of ${folder.label}/`, { allowed: `a file below ${folder.label}/` });
  }
  let descriptor: number;
  try {
    // Not blocking: a FIFO would otherwise hold the program up before its kind is known.
    descriptor = openSync(real, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    return fail(`cannot be read: ${systemReason(error)}`);
  }
  try {
    const stat = fstatSync(descriptor);
    if (!stat.isFile()) return fail("is not a regular file", { allowed: "a regular file" });
    if (stat.size > MAX_BYTES) {
      return fail("is too large", { got: `${stat.size} bytes`, allowed: `at most ${MAX_BYTES} bytes` });
    }
    const buffer = Buffer.alloc(stat.size);
    const text = buffer.subarray(0, readSync(descriptor, buffer, 0, stat.size, 0));
    return { ok: true, value: new TextDecoder("utf-8", { fatal: true }).decode(text) };
  } catch (error) {
    if (error instanceof TypeError) return fail("is not UTF-8 text", { allowed: "UTF-8" });
    return fail(`cannot be read: ${systemReason(error)}`);
  } finally {
    closeSync(descriptor);
  }
}

/** Reads and parses one YAML (or JSON) file. */
export function readYaml(folder: DataFolder, name: string): Read<DataFile> {
  const text = readText(folder, name);
  return text.ok ? parseYaml(`${folder.label}/${name}`, text.value) : text;
}

/** Parses text as {@link readYaml} does; `file` is the name used in problems. */
export function parseYaml(file: string, text: string): Read<DataFile> {
  const lines = new LineCounter();
  let document: Document.Parsed;
  try {
    document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      version: "1.2",
      stringKeys: true,
    });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return {
      ok: false,
      problems: [{ file, path: "", message: "is nested too deeply", allowed: `at most ${MAX_DEPTH} levels` }],
    };
  }
  const lineAt = (offset: number | undefined): number | undefined =>
    offset === undefined ? undefined : lines.linePos(offset).line;
  const problems: Problem[] = document.errors.slice(0, MAX_SYNTAX_ERRORS).map((error) => ({
    file,
    ...lineField(lineAt(error.pos[0])),
    path: "",
    ...(SYNTAX[error.code] ?? GENERIC),
  }));
  // What a document with syntax errors contains is guesswork, and its values must not be quoted.
  if (problems.length > 0) return { ok: false, problems };
  problems.push(...structureProblems(file, document, lineAt));
  if (problems.length > 0) return { ok: false, problems };
  return {
    ok: true,
    value: {
      file,
      value: document.toJS({ maxAliasCount: -1 }) as unknown,
      line: (path) => lineAt(locate(document, path)),
    },
  };
}

/** The parser notes these on collections whether or not they are written. */
const IMPLICIT_TAGS = new Set(["tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"]);

// The library's own messages quote the source, which may be a secret, so each code has its sentence here.
const GENERIC = { message: "is not valid YAML here" };
const SYNTAX: Record<string, { message: string; allowed?: string }> = {
  DUPLICATE_KEY: { message: "the same key stands twice in one map", allowed: "every key once" },
  TAB_AS_INDENT: { message: "is indented with a tab", allowed: "spaces" },
  BAD_INDENT: { message: "is not indented like its neighbours, or a bracket before it is not closed" },
  MULTIPLE_DOCS: { message: "holds more than one document", allowed: "one document" },
  TAG_RESOLVE_FAILED: { message: "has a tag", allowed: "plain values without tags" },
  NON_STRING_KEY: { message: "has a key that is no text", allowed: "text keys; put quotes around it" },
  MISSING_CHAR: { message: "a closing quote, bracket or comma, or a colon's value is missing" },
  BAD_ALIAS: { message: "is not a usable alias or anchor" },
};

function structureProblems(
  file: string,
  document: Document.Parsed,
  lineAt: (offset: number | undefined) => number | undefined,
): Problem[] {
  const problems: Problem[] = [];
  const report = (node: Node | null | undefined, message: string, allowed: string, got?: string): void => {
    problems.push({
      file,
      ...lineField(lineAt(node?.range?.[0])),
      path: "",
      message,
      allowed,
      ...(got ? { got } : {}),
    });
  };
  if (document.directives.yaml.explicit) report(document.contents, "has a %YAML directive", "no directives");
  let aliases = 0;
  visit(document, {
    Node(_key, node, ancestors) {
      if (!isAlias(node) && node.tag !== undefined && !IMPLICIT_TAGS.has(node.tag)) {
        report(node, "has a tag", "plain values without tags", describe(node.tag));
      }
      if (ancestors.length > MAX_DEPTH && ancestors.filter(isCollection).length > MAX_DEPTH) {
        report(node, "is nested too deeply", `at most ${MAX_DEPTH} levels`);
        return visit.BREAK;
      }
      return undefined;
    },
    Alias(_key, alias, ancestors) {
      aliases += 1;
      const target = alias.resolve(document);
      if (target === undefined) {
        report(alias, "refers to an anchor that does not stand before it", "an anchor of this file");
      } else if (ancestors.includes(target)) {
        report(alias, "refers to what it stands in", "no cycles");
      } else if (!isScalar(target) && holdsAlias(target)) {
        report(alias, "refers to a value that itself holds aliases", "aliases of plain values");
      }
      if (aliases === MAX_ALIASES + 1) {
        report(alias, "has too many aliases", `at most ${MAX_ALIASES} in a file`);
        return visit.BREAK;
      }
      return undefined;
    },
    Pair(_key, pair) {
      if (!isScalar(pair.key)) return undefined;
      if (pair.key.value === "<<") {
        report(pair.key, "is a merge key", "no merge keys: put what is shared into wizards/base/");
      }
      if (pair.key.value === "__proto__") report(pair.key, "is not a usable key", "any other name");
      return undefined;
    },
  });
  return problems;
}

function holdsAlias(node: Node): boolean {
  let found = false;
  visit(node, {
    Alias() {
      found = true;
      return visit.BREAK;
    },
  });
  return found;
}

/** Offset of the key or item at `path`, or of the closest one above it. */
function locate(document: Document.Parsed, path: Path): number | undefined {
  let node: unknown = document.contents;
  let offset = document.contents?.range?.[0];
  for (const step of path) {
    const current = isAlias(node) ? node.resolve(document) : node;
    if (isMap(current)) {
      const pair = current.items.find(
        (item) => isScalar(item.key) && String(item.key.value) === String(step),
      );
      if (pair === undefined) return offset;
      offset = isScalar(pair.key) ? (pair.key.range?.[0] ?? offset) : offset;
      node = pair.value;
    } else if (isSeq(current) && typeof step === "number") {
      const item = current.items[step] as Node | undefined;
      if (item === undefined) return offset;
      offset = item.range?.[0] ?? offset;
      node = item;
    } else {
      return offset;
    }
  }
  return offset;
}

function lineField(line: number | undefined): { line?: number } {
  return line === undefined ? {} : { line };
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

/** The system's reason without the path in its message, e.g. `EACCES`. */
function systemReason(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}

/** For messages about a place in a parsed file. */
export function placeOf(source: DataFile, path: Path): { file: string; line?: number; path: Path } {
  return { file: source.file, ...lineField(source.line(path)), path };
}
