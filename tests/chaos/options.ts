/** What `npm run chaos` may be asked for. */
import { UsageError } from "../../scripts/arguments.ts";

/** What the judge must notice; each is a way to see that it can say no. */
export const SABOTAGES = ["revert", "secret"] as const;
/**
 * - `revert`: the hosts' revert timers never run
 * - `secret`: a key in use is written into a host's journal
 */
export type Sabotage = (typeof SABOTAGES)[number];

export interface Options {
  runs: number;
  /** What all choices follow from; the same seed makes the same choices. */
  seed: number;
  /** Where the result goes as JSON. */
  json: string | undefined;
  sabotage: Sabotage | undefined;
}

const USAGE =
  "usage: npm run chaos -- [--runs N] [--seed S] [--json FILE] " + `[--sabotage ${SABOTAGES.join("|")}]`;
const RUNS = 200;
/** Seeds have 32 bits. */
export const SEEDS = 2 ** 32;

/** Throws a {@link UsageError} that says what is allowed. */
export function readOptions(args: readonly string[]): Options {
  const given = new Map<string, string>();
  for (let at = 0; at < args.length; at++) {
    const [, name, inline] = /^--(runs|seed|json|sabotage)(?:=([^]*))?$/.exec(args[at] ?? "") ?? [];
    if (name === undefined) throw new UsageError(`chaos does not know ${JSON.stringify(args[at])}; ${USAGE}`);
    const value = inline ?? args[++at];
    if (value === undefined || value === "") throw new UsageError(`--${name} needs a value; ${USAGE}`);
    given.set(name, value);
  }
  const sabotage = SABOTAGES.find((one) => one === given.get("sabotage"));
  if (given.has("sabotage") && sabotage === undefined) {
    throw new UsageError(`--sabotage does not know ${JSON.stringify(given.get("sabotage"))}; ${USAGE}`);
  }
  return {
    runs: whole("runs", given.get("runs"), 1, 100_000) ?? RUNS,
    seed: whole("seed", given.get("seed"), 0, SEEDS - 1) ?? Math.floor(Math.random() * SEEDS),
    json: given.get("json"),
    sabotage,
  };
}

function whole(name: string, text: string | undefined, low: number, high: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= low && value <= high) return value;
  throw new UsageError(
    `--${name} must be a whole number from ${low} to ${high}, got ${JSON.stringify(text)}; ${USAGE}`,
  );
}
