/**
 * How a release comes into force on a live host: the switch is armed to revert itself, confirmed over a new connection,
 * and only then the release that the house goes back to. Pure: facts in, steps out.
 */
import { LeftAlone } from "../../errors.ts";
import { factOf, printable, type Facts } from "../../host/facts.ts";
import { revertScript, revertTimer } from "../../host/revert.ts";
import type { HealthStep, Step } from "../../host/steps.ts";
import type { Values } from "../../values.ts";
import { proven, wordsForLink } from "../observed.ts";
import { mergeSteps } from "./jobs.ts";
import {
  current,
  currentTarget,
  knownGood,
  pending,
  rejected,
  releaseFolder,
  releaseOfTarget,
  releases,
  revoked,
  unitPath,
  type ReleaseInputs,
} from "./layout.ts";

/** Refused releases that the state keeps the ids of, the newest. */
const REFUSED = 50;

/** Where a house stands, beyond which release `current` points at. */
export interface Standing {
  /** The release that is in force without being confirmed. */
  pending: string | undefined;
  /** Whether a restored home waits for the same. */
  restoring: boolean;
  /** The last release that was confirmed. */
  knownGood: string | undefined;
  /** What was said when a release was refused here, by release. */
  rejected: Map<string, string>;
  revoked: Set<string>;
  /** Why the house is to be left alone. */
  held: string | undefined;
  /** Since when and why it is drained, which is another reason for that. */
  drained: string | undefined;
}

/** Lines of an id and words, tab between. */
function records(text: string | undefined): [id: string, words: string][] {
  return (text ?? "").split("\n").flatMap((line): [string, string][] => {
    const [id = "", ...words] = line.split("\t");
    return /^[0-9a-f]{16}$/.test(id) ? [[id, printable(words.join(" "))]] : [];
  });
}

export function standing(inputs: ReleaseInputs, facts: Facts): Standing {
  const { house, hold, drained } = inputs;
  const good = proven(knownGood(house), factOf(facts, knownGood(house)));
  const waiting = (facts.folders.get(pending(house)) ?? []).flatMap(
    ({ name }) => /^release-([0-9a-f]{16})$/.exec(name)?.[1] ?? [],
  );
  const restoring = (facts.folders.get(pending(house)) ?? []).some(({ name }) =>
    /^restore-[0-9a-f]{16}$/.test(name),
  );
  const text = (file: string): string | undefined => facts.texts.get(file);
  const told = (file: string | undefined): string | undefined => {
    const said = file === undefined ? undefined : text(file);
    return said === undefined ? undefined : printable(said.replaceAll("\t", " "));
  };
  return {
    pending: waiting[0],
    restoring,
    knownGood: good.kind === "link" ? releaseOfTarget(good.target) : undefined,
    rejected: new Map(records(text(rejected(house)))),
    revoked: new Set(records(text(revoked(house))).map(([id]) => id)),
    held: told(hold),
    drained: told(drained),
  };
}

/** Whether what is declared as confirmed is, and what is to be said otherwise. */
export function observeConfirmed(inputs: ReleaseInputs, facts: Facts): true | string {
  const { pending: waiting, restoring } = standing(inputs, facts);
  if (restoring) return "(on the host: a restored home waits for its confirmation)";
  if (waiting !== undefined) return `(on the host: release ${waiting} waits for its confirmation)`;
  const fact = proven(knownGood(inputs.house), factOf(facts, knownGood(inputs.house)));
  const target = currentTarget(inputs.release);
  return fact.kind === "link" && fact.target === target ? true : wordsForLink(fact);
}

/**
 * @param switches whether the plan would put another release into force
 * @throws LeftAlone when the house is not to be changed, or not to be brought to this release
 */
