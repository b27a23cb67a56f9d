/** What rules read of a `Release`: its files by path, parsed as the harness parses them. */
import { parse } from "yaml";

import { bytesOf, ProjectFileChanged } from "../fleet/project-file.ts";
import { below, type Finding } from "../fleet/rules/finding.ts";
import type { Inputs } from "./inputs.ts";

export const RELEASE = "host:index:Release";

/** What a judge finds in the text of a file that every release must have; a finding if it is missing or not known. */
export function inFile(inputs: Inputs, path: string, judge: (text: string) => readonly Finding[]): Finding[] {
  const at = ["files", path];
  return inputs.judgeAll(
    ["content", "source", "sha256"].map((key) => [...at, key]),
    (content, source, sha256) => {
      if (typeof content === "string") return below([...at, "content"], judge(content));
      if (source !== undefined)
        return below([...at, "source"], inProjectFile(String(source), String(sha256), judge));
      const missing = { message: "is missing from the release", allowed: "every house has this file" };
      return [{ path: [...at, "content"], ...missing }];
    },
  );
}

/** The very bytes that would reach a host: the engine starts a pack in the folder of the project it judges. */
function inProjectFile(
  source: string,
  sha256: string,
  judge: (text: string) => readonly Finding[],
): readonly Finding[] {
  const text = textOf(source, sha256);
  if (text !== undefined) return judge(text);
  const message = "is no file of this project that holds what its digest says, so it cannot be judged";
  return [{ path: [], message, got: source, allowed: "a file that is not changed while the program runs" }];
}

/** By digest, the same text for every house: who has judged it may remember that. */
const texts = new Map<string, string>();

function textOf(source: string, sha256: string): string | undefined {
  try {
    const text = texts.get(sha256) ?? bytesOf({ source, sha256 }).toString("utf8");
    texts.set(sha256, text);
    return text;
  } catch (error) {
    if (!(error instanceof ProjectFileChanged)) throw error;
    return undefined;
  }
}

/** As {@link inFile} with the tree of a YAML or JSON file, by its name. */
export function inTree(
  inputs: Inputs,
  path: string,
  judge: (tree: unknown) => readonly Finding[],
): Finding[] {
  return inFile(inputs, path, (text) => {
    const tree = path.endsWith(".json") ? parseJson(text) : parseAsHarness(text);
    if (tree !== undefined) return judge(tree.value);
    const message = "cannot be parsed: the harness would drop it whole and run on its defaults";
    return [
      { path: [], message, allowed: "YAML or JSON without duplicate keys, unknown tags and broken lines" },
    ];
  });
}

/** Findings in a file that needs not be there. */
export function inOptionalFile(
  inputs: Inputs,
  path: string,
  judge: (inputs: Inputs, path: string) => readonly Finding[],
): Finding[] {
  return inputs.each(["files"], (name) => (name === path ? judge(inputs, path) : []));
}

/** Variables of `.env` as the harness reads them; a finding each if the file is missing or not known. */
export function inEnv(
  inputs: Inputs,
  judge: (env: ReadonlyMap<string, string>) => readonly Finding[],
): Finding[] {
  return inFile(inputs, ".env", (text) => judge(readEnv(text)));
}

/** The same for judges to which it is one source among others: nothing where the file is not there or not known. */
export function envOf(inputs: Inputs, file = ".env"): ReadonlyMap<string, string> {
  const content = inputs.peek(["files", file, "content"]);
  return readEnv(typeof content === "string" ? content : "");
}

function readEnv(text: string): Map<string, string> {
  return new Map(
    text.split("\n").flatMap((line): [string, string][] => {
      const [, name, quoted = ""] = /^\s*(?:export\s+)?([^=#\s]+)\s*=(.*)$/.exec(line) ?? [];
      return name === undefined ? [] : [[name, quoted.trim().replace(/^(["'])(.*)\1$/, "$2")]];
    }),
  );
}

/** Findings in the text of each unit. */
export function inUnits(
  inputs: Inputs,
  judge: (text: string, unit: string) => readonly Finding[],
): Finding[] {
  return inputs.each(["units"], (unit) =>
    inputs.judge(["units", unit, "content"], (content) => judge(String(content ?? ""), unit)),
  );
}

/** Findings in each entry of the files for /etc/cron.d. */
export function inCron(
  inputs: Inputs,
  judge: (entry: Record<string, unknown>) => readonly Finding[],
): Finding[] {
  return inputs.each(["cron"], (file) =>
    inputs.each(["cron", file, "entries"], (index) =>
      inputs.judge(["cron", file, "entries", Number(index)], (entry) =>
        judge((entry ?? {}) as Record<string, unknown>),
      ),
    ),
  );
}

function parseJson(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

/** Most rules want the same few trees of the same house, one after the other. */
const KEPT = 8;
const trees = new Map<string, { value: unknown } | undefined>();

/** YAML 1.1 with merge keys, as the harness's reader does. `undefined` for what is none. */
export function parseAsHarness(text: string): { value: unknown } | undefined {
  if (trees.has(text)) return trees.get(text);
  let tree: { value: unknown } | undefined;
  try {
    // The parser's message would quote the text, which may hold anything; without pretty ones it is quicker.
    tree = { value: parse(text, { version: "1.1", logLevel: "error", prettyErrors: false }) as unknown };
  } catch {
    tree = undefined;
  }
  trees.set(text, tree);
  const [oldest] = trees.keys();
  if (trees.size > KEPT && oldest !== undefined) trees.delete(oldest);
  return tree;
}
