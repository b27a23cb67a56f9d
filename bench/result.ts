/** What a bench run comes to: the JSON document, and medians of what was measured. */
import type { Control } from "./control.ts";
import { verdicts, type Verdict } from "./goals.ts";
import { CASES, TOOLS, type CaseName, type Fewer, type ToolName } from "./options.ts";
import type { Traffic } from "./measure.ts";
import type { Profile } from "./profile.ts";
import type { Workplace } from "./workplace.ts";

/** One timed run. */
export interface Run {
  case: CaseName;
  tool: ToolName;
  seconds: number;
  /** Processor seconds on the operator's side. */
  processor: number;
  traffic: Traffic;
}

/** One run whose memory was sampled. */
export interface MemoryRun {
  case: CaseName;
  tool: ToolName;
  /** Bytes at the peak, over all processes of the tool. */
  peak: number;
}

export interface Raw {
  /** Every timed run, in the order they were made. */
  timed: Run[];
  sampled: MemoryRun[];
  /** Where the time of our own commands goes; only where it was asked for. */
  profiles: Partial<Record<CaseName, Profile>>;
}

/** A figure for every tool; null where the tool has no such case, was left out, or failed. */
export type ByTool = Record<ToolName, number | null>;
export type ByCase = Partial<Record<CaseName, ByTool>>;

export interface Result {
  /** ISO 8601, when the bench started. */
  date: string;
  houses: number;
  machines: number;
  /** Timed runs of each tool in each case. */
  runs: number;
  /** Of these tools so many. */
  fewer: Fewer;
  /** Arguments that repeat this. */
  arguments: string[];
  workplace: Workplace;
  /** By tool. */
  versions: Partial<Record<ToolName, string>>;
  /** Median seconds of the whole command. */
  cases: ByCase;
  /** Median processor seconds of the command and its descendants, without the machines. */
  processor: ByCase;
  /** Medians over all machines together: logins, commands started over them, bytes on the cables both ways. */
  connections: ByCase;
  sessions: ByCase;
  bytes: ByCase;
  /** Peak bytes of all processes of a tool, as proportional set size. */
  memory: ByCase;
  goals: Verdict[];
  /**
   * At the end: whether the machines are exactly as wanted, and whether a byte changed for a try is noticed. They are
   * compared after every run that changes something, too; a difference there is a failure.
   */
  control: Control;
  /** What went wrong, one line or more each. */
  failures: string[];
  raw: Raw;
}

export type Facts = Pick<
  Result,
  | "date"
  | "houses"
  | "machines"
  | "runs"
  | "fewer"
  | "arguments"
  | "workplace"
  | "versions"
  | "control"
  | "failures"
  | "raw"
>;

export function resultOf(facts: Facts): Result {
  const { timed, sampled } = facts.raw;
  const figures = {
    cases: medians(timed, ({ seconds }) => seconds),
    processor: medians(timed, ({ processor }) => processor),
    connections: medians(timed, ({ traffic }) => traffic.connections),
    sessions: medians(timed, ({ traffic }) => traffic.sessions),
    bytes: medians(timed, ({ traffic }) => traffic.sent + traffic.received),
    memory: medians(sampled, ({ peak }) => peak),
  };
  return { ...facts, ...figures, goals: verdicts({ ...facts, ...figures }) };
}

function medians<One extends { case: CaseName; tool: ToolName }>(
  runs: One[],
  figure: (run: One) => number,
): ByCase {
  const byTool = (name: CaseName): ByTool =>
    Object.fromEntries(
      TOOLS.map((tool) => [
        tool,
        median(runs.filter((run) => run.case === name && run.tool === tool).map(figure)),
      ]),
    ) as ByTool;
  const present = CASES.filter((name) => runs.some((run) => run.case === name));
  return Object.fromEntries(present.map((name) => [name, byTool(name)]));
}

/** Of an even number of values the mean of the two in the middle; null of none. */
export function median(values: number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  return upper === undefined || lower === undefined ? null : (lower + upper) / 2;
}