export function refuse(
  inputs: ReleaseInputs,
  { held, drained, pending: waiting, restoring, rejected: refused, revoked: gone }: Standing,
  switches: boolean,
): void {
  const { house, release, hold } = inputs;
  if (held !== undefined) {
    throw new LeftAlone(leftAlone(house, held, hold ?? ""));
  }
  if (drained !== undefined) throw new LeftAlone(leftDrained(house, drained));
  if (restoring) {
    throw new LeftAlone(
      `${house}: what was restored there waits for its confirmation. The host reverts it by itself: run this again in ` +
        `some minutes`,
    );
  }
  if (waiting !== undefined && (waiting !== release || switches)) {
    throw new LeftAlone(
      `${house}: release ${waiting} is in force, but nobody has confirmed it. The host reverts it by itself: ` +
        `run this again in some minutes`,
    );
  }
  if (!switches) return;
  if (gone.has(release)) {
    throw new LeftAlone(`${house}: release ${release} has been revoked and is not put into force again`);
  }
  const words = refused.get(release);
  if (words !== undefined) {
    throw new LeftAlone(
      `${house}: release ${release} is refused since it failed there (${words}; see ${rejected(house)} on the host): ` +
        `change it`,
    );
  }
}

/** The release to go back to: what runs now, or the last one that was confirmed where that is no choice. */
export function wayBack(
  { house, release }: ReleaseInputs,
  running: string | undefined,
  { knownGood: good, rejected: refused, revoked: gone }: Standing,
  facts: Facts,
): string | undefined {
  const there = new Set((facts.folders.get(releases(house)) ?? []).map(({ name }) => name));
  const fits = (id: string | undefined): id is string =>
    id !== undefined && id !== release && there.has(id) && !refused.has(id) && !gone.has(id);
  return [running, good].find(fits);
}

/** The health of a house as a step. */
export function healthStep(inputs: Pick<ReleaseInputs, "house" | "health">): HealthStep | undefined {
  const { house, health } = inputs;
  if (health === undefined) return undefined;
  const { unit, deadline, stableFor, http, heartbeat, user, probe } = health;
  return {
    ...{ do: "healthy", unit, deadline, stableFor },
    ...(http !== undefined && { http }),
    ...(heartbeat !== undefined && { heartbeat: `${house}/${heartbeat}` }),
    ...(user !== undefined && { user }),
    ...(probe !== undefined && { probe }),
  };
}

/** What is known of the switch, and of what was before it. */
export interface Switch {
  inputs: ReleaseInputs;
  old: ReleaseInputs | undefined;
  health: HealthStep;
  previous: string | undefined;
  /** The steps that change links. */
  switches: Step[];
  /** Units that are started anew or, because only the former release had them, stopped. */
  touched: string[];
  facts: Facts;
}

/** What makes the links of the switch as they were. */
function inverse({ inputs, previous, switches, facts }: Switch): Step[] {
  const { house } = inputs;
  const before = (path: string) => proven(path, factOf(facts, path));
  const undo = switches.flatMap((step): Step[] => {
    if (step.do !== "link" && step.do !== "remove") return [];
    const { path } = step;
    if (path === current(house)) return [];
    const fact = before(path);
    const as = step.as === undefined ? {} : { as: step.as };
    if (fact.kind === "link") return [{ do: "link", path, target: fact.target, ...as }];
    const displaced = switches.find((other) => other.do === "displace" && other.path === path);
    const restore: Step[] = displaced?.do === "displace" ? [{ ...displaced, do: "restore" }] : [];
    return step.do === "link" ? [{ do: "remove", path, ...as }, ...restore] : [];
  });
  const back: Step[] =
    previous === undefined
      ? [{ do: "remove", path: current(house) }]
      : [
          { do: "touch-cron", folder: `${releaseFolder(house, previous)}/cron` },
          { do: "link", path: current(house), target: currentTarget(previous) },
        ];
  return [...back, ...undo];
}

