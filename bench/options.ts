/** What `npm run bench` may be asked for. */
import { UsageError } from "../scripts/arguments.ts";

export const TOOLS = ["ours", "ansible", "mitogen", "pyinfra", "ssh"] as const;
export type ToolName = (typeof TOOLS)[number];

/**
 * - `converge`: everything, on hosts that have nothing of it
 * - `check`: what differs, told without changing anything, where nothing differs
 * - `apply`: a real run where nothing differs
 * - `change`: one key changed in every house, put in force
 */
export const CASES = ["converge", "check", "apply", "change"] as const;
export type CaseName = (typeof CASES)[number];

export type Fewer = Partial<Record<ToolName, number>>;

export interface Options {
  houses: number;
  /** Test machines; a house's number modulo this says which one it stands on. */
  machines: number;
  /** Timed runs of each tool in each case. */
  runs: number;
  /** Timed runs of tools that take too long for as many. */
  fewer: Fewer;
  tools: ToolName[];
  cases: CaseName[];
  /** Tools whose memory is sampled, which takes a run of its own. */
  memory: ToolName[];
  /** Where the result goes as JSON. */
  json: string | undefined;
  /** Where the table goes as Markdown. */
  markdown: string | undefined;
  /** Also where the time of our own commands goes. */
  profile: boolean;
}

/** More machines than this take longer to boot than they tell. */
const MACHINES = 30;
const RUNS = 5;

const NAMES = [
  ...["houses", "machines", "runs", "fewer", "tools", "cases"],
  ...["memory", "json", "markdown", "profile"],
];

/** Throws a {@link UsageError} that says what is allowed. */
export function readOptions(args: readonly string[]): Options {
  const given = new Map<string, string>();
  for (let at = 0; at < args.length; at++) {
    const [name, inline] = splitOnce(args[at] ?? "");
    if (!NAMES.includes(name)) {
      throw new UsageError(`bench does not know ${JSON.stringify(args[at])}; ${ALLOWED}`);
    }
    const value = inline ?? (name === "profile" ? "yes" : args[++at]);
    if (value === undefined || value === "") throw new UsageError(`--${name} needs a value; ${ALLOWED}`);
    given.set(name, value);
  }
  const houses = whole("houses", given.get("houses"), 1, 1000);
  const runs = given.has("runs") ? whole("runs", given.get("runs"), 1, 100) : RUNS;
  const tools = some("tools", given.get("tools"), TOOLS);
  return {
    houses,
    machines: given.has("machines")
      ? whole("machines", given.get("machines"), 1, houses)
      : Math.min(houses, MACHINES),
    runs,
    fewer: fewerRuns(given.get("fewer"), runs),
    tools,
    cases: some("cases", given.get("cases"), CASES),
    memory: given.has("memory") ? some("memory", given.get("memory"), TOOLS) : tools,
    json: given.get("json"),
    markdown: given.get("markdown"),
    profile: given.has("profile"),
  };
}

const ALLOWED =
  "usage: npm run bench -- --houses N [--machines M] [--runs K] [--fewer TOOL=K,…] [--json FILE] [--markdown FILE] [--profile] " +
  `[--tools ${TOOLS.join(",")}] [--cases ${CASES.join(",")}] [--memory TOOL,...]; without --houses, the dev stack's own figures; ` +
  "--recovery alone, how long a house is without its gateway; --policies alone, what the policy pack adds to a preview";

function splitOnce(argument: string): [string, string | undefined] {
  const match = /^--([a-z]+)(?:=([^]*))?$/.exec(argument);
  return match?.[1] === undefined ? [argument, undefined] : [match[1], match[2]];
}

function whole(name: string, text: string | undefined, low: number, high: number): number {
  const value = Number(text);
  if (text !== undefined && /^\d+$/.test(text) && value >= low && value <= high) return value;
  throw new UsageError(
    `--${name} must be a whole number from ${low} to ${high}, got ${JSON.stringify(text)}; ${ALLOWED}`,
  );
}

/** Example: `ansible=1,mitogen=2`. */
function fewerRuns(text: string | undefined, runs: number): Fewer {
  if (text === undefined) return {};
  return Object.fromEntries(
    text.split(",").map((one) => {
      const [, tool = one, times] = /^([^=]*)=([^]*)$/.exec(one) ?? [];
      some("fewer", tool, TOOLS);
      return [tool, whole("fewer", times, 1, runs)];
    }),
  );
}

/** In the order of `known`, whatever order they were named in. */
function some<Name extends string>(option: string, text: string | undefined, known: readonly Name[]): Name[] {
  if (text === undefined) return [...known];
  const named = text.split(",");
  const unknown = named.filter((name) => !known.some((one) => one === name));
  if (unknown.length > 0)
    throw new UsageError(
      `--${option} does not know ${unknown.join(", ")}; allowed: ${known.join(",")}; ${ALLOWED}`,
    );
  return known.filter((name) => named.includes(name));
}
