/** How `drain.py` is called, and where it stands that a house is drained. Pure. */
import { deadmanState } from "../deadman/conf.ts";
import { harnessPython } from "../gateway/harness.ts";

/** Path inside the release. */
export const DRAIN = "drain/drain.py";

/**
 * File that is there while a house is drained: one line, `<time><tab><reason>`. While it is there, the unit does not start,
 * the deadman switch looks on, and nothing is changed in the house.
 */
export const drainedFlag = (house: string): string => `${deadmanState(house)}/drained`;

/** Command lines of `drain.py`, to be run on the host as the house's user. What they do is at the top of the script. */
export function drainCommands(path: string): Record<"begin" | "look" | "end", string[]> {
  const script = [harnessPython(path), "-I", "-S", "-B", `${path}/current/${DRAIN}`];
  const call = (act: string): string[] => [...script, act, `${path}/home`];
  return { begin: call("begin"), look: call("look"), end: call("end") };
}