function revertText(change: Switch): string {
  const { inputs, old, health, previous, touched, facts } = change;
  const units = Object.entries(inputs.units);
  const isNew = (unit: string): boolean =>
    proven(unitPath(unit), factOf(facts, unitPath(unit))).kind === "absent";
  return revertScript({
    ...{ house: inputs.house, current: current(inputs.house), release: inputs.release, previous },
    undo: inverse(change),
    stops: units.filter(([unit, { running }]) => running && isNew(unit)).map(([unit]) => unit),
    restarts: touched.filter((unit) => !(unit in inputs.units) || !isNew(unit)),
    health: (old && healthStep(old)) ?? health,
    merge: mergeSteps(inputs, facts, true),
  });
}

/** Around the steps of a switch: from `arm` on the host reverts it, `watch` gives the confirmation its full time. */
export function armed(change: Switch): { prepare: Step[]; arm: Step[]; watch: Step[] } {
  const { inputs } = change;
  const { house, release, revertAfter } = inputs;
  const [staged, timer] = [`${pending(house)}.new`, revertTimer(house)];
  const root = { owner: "root", group: "root" };
  return {
    prepare: [
      { do: "remove-tree", path: staged },
      { do: "folder", path: staged, mode: "0700", ...root },
      { do: "file", path: `${staged}/revert.sh`, mode: "0600", ...root, content: revertText(change) },
      { do: "file", path: `${staged}/release-${release}`, mode: "0600", ...root, content: "" },
    ],
    arm: [
      { do: "rename", path: staged, to: pending(house) },
      { do: "arm", house, timer, seconds: revertAfter },
    ],
    watch: [{ do: "watch-for", house, seconds: revertAfter }],
  };
}

/** What ends the waiting, under the condition that the house is well. */
export const confirmation = ({ house, release }: ReleaseInputs, health: HealthStep): Step[] => [
  { do: "unconfirmed", house, release },
  health,
  { do: "confirmed", house, timer: revertTimer(house) },
];

/** Of a first switch that was cut before it put anything into force: no timer, boot or cron entry would clear that up. */
export const forgetPending = ({ house }: ReleaseInputs): Step => ({
  do: "forget-pending",
  house,
  timer: revertTimer(house),
});

/** Makes the release the one that the house goes back to. */
export function goodFrom({ house, release }: ReleaseInputs, facts: Facts): Step[] {
  const path = knownGood(house);
  const fact = proven(path, factOf(facts, path));
  const target = currentTarget(release);
  if (fact.kind === "link" && fact.target === target) return [];
  return [
    ...(fact.kind === "directory" ? [{ do: "remove-tree", path } as const] : []),
    { do: "link", path, target },
  ];
}

/** The outputs that tell where the house stands. */
export const standingOutputs = (stands: Standing): Values => ({
  knownGood: stands.knownGood ?? "",
  held: stands.held ?? (stands.drained === undefined ? "" : `${DRAINED}${stands.drained}`),
  refused: refusedIds(stands),
});

/** Ids of releases that are not put into force, the newest of each kind last. */
export const refusedIds = ({ rejected: refused, revoked: gone }: Standing): string[] =>
  [...new Set([...refused.keys(), ...gone])].slice(-REFUSED);

/** Why an update would change nothing, as far as the outputs of the last look tell; they hold ids and no reasons. */
export function foreseenRefusals({ house, release, hold }: ReleaseInputs, outputs: Values): string[] {
  const { held, refused, release: running } = outputs;
  if (typeof held === "string" && held.startsWith(DRAINED))
    return [leftDrained(house, held.slice(DRAINED.length))];
  if (typeof held === "string" && held !== "") return [leftAlone(house, held, hold ?? "what holds it")];
  if (!Array.isArray(refused) || !refused.includes(release) || running === release) return [];
  return [`${house}: release ${release} is refused, since it failed there before or was revoked: change it`];
}

/** Begins the output `held` of a house that was drained. */
const DRAINED = "drained since ";

const leftDrained = (house: string, words: string): string =>
  `${house} is drained since ${words}: nothing is changed there until that is taken back`;

const leftAlone = (house: string, held: string, hold: string): string =>
  `${house} is left alone since ${held}: nothing is changed there until somebody has removed ${hold} on the host`;
