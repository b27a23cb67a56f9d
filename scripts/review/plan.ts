/** Pure: what a preview would do to each house, from the engine's events. */
import { CHANGES, type EngineEvent, type Step } from "../events.ts";
import { COLLECTIONS, exitCodeOf, findingsOf, type Drift, type Findings } from "../findings.ts";
import { Places } from "../places.ts";
import { parsePropertyPath, valueAt, type PropertyPath } from "../property-path.ts";

/** What would happen to one house, or to what the houses of a host share, then called by the host's name. */
export interface HousePlan {
  house: string;
  change: Change;
  /** Files, links, units and the like that differ; properties where none of these does. */
  names: string[];
  /** Units that would be started again. */
  restarts: string[];
}

/** The gravest first: a house of which one resource is replaced is told as replaced. */
const GRAVITY = ["delete", "replace", "create", "update"] as const;
export type Change = (typeof GRAVITY)[number];

/** What is told of one stack. */
export interface StackReview {
  stack: string;
  /** 0, 1, 4 or 5, as of `npm run preview`. */
  code: number;
  plans: HousePlan[];
  /** Property by property what the plans are made of. */
  details: Drift[];
  /** Differences that a change did not make: they were there before it. */
  drift: Drift[];
  unreachable: string[];
  policy: Findings["policy"];
  failures: Findings["failures"];
  agents: Findings["agents"];
}

/**
 * @param events of the preview
 * @param before of a preview of the same hosts without the change, where there is one: what both tell is drift
 */
export function stackReview(
  stack: string,
  events: readonly EngineEvent[],
  before?: readonly EngineEvent[],
): StackReview {
  const findings = findingsOf(events);
  const drifted = new Set((before ? findingsOf(before).drift : []).map((entry) => JSON.stringify(entry)));
  const isDrift = (entry: Drift): boolean => drifted.has(JSON.stringify(entry));
  const details = findings.drift.filter((entry) => !isDrift(entry));
  const changed = new Set(details.map(({ house }) => house));
  return {
    stack,
    code: exitCodeOf({ ...findings, drift: [], agents: [] }),
    // A house that has drifted and nothing else is no change of this one.
    plans: plansOf(events).filter(({ house }) => drifted.size === 0 || changed.has(house)),
    details,
    drift: findings.drift.filter(isDrift),
    unreachable: findings.unreachable.map(({ house }) => house),
    policy: findings.policy,
    failures: findings.failures,
    agents: findings.agents,
  };
}

export function plansOf(events: readonly EngineEvent[]): HousePlan[] {
  const steps = events.flatMap(({ resourcePreEvent }) =>
    resourcePreEvent ? [resourcePreEvent.metadata] : [],
  );
  const places = new Places();
  places.learn(steps);
  const byHouse = new Map<string, Step[]>();
  for (const step of steps) {
    if (!CHANGES.has(step.op) || !places.isManaged(step.urn)) continue;
    const house = places.houseOf(step.urn);
    byHouse.set(house, [...(byHouse.get(house) ?? []), step]);
  }
  return [...byHouse]
    .map(([house, own]) => ({
      house,
      change: GRAVITY.find((change) => own.some(({ op }) => op === change)) ?? "update",
      names: [...new Set(own.flatMap(namesOf))],
      restarts: [...new Set(own.flatMap(restartsOf))],
    }))
    .sort((a, b) => (a.house < b.house ? -1 : 1));
}

const pathsOf = ({ detailedDiff }: Step): PropertyPath[] =>
  Object.keys(detailedDiff ?? {}).map(parsePropertyPath);

function namesOf(step: Step): string[] {
  const paths = pathsOf(step);
  const entries = paths.flatMap(([top, name]) =>
    COLLECTIONS.includes(String(top)) && name !== undefined ? [String(name)] : [],
  );
  // How a host is reached is its own business: the property is named, and nothing of its value.
  return entries.length > 0 ? entries : paths.map(([top]) => String(top));
}

/** A unit starts again when its own file or one that it reads at its start is another. */
function restartsOf(step: Step): string[] {
  const units = valueAt(step.new?.inputs, ["units"]);
  if (typeof units !== "object" || units === null) return [];
  if (step.op !== "update") return step.op === "delete" ? [] : Object.keys(units);
  const paths = pathsOf(step);
  const differs = (top: string, name: string): boolean =>
    paths.some(([first, second]) => first === top && second === name);
  return Object.entries(units).flatMap(([unit, { restartOn = [] }]: [string, { restartOn?: string[] }]) =>
    differs("units", unit) || restartOn.some((file) => differs("files", file)) ? [unit] : [],
  );
}
