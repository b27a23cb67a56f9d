/** What an operator brings out in one run. */
import { FAULTS, type Fault } from "../hosts/faults.ts";
import type { Dice } from "./dice.ts";
import { NAMES, type Ground, type House } from "./ground.ts";

export interface Deploy {
  /** In words, for the line of the run. */
  words: string;
  /** What makes the operator's files as they were, where they must not stay so. */
  undo?: () => void;
}

const MISTAKE = "\n  - [ not: yaml";

/** Kinds of a deploy, and how often each comes. */
const KINDS = {
  nothing: 1,
  "another configuration": 6,
  "another character": 2,
  "another key": 2,
  "a mistake in the data": 1,
  "a release that fails": 6,
} as const;

/** `takes long to be checked` is no failure. */
const FAILING = (Object.keys(FAULTS) as Fault[]).filter((fault) => fault !== "takes long to be checked");
const ROLLOUTS = ["canary", "serial", "parallel"] as const;

/** Makes the deploy in the operator's files; what failed before is mended by it. */
export async function prepareDeploy(
  ground: Ground,
  dice: Dice,
  failing: readonly House[],
): Promise<Deploy & { failing: House[] }> {
  const { fleet, houses } = ground;
  const kind = dice.weighted(KINDS);
  const rollout = dice.one(ROLLOUTS);
  const some = dice.roll() < 0.5 ? houses : [dice.one(houses)];
  const fault = dice.one(FAILING);
  fleet.editFleet((data) => (data.rollout = rollout));
  ground.change(failing);
  const named = some.length === NAMES.length ? "all" : some.map(({ name }) => name).join(", ");
  switch (kind) {
    case "nothing":
      return { words: kind, failing: [] };
    case "another configuration":
      ground.change(some);
      return { words: `${kind} of ${named} (${rollout})`, failing: [] };
    case "another character":
      fleet.edit("wizards/base/SOUL.md", /$/, `\nThe dice have said ${Math.floor(dice.roll() * 1e9)}.\n`);
      return { words: `${kind} (${rollout})`, failing: [] };
    case "another key":
      await ground.rotate();
      return { words: `${kind} (${rollout})`, failing: [] };
    case "a mistake in the data": {
      const file = `wizards/${some[0]!.name}/config.yaml`;
      fleet.edit(file, /$/, MISTAKE);
      return { words: kind, failing: [], undo: () => fleet.edit(file, MISTAKE, "") };
    }
    case "a release that fails":
      ground.change(some, fault);
      return { words: `a release of ${named} whose gateway ${fault} (${rollout})`, failing: [...some] };
  }
}
