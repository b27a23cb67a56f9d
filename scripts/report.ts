/** Pure: findings as lines for an operator, and as JSON for machines. */
import { CANNOT_LOOK } from "../provider/errors.ts";
import { stackOption } from "./arguments.ts";
import type { Drift, Failure, Findings } from "./findings.ts";
import { count, lines } from "./messages.ts";
import type { Unreachable } from "./unreachable.ts";

/** The report of `npm run drift`. */
export function driftReport(findings: Findings): string {
  const report = [
    ...findings.drift.map(driftLine),
    ...findings.agents.map(failureLine),
    ...unreachableLines(findings.unreachable),
    ...findings.policy.map(policyLine),
    ...findings.failures.map((entry) => `error: ${failureLine(entry)}`),
  ];
  if (report.length === 0)
    return `no drift: ${count(findings.houses, "house")}, ${count(findings.files, "file")}`;
  const summary = [
    ...(findings.drift.length > 0
      ? [`${count(findings.drift.length, "drifted property", "drifted properties")}`]
      : []),
    ...(findings.agents.length > 0
      ? [count(findings.agents.length, "finding") + " in what agents keep"]
      : []),
    ...(findings.unreachable.length > 0
      ? [`${count(findings.unreachable.length, "house")} that cannot be looked at`]
      : []),
    ...(findings.policy.length > 0 ? [count(findings.policy.length, "policy violation")] : []),
    ...(findings.failures.length > 0 ? [count(findings.failures.length, "error")] : []),
  ];
  return [...report, summary.join(", ")].join("\n");
}

export interface SummaryOptions {
  /** For the commands it names. */
  stack: string;
  /** All houses there should be; undefined where not all of them are gone through. */
  houses?: readonly string[];
  /** Whether a house that cannot be looked at was to be taken down. Default: none was. */
  isLeaving?: (house: string, reason: string) => boolean;
  /** Whether errors are told with all their lines: nothing else has shown them. */
  whole: boolean;
}

/** The summary after `up`, `preview` and `destroy`; empty when nothing went wrong. */
export function failureSummary(findings: Findings, options: SummaryOptions): string {
  const { stack, houses, whole, isLeaving = () => false } = options;
  const wrong = [
    ...unreachableLines(findings.unreachable),
    ...findings.policy.map(policyLine),
    ...findings.failures.map(whole ? wholeFailure : failureLine),
  ];
  if (wrong.length === 0) return "";
  const listed = ["What went wrong:", ...wrong.map(indented)];
  const told = [...findings.unreachable, ...findings.failures].map(({ house }) => house);
  const waiting = (houses ?? []).filter((house) => ![...findings.visited, ...told].includes(house));
  // A program that failed came to no house, and no house is why.
  const isWhy = told.some((house) => houses?.includes(house)) && !told.includes("");
  if (waiting.length > 0 && isWhy) {
    listed.push(
      indented(
        `${named(waiting)}: left as ${waiting.length === 1 ? "it was, since it waits" : "they were, since they wait"} for a house that failed`,
      ),
    );
  }
  const leaving = findings.unreachable.flatMap(({ house, shared, reason }) =>
    !shared && isLeaving(house, reason) ? [house] : [],
  );
  if (leaving.length > 0) {
    listed.push(
      `${named(leaving)} stay${leaving.length === 1 ? "s" : ""} in the state until the host can be reached; if it is gone for good: ` +
        `npm run retire -- ${leaving.join(" ")} --abandon${stackOption(stack)}`,
    );
  }
  return [...listed, ...hints(findings.failures, stack)].join("\n");
}

/** Words of the provider, and the command that is the operator's answer to them. */
const ANSWERS: readonly (readonly [words: RegExp, when: string, command: string])[] = [
  [/ is drained since /, "when it is to work again", "drain -- --undo"],
  [/ is left alone since /, "when it is repaired", "deadman -- clear"],
  [/ is refused since it failed there /, "if the cause lay elsewhere and is gone", "rejected -- clear"],
];

/** What an operator can do about failures beyond changing a house: one line for each kind. */
function hints(failures: readonly Failure[], stack: string): string[] {
  return ANSWERS.flatMap(([words, when, command]) => {
    const houses = [
      ...new Set(failures.filter(({ message }) => words.test(message)).map(({ house }) => house)),
    ];
    return houses.length === 0
      ? []
      : [`${when}: npm run ${command} ${houses.join(" ")}${stackOption(stack)}`];
  });
}

/** One line about houses that moved, or came back just in time; empty if there is none. */
export function reachedLine({ reached }: Findings): string {
  if (reached.length === 0) return "";
  const houses = named(reached.map(({ house }) => house));
  const them = reached.length === 1 ? "it" : "them";
  return `${houses}: could not be looked at before the update, which then reached ${them} (${reached[0]?.reason})`;
}

/** Houses on one host with the same reason share a line. */
function unreachableLines(all: readonly Unreachable[]): string[] {
  const groups = new Map<string, Unreachable[]>();
  for (const entry of all) {
    const key = JSON.stringify([entry.host, entry.reason]);
    groups.set(key, [...(groups.get(key) ?? []), entry]);
  }
  return [...groups.values()].map((group) => {
    const reason = group[0]?.reason ?? "";
    return `${named(group.map(({ house }) => house))}: ${CANNOT_LOOK}${reason === "" ? "" : `: ${reason}`}`;
  });
}

const SHOWN = 10;

/** `ezra, allegro and 3 more`. */
function named(houses: readonly string[]): string {
  const shown = houses.slice(0, SHOWN).join(", ");
  return houses.length > SHOWN ? `${shown} and ${houses.length - SHOWN} more` : shown;
}

const indented = (text: string): string => `  ${text.replaceAll("\n", "\n    ")}`;

function driftLine({ house, aspect, file, property, got, want }: Drift): string {
  return `${house}: ${aspect}: ${[file, property].filter((part) => part !== "").join(" ")}: ${got} → ${want}`;
}

const failureLine = ({ house, message }: Failure): string =>
  [house, headline(message)].filter((part) => part !== "").join(": ");

/** Every line: the second and those after it may be a unit's last words. */
const wholeFailure = ({ house, message }: Failure): string =>
  [house, lines(message).join("\n")].filter((part) => part !== "").join(": ");

const policyLine = ({ house, message }: Failure): string =>
  ["policy", house, lines(message).join(" ")].filter((part) => part !== "").join(": ");

/** The first line, together with the next one where it only announces it. */
function headline(text: string): string {
  const [first = "", second = ""] = lines(text);
  return first.endsWith(":") ? `${first} ${second}`.trim() : first;
}
