/**
 * Seconds that each script of a plan may take, by what its steps may wait for. A script that is ended before that takes a
 * sound release back because its house was at work. Pure.
 */
import type { Step } from "./steps.ts";

/** For all whose length is no setting: the lock, the check of a release, its files, the start of a unit. */
export const USUAL_DEADLINE = 300;
/** Nothing is waited for any longer; the run of a revert's timer, see revert.sh, is as patient. */
export const LONGEST = 86_400;
/** What systemd gives a unit to stop that does not say how long it needs. */
const STOP = 90;

/** Seconds that a unit may take to stop, by its text, which says it as a plain number if we have written it. */
export const stopSeconds = (text: string): number =>
  Number(/^TimeoutStopSec=(\d+)$/m.exec(text)?.[1] ?? STOP);

/**
 * For scripts with these steps, all of them to be on the safe side: each unit may have to be stopped and waited for once on
 * the way there and once on the way back.
 *
 * @param stops seconds that a unit may take to stop
 */
export function deadlineFor(steps: readonly Step[], stops: (unit: string) => number): number {
  const units = new Map<string, number>();
  for (const step of steps) {
    if (!("unit" in step) || step.do === "mark-restart") continue;
    const deadline = "deadline" in step ? step.deadline : 0;
    units.set(step.unit, Math.max(units.get(step.unit) ?? 0, deadline));
  }
  const waits = [...units].map(([unit, deadline]) => stops(unit) + deadline);
  return USUAL_DEADLINE + Math.min(LONGEST, 2 * waits.reduce((sum, one) => sum + one, 0));
}
