/** The deadman switch's secrets: keys of the stack that root alone gets to see on a host, and no agent. */
import { houseKeys } from "./golden.ts";
import type { DeadmanSettings, House } from "./model.ts";
import { type Path, type Problem, valueProblem } from "./problem.ts";
import { valueAt } from "./schema.ts";
import { type DataFile, placeOf } from "./yaml.ts";

/** Where in the settings each secret is named, by its name in the switch's own secrets file. */
const PLACES = {
  PING_URL: ["pingUrlKey"],
  WEBHOOK_URL: ["webhookUrlKey"],
  FORGE_TOKEN: ["forge", "tokenKey"],
} as const;
export type DeadmanSecret = keyof typeof PLACES;

/** What the value of each must be. */
export const DEADMAN_SHAPES = { PING_URL: "url", WEBHOOK_URL: "url", FORGE_TOKEN: "token" } as const;

/** The keys of the stack that a switch needs, in a fixed order. */
export function deadmanKeys({
  pingUrlKey,
  webhookUrlKey,
  forge,
}: DeadmanSettings): { secret: DeadmanSecret; key: string }[] {
  const keys = { PING_URL: pingUrlKey, WEBHOOK_URL: webhookUrlKey, FORGE_TOKEN: forge?.tokenKey };
  return (Object.keys(PLACES) as DeadmanSecret[]).flatMap((secret) => {
    const key = keys[secret];
    return key === undefined ? [] : [{ secret, key }];
  });
}

/**
 * What a switch needs and an agent has as well: an agent that could ping the monitor would keep it quiet about its own
 * end, and one with the token could close the issue.
 */
export function deadmanKeyProblems(
  houses: readonly { house: House; source: DataFile }[],
  fleetFile: DataFile,
): Problem[] {
  const agents = houses.map(({ house }) => ({ name: house.name, keys: houseKeys(house) }));
  return houses.flatMap(({ house, source }) =>
    deadmanKeys(house.deadman).flatMap(({ secret, key }) => {
      const having = agents.filter(({ keys }) => keys.includes(key)).map(({ name }) => name);
      if (having.length === 0) return [];
      const own: Path = ["deadman", ...PLACES[secret]];
      const place =
        valueAt(source.value, own) === undefined
          ? placeOf(fleetFile, ["defaults", ...own])
          : placeOf(source, own);
      const message = `is also a key of the agent of ${having.join(", ")}, who must not have it`;
      return [valueProblem(place, message, key, "a key of its own, which no agent gets")];
    }),
  );
}
