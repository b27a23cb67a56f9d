/**
 * The forced command of an SSH key that may only look: `provider/host/shell/observe.py` with the grammar of the scripts
 * that look. The grammar is made from `provider/host/facts.ts` itself, so that it cannot fall behind.
 */
import { readFileSync } from "node:fs";

import { mergeJobs } from "../../components/jobs/command-lines.ts";
import { IN_FORCE } from "../../components/metadata/guard.ts";
import { shellQuote } from "../../fleet/shell.ts";
import { factScript, noFacts, type FactRequest } from "../../provider/host/facts.ts";

/** Stands in a sample for what differs from script to script. */
const hole = (name: string): string => `\u0001${name}\u0002`;

/** What may stand in a hole, in Python's regular expressions. Within single quotes nothing has a meaning to a shell. */
const ANY_PATH = String.raw`/(?:[^'\0]|'\\'')*`;
const PLAIN_PATH = "(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)+";
const HOLES: Readonly<Record<string, string>> = {
  path: ANY_PATH,
  // Names in a folder are told for releases and backups only.
  folder: `(?:${PLAIN_PATH}/(?:releases|pending)|/var/backups/wizard-houses/[a-z0-9-]+)`,
  // Contents are told for what the program itself writes there.
  text: `(?:${PLAIN_PATH}/(?:rejected|revoked)|/var/lib/wizard-houses${PLAIN_PATH})`,
  house: PLAIN_PATH,
  user: "[a-z_][a-z0-9_-]*",
  account: "[a-z_][a-z0-9_-]*",
  unit: "[A-Za-z0-9@:._][A-Za-z0-9@:._-]*",
  package: "[a-z0-9][a-z0-9.+-]*",
  harness: String.raw`\d+\.\d+\.\d+-[0-9a-f]{12}`,
};

/** As Python's re.escape, for what stands between holes. */
const literal = (text: string): string => text.replace(/[^A-Za-z0-9_\n]/g, (char) => `\\${char}`);

/** The sample as an expression; a hole that comes again stands for the same text. */
function expression(sample: string): string {
  const seen = new Set<string>();
  return sample
    .split(/\u0001(.*?)\u0002/s)
    .map((part, at) => {
      if (at % 2 === 0) return literal(part);
      if (seen.has(part)) return `(?P=${part})`;
      seen.add(part);
      return `(?P<${part}>${HOLES[part]})`;
    })
    .join("");
}

/** One word after another, each quoted, one at least. */
const words = (kind: string): string => `'${HOLES[kind]}'(?: '${HOLES[kind]}')*`;

const LIVE = { prefix: "", owners: true };
const sampleOf = (request: Partial<FactRequest>): string => factScript({ ...noFacts, ...request }, LIVE);

/** What a request adds to the script that asks for nothing. */
function added(request: Partial<FactRequest>): string {
  const [nothing, something] = [sampleOf({}), sampleOf(request)];
  const end = nothing.split("\n").at(-1) ?? "";
  const start = nothing.slice(0, -end.length);
  if (!something.startsWith(start) || !something.endsWith(end))
    throw new Error("a facts script is not put together as the observer expects");
  return something.slice(start.length, -end.length);
}

const questions = (): string[][] => {
  const { compare, findings } = mergeJobs(hole("house"));
  return [compare, findings];
};

/** Expression for one line or more that hold this one list of words. */
function listed(request: (word: string) => Partial<FactRequest>, kind: string): string {
  const [before = "", after = ""] = added(request(hole(kind))).split(shellQuote(hole(kind)));
  return literal(before) + words(kind) + literal(after);
}

/** The expression that every script that looks matches as a whole. */
export function grammar(): string {
  const path = hole("path");
  const sample = sampleOf({ paths: [path] });
  const [head = "", tail = ""] = sample.split(`hashed=1\nset -- ${shellQuote(path)}`);
  const end = sampleOf({}).split("\n").at(-1) ?? "";
  // Runs what is Debian's, as root, and nothing in it differs from host to host.
  const guard = literal(added({ questions: [{ user: "root", argv: IN_FORCE }] }));
  // Names of groups are one pattern's own: in a row of alternatives they would be the same group twice.
  const numbered = (text: string, number: number): string =>
    text.replaceAll(/\(\?P([<=])(\w+)/g, `(?P$1$2${number}`);
  const asks = questions().map((argv, at) =>
    numbered(expression(added({ questions: [{ user: hole("user"), argv }] })), at),
  );
  return [
    literal(head),
    `hashed=[0-9]{1,6}\nset -- (?:${words("path")})?`,
    literal(tail.slice(0, -end.length)),
    `(?:${expression(added({ folders: [hole("folder")] }))})*`,
    `(?:${expression(added({ texts: [hole("text")] }))})*`,
    `(?:${[...asks, guard].join("|")})*`,
    `(?:${expression(added({ accounts: [hole("account")] }))})*`,
    `(?:${listed((word) => ({ units: [word] }), "unit")})?`,
    `(?:${listed((word) => ({ packages: [word] }), "package")})?`,
    `(?:${listed((word) => ({ harnesses: [word] }), "harness")})?`,
    literal(end),
  ].join("");
}

/** Finds user and house of each question in a script that matches the grammar. */
function questionFinder(): string {
  const script = `${hole("house")}/current/jobs/merge-jobs.py`;
  const [argv = []] = questions();
  const upTo = argv.slice(0, argv.indexOf(script) + 1).map(shellQuote);
  const asked = added({ questions: [{ user: hole("user"), argv }] });
  const start = asked.indexOf(`--regid=${shellQuote(hole("user"))}`);
  const end = asked.indexOf(upTo.join(" "));
  if (start === -1 || end < start) throw new Error("a question is not put as the observer expects");
  return expression(asked.slice(start, end) + upTo.join(" "));
}

/** Text of the program, to be installed as root's on a host. */
export function observerProgram(): string {
  const source = readFileSync(new URL("../../provider/host/shell/observe.py", import.meta.url), "utf8");
  return source
    .replace('"@GRAMMAR@"', () => JSON.stringify(grammar()))
    .replace('"@QUESTION@"', () => JSON.stringify(questionFinder()));
}
