/** Jobs of the house in the file that its agent and gateway write as well: how they differ, and what brings them in. Pure. */
import { printable, questionKey, type Facts, type Question } from "../../host/facts.ts";
import type { Step } from "../../host/steps.ts";
import type { ReleaseInputs } from "./layout.ts";

/** Jobs that are told by name; the rest is counted. */
const TOLD = 5;
/** The same for findings. */
const FOUND = 20;

/** What to ask a live host. */
export const jobsQuestion = ({ jobs }: ReleaseInputs): Question[] =>
  jobs === undefined
    ? []
    : [jobs.compare, ...(jobs.findings ? [jobs.findings] : [])].map((argv) => ({ user: jobs.user, argv }));

/** True where they are as declared, or where nothing was asked; else how they differ. The answer is an agent's to forge. */
export function observeMerged({ jobs }: ReleaseInputs, { answers }: Facts): true | string {
  if (jobs === undefined) return true;
  const key = questionKey({ user: jobs.user, argv: jobs.compare });
  if (!answers.has(key)) return true;
  const differences = differencesIn(answers.get(key));
  if (differences === undefined) return "(on the host: cannot be compared)";
  return differences.length === 0 ? true : `(on the host: ${differences.join("; ")})`;
}

function differencesIn(answer: string | undefined): string[] | undefined {
  try {
    const { jobs, more } = JSON.parse(answer ?? "") as { jobs: Record<string, unknown>[]; more?: unknown };
    const told = jobs.slice(0, TOLD).map(({ name, problem, fields }) => {
      const named = Array.isArray(fields) && fields.length > 0 ? ` in ${fields.map(String).join(", ")}` : "";
      return printable(`${String(name)} ${String(problem)}${named}`, 120);
    });
    const rest = jobs.length - told.length + (typeof more === "number" ? more : 0);
    return rest > 0 ? [...told, `${rest} more`] : told;
  } catch {
    return undefined;
  }
}

/** What is wrong with what the agent keeps: names and places, a line each. The answer is an agent's to forge, too. */
export function agentFindings({ jobs }: ReleaseInputs, { answers }: Facts): string[] {
  if (jobs?.findings === undefined) return [];
  const key = questionKey({ user: jobs.user, argv: jobs.findings });
  if (!answers.has(key)) return [];
  try {
    const said = JSON.parse(answers.get(key) ?? "") as Record<
      "findings" | "unreadable",
      Record<string, unknown>[]
    > & {
      more?: unknown;
    };
    const lines = [
      ...said.findings.map(
        (one) =>
          `${text(one, "where")} ${text(one, "path")}: ${text(one, "name")} (${text(one, "family")} is banned)`,
      ),
      ...said.unreadable.map((one) => `${text(one, "where")}: cannot be judged, ${text(one, "why")}`),
    ];
    const rest = lines.length - FOUND + (typeof said.more === "number" ? said.more : 0);
    return [...lines.slice(0, FOUND), ...(rest > 0 ? [`${rest} more`] : [])];
  } catch {
    return ["it cannot be judged: its Python does not answer as it should"];
  }
}

const text = (record: Record<string, unknown>, name: string): string =>
  printable(String(record[name] ?? ""), 80);

/**
 * Takes ours out before the release goes, whose script does it. With the whole home they go anyway; and where there is no
 * harness any more to run the script with, there is none to run the jobs either.
 */
export function withdrawSteps({ jobs, onDestroy }: ReleaseInputs, facts: Facts): Step[] {
  if (jobs?.withdraw === undefined || onDestroy === "remove-all" || facts.units.size === 0) return [];
  return [{ do: "withdraw", as: jobs.user, argv: jobs.withdraw }];
}

/** @param switches whether another release comes into force, which is not what was asked about */
export function mergeSteps(inputs: ReleaseInputs, facts: Facts, switches: boolean): Step[] {
  const { jobs } = inputs;
  if (jobs === undefined || facts.units.size === 0) return [];
  if (!switches && observeMerged(inputs, facts) === true) return [];
  return [{ do: "merge", as: jobs.user, argv: jobs.apply }];
}
