/** What this program wants to reach, and whether a result reaches it. */
import type { CaseName, ToolName } from "./options.ts";

/** The part of a result that goals are about. Times are medians in seconds. */
export interface Figures {
  houses: number;
  machines: number;
  cases: Partial<Record<CaseName, Record<ToolName, number | null>>>;
  /** Commands started over all connections of a run, median. */
  sessions: Partial<Record<CaseName, Record<ToolName, number | null>>>;
  /** Peak bytes of a tool's processes. */
  memory: Partial<Record<CaseName, Record<ToolName, number | null>>>;
}

export interface Verdict {
  goal: string;
  /** What was measured, in words. */
  reached: string;
  met: boolean;
}

/** Goals for this number of houses whose figures have been taken. */
export function verdicts(figures: Figures): Verdict[] {
  return GOALS.filter(({ houses }) => houses(figures.houses)).flatMap((goal) => goal.judge(figures) ?? []);
}

interface Goal {
  houses: (count: number) => boolean;
  judge: (figures: Figures) => Verdict | undefined;
}

const any = (): boolean => true;
/** From 30 houses on, fixed costs of starting a tool no longer say most. */
const thirty = (count: number): boolean => count >= 30 && count < 100;
const exactly = (wanted: number) => (count: number) => count === wanted;

/** `ours` must be at least `times` faster than `other`. */
function faster(name: CaseName, other: ToolName, times: number, houses = any as Goal["houses"]): Goal {
  return {
    houses,
    judge: ({ cases }) => {
      const [mine, theirs] = [cases[name]?.ours ?? null, cases[name]?.[other] ?? null];
      if (mine === null || theirs === null) return undefined;
      return {
        goal: `${name}: at least ${times}x faster than ${other}`,
        reached: `${(theirs / mine).toFixed(1)}x`,
        met: theirs / mine >= times,
      };
    },
  };
}

/** `ours` may take at most `times` as long as bare ssh. */
function closeToSsh(times: number, houses: Goal["houses"]): Goal {
  return {
    houses,
    judge: ({ cases }) => {
      const [mine, floor] = [cases.check?.ours ?? null, cases.check?.ssh ?? null];
      if (mine === null || floor === null) return undefined;
      return {
        goal: `check: at most ${times}x bare ssh`,
        reached: `${(mine / floor).toFixed(1)}x`,
        met: mine / floor <= times,
      };
    },
  };
}

function atMost(
  goal: string,
  houses: Goal["houses"],
  figure: (figures: Figures) => number | null | undefined,
  limit: number,
  words: (value: number) => string,
): Goal {
  return {
    houses,
    judge: (figures) => {
      const value = figure(figures) ?? null;
      return value === null ? undefined : { goal, reached: words(value), met: value <= limit };
    },
  };
}

const MEGABYTE = 1_000_000;

const GOALS: readonly Goal[] = [
  faster("check", "ansible", 35, thirty),
  faster("check", "mitogen", 10, thirty),
  faster("check", "pyinfra", 1.6, thirty),
  closeToSsh(2.3, thirty),
  faster("check", "pyinfra", 2, exactly(100)),
  closeToSsh(1.6, exactly(100)),
  faster("change", "ansible", 20, thirty),
  faster("converge", "ansible", 10, thirty),
  atMost(
    "check: one house in under 2.5 s",
    exactly(1),
    ({ cases }) => cases.check?.ours,
    2.5,
    (value) => `${value.toFixed(2)} s`,
  ),
  atMost(
    "check: one session per host",
    any,
    ({ sessions, machines }) => {
      const count = sessions.check?.ours ?? null;
      return count === null ? null : count / machines;
    },
    1,
    (value) => `${value.toFixed(2)} per machine`,
  ),
  atMost(
    "check: under 500 MB of memory",
    exactly(100),
    ({ memory }) => memory.check?.ours,
    500 * MEGABYTE,
    (value) => `${(value / MEGABYTE).toFixed(0)} MB`,
  ),
];
