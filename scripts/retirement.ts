/** Pure: when a house may be given up, and what is said of it. */
import { stackOption } from "./arguments.ts";
import {
  hasLeftBehind,
  housesIn,
  type Deployment,
  type StateHouse,
  type StateResource,
} from "./deployment.ts";
import { escapeText } from "./messages.ts";
import { nameOf } from "./places.ts";

/**
 * Why the houses cannot be given up, and what to do; undefined if they can.
 *
 * @param wanted the hosts of the houses of `wizards/`, by house
 */
export function refusal(
  state: Deployment,
  names: readonly string[],
  wanted: Readonly<Record<string, string>>,
  stack: string,
): string | undefined {
  const houses = housesIn(state);
  const there = houses.map(({ name }) => name);
  const missing = names.filter((name) => !there.includes(name));
  if (missing.length > 0) {
    const known = there.length === 0 ? "which has no house" : `which has ${there.join(", ")}`;
    return `${missing.join(", ")}: not in the state of ${stack}, ${known}; nothing was changed`;
  }
  // One that has another host by now is made there, and nobody makes it again where it was.
  const declared = houses
    .filter(
      (house) => names.includes(house.name) && !hasLeftBehind(house) && wanted[house.name] === house.host,
    )
    .map(({ name }) => name);
  // Where nothing else is left, the fleet was destroyed, and no update is about to make the house again.
  const isLast = there.every((name) => names.includes(name));
  if (declared.length === 0 || isLast) return undefined;
  const command = `npm run retire -- ${names.join(" ")} --abandon${stackOption(stack)}`;
  return [
    `${declared.join(", ")}: still in wizards/, so the next up would make it again; nothing was changed`,
    `To give it up, first take its line under \`houses\` out of wizards/fleet.yaml and remove its folder ` +
      `(${declared.map((name) => `wizards/${name}`).join(", ")}), then: ${command}`,
    'To move it to another machine, give it another host in its house.yaml first; see "Backup, restore, move" in the README',
  ].join("\n");
}

/** Names of resources, in one line. */
export const abandoned = (resources: readonly StateResource[]): string =>
  resources.map(({ urn }) => nameOf(urn)).join(", ");

/** What a house leaves on its host, as far as the state knows. */
export function stillThere({ name, host, resources }: StateHouse): string[] {
  const inputs = Object.assign({}, ...resources.map((resource) => resource.inputs ?? {})) as Record<
    string,
    unknown
  >;
  const keys = (value: unknown): string[] => Object.keys((value as object | undefined) ?? {});
  const things = [
    ...keys(inputs["units"]),
    ...keys(inputs["cron"]).map((file) => `/etc/cron.d/${file}`),
    ...(typeof inputs["user"] === "string" ? [`the account ${inputs["user"]}`] : []),
    ...(typeof inputs["house"] === "string" ? [`${inputs["house"]} with its keys`] : []),
  ];
  if (things.length === 0) return [];
  return [
    `Nothing was done on host ${host}, where ${name} may still have: ${things.map(escapeText).join(", ")}. ` +
      "Replace the keys if somebody else could get at them there.",
  ];
}
