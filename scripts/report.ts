/** Pure: findings as lines for an operator, and as JSON for machines. */
import { CANNOT_LOOK } from "../provider/errors.ts";
import type { Drift, Failure, Findings, Unreachable } from "./findings.ts";

/** The report of `npm run drift`. */
export function driftReport(findings: Findings): string {
  const report = [
    ...findings.drift.map(driftLine),
    ...findings.unreachable.map(unreachableLine),
    ...findings.policy.map(policyLine),
    ...findings.failures.map((entry) => `error: ${failureLine(entry)}`),
  ];
  if (report.length === 0)
    return `no drift: ${count(findings.houses, "house")}, ${count(findings.files, "file")}`;
  const summary = [
    ...(findings.drift.length > 0
      ? [`${count(findings.drift.length, "drifted property", "drifted properties")}`]
      : []),
    ...(findings.unreachable.length > 0
      ? [`${count(findings.unreachable.length, "house")} that cannot be looked at`]
      : []),
    ...(findings.policy.length > 0 ? [count(findings.policy.length, "policy violation")] : []),
    ...(findings.failures.length > 0 ? [count(findings.failures.length, "error")] : []),
  ];
  return [...report, summary.join(", ")].join("\n");
}

/** The summary after `up`, `preview` and `destroy`; empty when nothing went wrong. */
export function failureSummary(findings: Findings): string {
  const report = [
    ...findings.unreachable.map(unreachableLine),
    ...findings.policy.map(policyLine),
    ...findings.failures.map(failureLine),
  ];
  return report.length === 0 ? "" : ["What went wrong:", ...report.map((line) => `  ${line}`)].join("\n");
}

function driftLine({ house, aspect, file, property, got, want }: Drift): string {
  return `${house}: ${aspect}: ${[file, property].filter((part) => part !== "").join(" ")}: ${got} → ${want}`;
}

const failureLine = ({ house, message }: Failure): string =>
  [house, headline(message)].filter((part) => part !== "").join(": ");

/** A policy's own description comes first, then what the rule says about this resource. */
const policyLine = ({ house, message }: Failure): string =>
  ["policy", house, lines(message).join(" ")].filter((part) => part !== "").join(": ");

/** The first line, together with the next one where it only announces it. */
function headline(text: string): string {
  const [first = "", second = ""] = lines(text);
  return first.endsWith(":") ? `${first} ${second}`.trim() : first;
}

/** The provider's own words: the engine puts a line before them, and they begin with the name of what was looked at. */
function unreachableLine({ house, reason }: Unreachable): string {
  const own = lines(reason).find((line) => line.includes(CANNOT_LOOK)) ?? headline(reason);
  const why = own.slice(own.indexOf(CANNOT_LOOK) + CANNOT_LOOK.length).replace(/^[:,\s]+/, "");
  return `${house}: ${CANNOT_LOOK}${why === "" ? "" : `: ${why}`}`;
}

const lines = (text: string): string[] =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}
