/** Which harnesses are on a host, whole or not, and whom they are for: the question, and the parser of its answer. */
import { HARNESS_ID, HARNESS_ROOT } from "../../fleet/harness/lock.ts";
import { shellQuote } from "../../fleet/shell.ts";
import { CannotLook } from "../errors.ts";
import { CLAIMANT } from "./package-facts.ts";
import { shellText } from "./shell.ts";

export type HarnessState =
  | { kind: "absent" }
  /** Its installation has not come to its end. */
  | { kind: "half" }
  /** `what` has been changed since, an absolute path; the first that was found. */
  | { kind: "changed"; what: string }
  | { kind: "whole" }
  | { kind: "unreadable" };

/** A line of the host's record. */
export interface HarnessClaim {
  id: string;
  /** Absolute path. */
  house: string;
  /** Whose program wants it for the house; undefined where nobody does and its releases may still run with it. */
  by: string | undefined;
}

export type HarnessesFacts =
  | {
      readable: true;
      /** As the kernel calls the processor, e.g. `x86_64`. */
      machine: string;
      /** By id. */
      states: Map<string, HarnessState>;
      claims: HarnessClaim[];
      /** Wheels that are there, `<sha256>.<name>`. */
      wheels: Set<string>;
    }
  | { readable: false; reason: string };

/** Stands before the answer to {@link harnessScript}. */
export const HARNESSES_MARK = "harnesses";

/** A house as it may stand in the record, which has a claim to a line and words between spaces. */
export const RECORDABLE = {
  expression: /^(\/(?!\.{1,2}(\/|$))[^/\s]+)+$/,
  words: "an absolute path without white space and without empty, . or .. parts",
};
export const STORED_WHEEL = /^([0-9a-f]{64})\.([A-Za-z0-9_.+-]{1,180}\.whl)$/;

const RECORD = `${HARNESS_ROOT}/record`;
const NO_FILE = "?";
const MAX_RECORD = 65_536;

/** The part of a facts script that asks for harnesses, by id. */
export const harnessScript = (ids: string[]): string =>
  `set -- ${ids.map(shellQuote).join(" ")}\nharnesses=${shellQuote(HARNESS_ROOT)}\n${shellText("look-harness")}`;

/**
 * Reads the answer behind the mark. What is wrong with it makes harnesses unreadable and no more.
 *
 * @param printable makes text of a host fit to be shown
 * @param next takes the next field of the answer
 */
export function parseHarnesses(
  ids: string[],
  printable: (text: string) => string,
  next: () => string,
): HarnessesFacts {
  const [machine, recorded, wheels] = [next(), next(), next()];
  const states = new Map(ids.map((id) => [id, next()]));
  try {
    if (!/^[a-z0-9_]{1,32}$/.test(machine)) throw new CannotLook("the host's processor is not understood");
    return {
      readable: true,
      machine,
      states: new Map([...states].map(([id, state]) => [id, parseState(state, printable)])),
      claims: parseRecord(recorded),
      wheels: new Set(lines(wheels).filter((name) => STORED_WHEEL.test(name))),
    };
  } catch (error) {
    if (error instanceof CannotLook) return { readable: false, reason: error.message };
    throw error;
  }
}

function parseState(text: string, printable: (text: string) => string): HarnessState {
  const [kind = "", ...rest] = text.split(" ");
  if (kind === "changed") return { kind, what: printable(rest.join(" ")) };
  if (kind === "absent" || kind === "half" || kind === "whole" || kind === "unreadable") return { kind };
  throw new CannotLook("the host's answer about its harnesses is not understood");
}

function parseRecord(text: string): HarnessClaim[] {
  if (text === NO_FILE) throw new CannotLook(`${RECORD} is no file that can be read`);
  if (Buffer.byteLength(text) > MAX_RECORD)
    throw new CannotLook(`${RECORD} is larger than anything this program wrote`);
  return lines(text).map((line) => {
    const [what, id = "", house = "", by = "", ...more] = line.split(" ");
    if (HARNESS_ID.test(id) && RECORDABLE.expression.test(house) && more.length === 0) {
      if (what === "wanted" && CLAIMANT.expression.test(by)) return { id, house, by };
      if (what === "left" && by === "-") return { id, house, by: undefined };
    }
    throw new CannotLook(`${RECORD} has a line that this program did not write`);
  });
}

const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");
