/** Whether a unit runs, on what, and what has to be done about it: shared by all resources that have units. Pure. */
import { factOf, type Facts, type UnitState } from "../host/facts.ts";
import { RESTART_MARKS, type Step } from "../host/steps.ts";
import type { Value } from "../values.ts";
import { proven } from "./observed.ts";
import { intruderName } from "./release/layout.ts";

/** The mark that a unit still runs on what was there before a switch, or was not well after it. */
export const restartMark = (unit: string): string => `${RESTART_MARKS}/${unit}`;

/** Seconds a restarted unit gets to be well, unless its resource says otherwise. */
export const RESTART_DEADLINE = 60;

/** A unit that systemd starts again and again is "activating" most of the time, but it does not run. */
const runs = (state: UnitState): boolean =>
  ["active", "activating", "reloading"].includes(state.active) && state.sub !== "auto-restart";

function marked(unit: string, facts: Facts): boolean {
  const mark = restartMark(unit);
  return proven(mark, factOf(facts, mark)).kind !== "absent";
}

const STALE = "(on the host: its file has changed since systemd read it)";

/** What to report as `running`: true or false, or in words what is between the two. */
export function observeRunning(
  { unit, running: wanted, triggered, undone }: Pick<WantedUnit, "unit" | "running" | "triggered" | "undone">,
  facts: Facts,
): Value {
  const state = facts.units.get(unit);
  // Whether it runs just now is chance. This may be its own run.
  if (triggered) return state?.stale ? STALE : wanted;
  // In a folder that stands for a host nothing runs, and nothing is asked.
  if (state === undefined) return wanted;
  if (!runs(state)) {
    if (!wanted) return false;
    return state.active === "failed" || state.sub === "auto-restart"
      ? `(on the host: failed, ${state.result})`
      : false;
  }
  if (state.stale) return STALE;
  if (wanted && marked(unit, facts)) return "(on the host: not well since its last change)";
  if (wanted && undone) return "(on the host: it runs, but what it set up is not in force)";
  return true;
}

/** What to report as the unit's content where drop-ins change it. */
export function observeOverrides(unit: string, facts: Facts): string | undefined {
  const dropIns = facts.units.get(unit)?.dropIns ?? [];
  return dropIns.length === 0 ? undefined : `(on the host: changed by ${dropIns.join(", ")})`;
}

/** Moves drop-ins aside: a unit is what its file says. */
function overrides(units: WantedUnit[], facts: Facts, keep: string): Step[] {
  const paths = units.flatMap(({ unit }) => facts.units.get(unit)?.dropIns ?? []);
  const folders = new Set(paths.map((path) => path.slice(0, path.lastIndexOf("/"))));
  return [
    ...paths.map((path): Step => ({ do: "displace", path, keep, name: intruderName(path) })),
    ...[...folders].map((path): Step => ({ do: "remove-if-empty", path })),
  ];
}

export interface WantedUnit {
  unit: string;
  running: boolean;
  /** Something else starts it, such as a path unit: it is neither started nor stopped here. */
  triggered?: boolean;
  /** Whether what the unit reads at its start, its own file included, is about to change. */
  changed: boolean;
  /** Whether what it set up is not in force any more, though it runs. */
  undone?: boolean;
  /** URL that answers 200 while the unit is well. */
  http?: string;
  deadline?: number;
}

/**
 * Steps before and after the switch that bring units to where they should be; none where they are, or where nothing
 * runs. The marks come before the switch, so that a crash behind it is not forgotten.
 *
 * @param keep folder that takes what has to go
 * @param moved whether the switch moves unit files, be it to equal ones: systemd goes by their times
 */
export function bringUnits(
  wanted: WantedUnit[],
  moved: boolean,
  facts: Facts,
  keep: string,
): { before: Step[]; after: Step[] } {
  const live = wanted.flatMap((unit) => {
    const state = facts.units.get(unit.unit);
    return state === undefined ? [] : [{ ...unit, state }];
  });
  const restarts = live.filter(
    ({ unit, running, triggered, changed, undone, state }) =>
      running &&
      !triggered &&
      (!runs(state) || changed || undone || state.dropIns.length > 0 || marked(unit, facts)),
  );
  const stops = live.filter(
    ({ running, triggered, state }) => !running && !triggered && (runs(state) || state.active === "failed"),
  );
  const reload = live.some(
    ({ changed, state }) => moved || changed || state.stale || state.dropIns.length > 0,
  );
  return {
    before: [
      ...restarts.map(({ unit }): Step => ({ do: "mark-restart", unit })),
      ...overrides(wanted, facts, keep),
    ],
    after: [
      ...(reload ? [{ do: "reload-units" } as const] : []),
      ...stops.map(({ unit }): Step => ({ do: "stop-unit", unit })),
      ...restarts.map(({ unit, http, deadline }): Step => ({
        do: "restart-unit",
        unit,
        deadline: deadline ?? RESTART_DEADLINE,
        ...(http !== undefined && { http }),
      })),
    ],
  };
}

/** Steps that stop units that are about to be removed. */
export function stopUnits(units: string[], facts: Facts): Step[] {
  return units
    .filter((unit) => {
      const state = facts.units.get(unit);
      return state !== undefined && state.load !== "not-found" && state.active !== "inactive";
    })
    .map((unit): Step => ({ do: "stop-unit", unit }));
}

/** Makes systemd forget units whose files are gone, where it knows any. */
export function forgetUnits(units: string[], facts: Facts): Step[] {
  return units.some((unit) => facts.units.has(unit)) ? [{ do: "reload-units" }] : [];
}
