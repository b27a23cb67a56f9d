/** From what is there to a whole house on the wanted release, and from a house to none. Pure: facts in, steps out. */
import { contentOf } from "../../../fleet/project-file.ts";
import { Conflict } from "../../errors.ts";
import { deadlineFor, stopSeconds } from "../../host/deadline.ts";
import { factOf, type Fact, type Facts, type FolderEntry } from "../../host/facts.ts";
import { isRevertUnit, revertTimer } from "../../host/revert.ts";
import type { Plan, Step } from "../../host/steps.ts";
import type { State } from "../../resource.ts";
import type { Value, Values } from "../../values.ts";
import {
  attributesAgree,
  contentAgrees,
  ownerAgrees,
  proven,
  sha256,
  words,
  wordsForLink,
} from "../observed.ts";
import { bringUnits, forgetUnits, stopUnits } from "../running.ts";
import {
  armed,
  confirmation,
  forgetPending,
  goodFrom,
  healthStep,
  refuse,
  standing,
  refusedIds,
  wayBack,
} from "./activation.ts";
import { mergeSteps, withdrawSteps } from "./jobs.ts";
import {
  current,
  currentFile,
  currentTarget,
  type Attributes,
  displaced,
  displacedName,
  guardOf,
  type Guard,
  HARNESS,
  intruderName,
  knownGood,
  lockFile,
  marker,
  markerContent,
  pending,
  rejected,
  releaseFiles,
  releaseFolder,
  releaseOfTarget,
  releaseFolders,
  releaseInputs,
  releases,
  revoked,
  stagingFolder,
  unitPath,
  wantedLinks,
  wantsLink,
  watchedFiles,
  type ReleaseInputs,
  type WantedLink,
} from "./layout.ts";

type Look = (path: string) => Exclude<Fact, { kind: "unreadable" }>;

const looking =
  (facts: Facts): Look =>
  (path) =>
    proven(path, factOf(facts, path));

const isLinkTo = (fact: Fact, target: string): boolean => fact.kind === "link" && fact.target === target;

/** A house folder belongs to us if it carries our mark; an empty one belongs to nobody. */
function ours(inputs: ReleaseInputs, look: Look): boolean {
  const mark = look(marker(inputs.house));
  return mark.kind === "file" && mark.sha256 === sha256(markerContent(inputs));
}

function conflicts(inputs: ReleaseInputs, old: ReleaseInputs | undefined, look: Look): string[] {
  const found: string[] = [];
  const house = look(inputs.house);
  if (house.kind !== "absent" && house.kind !== "directory") {
    found.push(`${inputs.house} exists and is not a folder ${words(house)}`);
  }
  if (inputs.adopt) return found;
  const mine = old !== undefined || ours(inputs, look);
  if (house.kind === "directory" && !mine) {
    const mark = look(marker(inputs.house));
    found.push(
      mark.kind === "absent"
        ? `${inputs.house} exists and was not made by this stack`
        : `${inputs.house} belongs to another stack (see ${marker(inputs.house)})`,
    );
  }
  // What an earlier run of ours made may be repaired; what nobody of us made stands in the way.
  const known = new Set(old === undefined ? [] : wantedLinks(old).map((link) => link.path));
  for (const link of wantedLinks(inputs)) {
    if (known.has(link.path) || (link.inHouse && mine)) continue;
    const fact = look(link.path);
    if (fact.kind !== "absent" && !isLinkTo(fact, link.target)) {
      found.push(`${link.path} exists and was not made by this stack ${wordsForLink(fact)}`);
    }
  }
  return found;
}

/** Where a thing is kept that has to go, and as whom it is moved: root's reach must not follow what an agent plants. */
const keeping = (house: string, guard: Guard | undefined): { keep: string; as?: string } =>
  guard === undefined ? { keep: displaced(house) } : { keep: `${guard.folder}/displaced`, as: guard.user };

const acting = (guard: Guard | undefined): { as?: string } => (guard === undefined ? {} : { as: guard.user });

/** The house folder, its mark and the folders that outlive releases. */
function foundation(inputs: ReleaseInputs, look: Look): Step[] {
  const { house } = inputs;
  const steps: Step[] = [];
  const folder = (path: string, attributes: Attributes, guard?: Guard): void => {
    const fact = look(path);
    // The account can give nothing away: what it does not own in its folder it can only move.
    const foreign = guard !== undefined && fact.kind === "directory" && !ownerAgrees(fact, attributes);
    if (foreign || (fact.kind !== "absent" && fact.kind !== "directory"))
      steps.push({ do: "displace", path, ...keeping(house, guard), name: intruderName(path) });
    if (foreign || fact.kind !== "directory" || !attributesAgree(fact, attributes))
      steps.push({ do: "folder", path, ...attributes, ...acting(guard) });
  };
  folder(house, inputs.layout["."]!);
  const mark = { path: marker(house), ...inputs.layout[".wizard-house"]! };
  if (!ours(inputs, look)) steps.push({ do: "file", ...mark, content: markerContent(inputs) });
  else if (!attributesAgree(look(mark.path), mark)) steps.push({ do: "attributes", ...mark });
  folder(releases(house), inputs.layout["releases"]!);
  for (const [name, attributes] of Object.entries(inputs.directories))
    folder(`${house}/${name}`, attributes, guardOf(inputs, name));
  return steps;
}

/** The files of the release: staged as a whole beside the others, or repaired one by one where it is already in place. */
function stage(inputs: ReleaseInputs, look: Look): Step[] {
  const { house, release } = inputs;
  const attributes = inputs.layout["release"]!;
  const files = releaseFiles(inputs);
  const place = releaseFolder(house, release);
  const there = look(place);
  if (there.kind !== "directory") {
    const staging = stagingFolder(house, release);
    const folder = (path: string): Step => ({ do: "folder", path, ...attributes });
    return [
      // Whatever is seen through a link that stands here says nothing about the release.
      ...(there.kind === "absent"
        ? []
        : [{ do: "displace", path: place, keep: displaced(house), name: intruderName(place) } as const]),
      { do: "remove-tree", path: staging },
      folder(staging),
      ...releaseFolders(files).map((name) => folder(`${staging}/${name}`)),
      ...files.map((file): Step => {
        const { name, mode, owner, group } = file;
        return { do: "file", path: `${staging}/${name}`, mode, owner, group, ...contentOf(file) };
      }),
      ...(inputs.harness === undefined
        ? []
        : [{ do: "link", path: `${staging}/${HARNESS}`, target: inputs.harness } as const]),
      { do: "rename", path: staging, to: place },
    ];
  }
  const steps: Step[] = [];
  for (const path of [place, ...releaseFolders(files).map((name) => `${place}/${name}`)]) {
    const fact = look(path);
    if (fact.kind !== "absent" && fact.kind !== "directory") {
      steps.push({ do: "displace", path, keep: displaced(house), name: intruderName(path) });
    }
    if (!attributesAgree(fact, attributes) || fact.kind !== "directory")
      steps.push({ do: "folder", path, ...attributes });
  }
  for (const file of files) {
    const { name, mode, owner, group } = file;
    const path = `${place}/${name}`;
    const fact = look(path);
    if (fact.kind === "directory")
      steps.push({ do: "displace", path, keep: displaced(house), name: intruderName(path) });
    if (!contentAgrees(fact, file)) {
      steps.push({ do: "file", path, mode, owner, group, ...contentOf(file) });
    } else if (!attributesAgree(fact, file)) {
      steps.push({ do: "attributes", path, mode, owner, group });
    }
  }
  if (inputs.harness !== undefined) {
    const path = `${place}/${HARNESS}`;
    const fact = look(path);
    const keep = { keep: displaced(house), name: intruderName(path) };
    if (fact.kind !== "absent" && fact.kind !== "link") steps.push({ do: "displace", path, ...keep });
    if (!isLinkTo(fact, inputs.harness)) steps.push({ do: "link", path, target: inputs.harness });
  }
  return steps;
}

/**
 * Puts a link where it belongs; whatever else stands there is kept.
 *
 * @param mine whether a link of ours stood there before: what is there now then came later
 */
function place(
  path: string,
  target: string,
  fact: Fact,
  house: string,
  mine: boolean,
  guard?: Guard,
): Step[] {
  if (isLinkTo(fact, target)) return [];
  const link: Step = { do: "link", path, target, ...acting(guard) };
  if (fact.kind === "absent" || (fact.kind === "link" && mine)) return [link];
  const name = mine ? intruderName(path) : displacedName(path);
  return [{ do: "displace", path, ...keeping(house, guard), name }, link];
}

/** The switch itself: `current`, then the links that reach through it. */
function flip(inputs: ReleaseInputs, look: Look): Step[] {
  const { house, release } = inputs;
  const path = current(house);
  const fact = look(path);
  const switches = place(path, currentTarget(release), fact, house, true);
  if (switches.length === 0) return [];
  // cron notices a flip only by a changed time of the file it ends at.
  const touches = Object.keys(inputs.cron).map((name): Step => {
    return { do: "touch", path: `${releaseFolder(house, release)}/cron/${name}` };
  });
  return [...touches, ...switches];
}

function links(inputs: ReleaseInputs, old: ReleaseInputs | undefined, look: Look): Step[] {
  const { house } = inputs;
  const before = new Set(old === undefined ? [] : wantedLinks(old).map((link) => link.path));
  const steps = wantedLinks(inputs).flatMap(({ path, target, guard }) =>
    place(path, target, look(path), house, before.has(path), guard),
  );
  for (const [name, { wantedBy, enabled }] of Object.entries(inputs.units)) {
    const path = wantsLink(name, wantedBy);
    const fact = look(path);
    if (enabled) steps.push(...place(path, `../${name}`, fact, house, true));
    else if (fact.kind === "link") steps.push({ do: "remove", path });
  }
  return withFolders(steps);
}

/** `/etc/cron.d`, `/etc/systemd/system` and the `.wants` folders exist on Debian, but not in a folder that stands for it. */
function withFolders(steps: Step[]): Step[] {
  const folders = new Set<string>();
  for (const step of steps) {
    if (step.do !== "link" || !step.path.startsWith("/etc/")) continue;
    folders.add(step.path.slice(0, step.path.lastIndexOf("/")));
  }
  return [...[...folders].map((path): Step => ({ do: "ensure-folder", path })), ...steps];
}

/** Links of ours that the new release no longer wants. Anything else that stands there is left alone. */
function leftovers(inputs: ReleaseInputs, old: ReleaseInputs, look: Look): Step[] {
  const wanted = new Set(wantedLinks(inputs).map((link) => link.path));
  const gone = wantedLinks(old).filter((link) => !wanted.has(link.path));
  const wants = Object.entries(old.units)
    .map(([name, { wantedBy }]): Pick<WantedLink, "path" | "target" | "guard"> => ({
      path: wantsLink(name, wantedBy),
      target: `../${name}`,
      guard: undefined,
    }))
    .filter(({ path }) => {
      return !Object.entries(inputs.units).some(([name, { wantedBy }]) => wantsLink(name, wantedBy) === path);
    });
  return [...wants, ...gone]
    .filter(({ path, target }) => isLinkTo(look(path), target))
    .map(({ path, guard }): Step => ({ do: "remove", path, ...acting(guard) }));
}

/** The links of the unit that reverts at boot come before `current`: from then on a power cut must find them. */
function byBoot({ units }: ReleaseInputs, steps: Step[]): [first: Step[], others: Step[]] {
  const places = Object.entries(units)
    .filter(([name]) => isRevertUnit(name))
    .flatMap(([name, { wantedBy }]) => [unitPath(name), wantsLink(name, wantedBy)]);
  if (places.length === 0) return [[], steps];
  const isFirst = (step: Step): boolean =>
    step.do === "ensure-folder" || ("path" in step && places.includes(step.path));
  return [steps.filter(isFirst), steps.filter((step) => !isFirst(step))];
}

/** What the switch means for the units: they are started, stopped or restarted where what they read changes. */
function units(inputs: ReleaseInputs, switches: Step[], facts: Facts) {
  const touched = new Set(switches.flatMap((step) => ("path" in step ? [step.path] : [])));
  const files = new Map(releaseFiles(inputs).map((file) => [file.name, file]));
  const differs = (name: string): boolean => {
    if (name === HARNESS)
      return !isLinkTo(factOf(facts, currentFile(inputs.house, name)), inputs.harness ?? "");
    const wanted = files.get(name)!;
    // Where something else stands in the place of `current`, nothing can be seen behind it, and nothing agrees.
    const fact = factOf(facts, currentFile(inputs.house, name));
    return !contentAgrees(fact, wanted) || !attributesAgree(fact, wanted);
  };
  const { health } = inputs;
  const declared = Object.entries(inputs.units);
  return bringUnits(
    declared.map(([unit, one]) => ({
      unit,
      running: one.running,
      changed: watchedFiles(unit, one).some(differs) || touched.has(unitPath(unit)),
      ...(health?.unit === unit && { ...(health.http && { http: health.http }), deadline: health.deadline }),
    })),
    touched.has(current(inputs.house)) ||
      declared.some(([unit, { wantedBy }]) => touched.has(wantsLink(unit, wantedBy))),
    facts,
    displaced(inputs.house),
  );
}

/** The check of a release that is about to be switched to. */
function checks(inputs: ReleaseInputs, facts: Facts): Step[] {
  const { check, house, release } = inputs;
  const live = facts.units.size > 0;
  if (check === undefined || !live) return [];
  return [{ do: "check", folder: releaseFolder(house, release), argv: check.argv, as: check.user }];
}

/**
 * Releases beyond the newest `keep`, and stagings that were never finished, with what they alone ran with. What `current`
 * points or pointed at stays.
 */
function prune(inputs: ReleaseInputs, entries: FolderEntry[], keepIds: string[], live: boolean): Step[] {
  const { house, release } = inputs;
  const unfinished = entries.filter(
    ({ name }) => /^\.[0-9a-f]{16}\.staged$/.test(name) && name !== `.${release}.staged`,
  );
  const others = entries
    .filter(({ name }) => /^[0-9a-f]{16}$/.test(name) && name !== release)
    .sort((a, b) => b.modified - a.modified || (a.name < b.name ? -1 : 1));
  const surplus = others.slice(Math.max(0, inputs.keep - 1)).filter(({ name }) => !keepIds.includes(name));
  const gone = [...unfinished, ...surplus];
  return [
    ...gone.map(({ name }): Step => ({ do: "remove-tree", path: `${releases(house)}/${name}` })),
    ...(gone.length > 0 && inputs.harness !== undefined && live
      ? [{ do: "prune-harnesses-aside" } as const]
      : []),
  ];
}

/** With the time it may take: units stop as the new release says on the way there, and as the old one on the way back. */
function timed(plan: Plan, ...declared: ReleaseInputs[]): Plan {
  const stops = (unit: string): number => {
    const texts = declared.flatMap(({ units: { [unit]: one } }) => one?.content ?? []);
    return Math.max(...(texts.length > 0 ? texts : [""]).map(stopSeconds));
  };
  const { steps, confirm = [] } = plan;
  const healths = confirm.length > 0 ? declared.flatMap((one) => healthStep(one) ?? []) : [];
  return { ...plan, deadline: deadlineFor([...steps, ...confirm, ...healths], stops) };
}

export function reconcile(
  values: Values,
  oldState: State | undefined,
  facts: Facts,
): { plan: Plan; outputs: Values } {
  const inputs = releaseInputs(values);
  const old = oldState && releaseInputs(oldState.inputs);
  const { plan, outputs } = planned(inputs, old, oldState?.outputs["previous"], facts);
  return { plan: timed(plan, inputs, ...(old ? [old] : [])), outputs };
}

/** @param formerly the output `previous` of the state */
function planned(
  inputs: ReleaseInputs,
  old: ReleaseInputs | undefined,
  formerly: Value | undefined,
  facts: Facts,
): { plan: Plan; outputs: Values } {
  const look = looking(facts);
  const found = conflicts(inputs, old, look);
  if (found.length > 0) {
    throw new Conflict(
      `${found.join("; ")}. Nothing was changed. Move it away, or set adopt: true to take it over (what stands there is kept under ${displaced(inputs.house)})`,
    );
  }
  const now = look(current(inputs.house));
  const running = now.kind === "link" ? releaseOfTarget(now.target) : undefined;
  const flips = flip(inputs, look);
  const seen = standing(inputs, facts);
  const cut = seen.pending !== undefined && now.kind !== "link";
  const stands = cut ? { ...seen, pending: undefined } : seen;
  refuse(inputs, stands, flips.length > 0);
  const preparation = [
    ...(cut ? [forgetPending(inputs)] : []),
    ...foundation(inputs, look),
    ...stage(inputs, look),
  ];
  const [wayBackFirst, others] = byBoot(inputs, links(inputs, old, look));
  const switches = [...wayBackFirst, ...flips, ...others, ...(old ? leftovers(inputs, old, look) : [])];
  const { before, after } = units(inputs, switches, facts);
  const dropped = old ? Object.keys(old.units).filter((name) => !(name in inputs.units)) : [];
  const stops = stopUnits(dropped, facts);
  const reloads = after.some((step) => step.do === "reload-units");
  const kept = [running, stands.knownGood].flatMap((id) => id ?? []);
  const rest = [
    ...goodFrom(inputs, facts),
    ...mergeSteps(inputs, facts, flips.length > 0),
    ...prune(inputs, facts.folders.get(releases(inputs.house)) ?? [], kept, facts.units.size > 0),
  ];
  const theSwitch = [
    ...before,
    ...stops,
    ...switches,
    ...(reloads ? [] : forgetUnits(dropped, facts)),
    ...after,
  ];
  const former = typeof formerly === "string" ? formerly : "";
  const previous = running === undefined || running === inputs.release ? former : running;
  const outputs = {
    release: inputs.release,
    previous,
    knownGood: inputs.release,
    held: "",
    refused: refusedIds(stands),
  };
  const lock = lockFile(inputs.house);
  const behind = (steps: Step[]): Step[] => (steps.length > 0 ? [{ do: "commit" }, ...steps] : []);

  const health = facts.units.size > 0 ? healthStep(inputs) : undefined;
  if (health === undefined)
    return { plan: { lock, steps: [...preparation, ...behind([...theSwitch, ...rest])] }, outputs };
  if (flips.length === 0) {
    const steps = [...preparation, ...behind(theSwitch)];
    if (stands.pending !== undefined) {
      const confirm = confirmation(inputs, health);
      return { plan: { lock, steps, confirm: [...confirm, ...rest] }, outputs };
    }
    // What is good is what was well, also where only the mark of that is missing.
    const proof = goodFrom(inputs, facts).length > 0 ? [health] : [];
    return { plan: { lock, steps: [...preparation, ...behind([...theSwitch, ...proof, ...rest])] }, outputs };
  }
  const back = wayBack(inputs, running, stands, facts);
  const touched = [...stops, ...after].flatMap((step) =>
    step.do === "stop-unit" || step.do === "restart-unit" ? [step.unit] : [],
  );
  const around = armed({ inputs, old, health, previous: back, switches, touched, facts });
  const started = theSwitch.map((step): Step =>
    // Whether it is well is what the confirmation asks.
    step.do === "restart-unit" && step.unit === health.unit ? { do: "start-over", unit: step.unit } : step,
  );
  const steps = [
    ...preparation,
    ...checks(inputs, facts),
    ...around.prepare,
    ...behind([...around.arm, ...started, ...around.watch]),
  ];
  return { plan: { lock, steps, confirm: [...confirmation(inputs, health), ...rest] }, outputs };
}

/** The folder of all houses, e.g. `/srv/wizards`, which came with the first of them; never one of the system's own. */
function parentFolder(house: string): Step[] {
  const parent = house.slice(0, house.lastIndexOf("/"));
  return parent.split("/").length > 2 ? [{ do: "remove-if-empty", path: parent }] : [];
}

/** Takes the house down. Links go first, so that nothing refers to what is no longer there. */
export function remove(state: State, facts: Facts): Plan {
  const inputs = releaseInputs(state.inputs);
  const { house } = inputs;
  const look = looking(facts);
  const lock = lockFile(house);
  if (look(house).kind !== "directory") return { lock, steps: [] };
  const mine = [
    ...Object.entries(inputs.units).map(([name, { wantedBy }]) => ({
      path: wantsLink(name, wantedBy),
      target: `../${name}`,
      guard: undefined,
    })),
    ...wantedLinks(inputs),
  ];
  const names = Object.keys(inputs.units);
  const folders = Object.keys(inputs.directories).sort().reverse();
  const guards = wantedLinks(inputs).flatMap(({ guard }) => guard ?? []);
  const keeps = [undefined, ...new Map(guards.map((guard) => [guard.folder, guard])).values()];
  const plan: Plan = {
    lock,
    steps: [
      { do: "commit" },
      ...stopUnits(names, facts),
      ...(look(current(house)).kind === "link" ? withdrawSteps(inputs, facts) : []),
      ...mine
        .filter(({ path, target }) => isLinkTo(look(path), target))
        .map(({ path, guard }): Step => ({ do: "remove", path, ...acting(guard) })),
      ...wantedLinks(inputs).map(({ path, guard }): Step => ({
        do: "restore",
        path,
        ...keeping(house, guard),
        name: displacedName(path),
      })),
      ...forgetUnits(names, facts),
      ...(facts.units.size > 0 ? [{ do: "disarm", timer: revertTimer(house) } as const] : []),
      ...[`${pending(house)}.new`, pending(house)].map((path): Step => ({ do: "remove-tree", path })),
      ...[current(house), knownGood(house)]
        .filter((path) => look(path).kind === "link")
        .map((path): Step => ({ do: "remove", path })),
      ...[rejected(house), revoked(house)].map((path): Step => ({ do: "remove", path })),
      { do: "remove-tree", path: releases(house) },
      // What only releases of this house still ran with goes with them.
      ...(inputs.harness !== undefined && facts.units.size > 0
        ? [{ do: "prune-harnesses-aside" } as const]
        : []),
      ...keeps.map((guard): Step => {
        const { keep, ...as } = keeping(house, guard);
        return { do: "remove-if-empty", path: keep, ...as };
      }),
      ...folders.map((name): Step => {
        const path = `${house}/${name}`;
        // Removing a tree follows no link below it; an account could not remove what is not its own.
        return inputs.onDestroy === "remove-all"
          ? { do: "remove-tree", path }
          : { do: "remove-if-empty", path, ...acting(guardOf(inputs, name)) };
      }),
      ...inputs.traces.map((path): Step => ({ do: "remove-tree", path })),
      // The mark stays with whatever stays, so that the same stack can bring the house up again around its home.
      { do: "remove-if-last", folder: house, names: [".lock", ".wizard-house"] },
      ...parentFolder(house),
    ],
  };
  return timed(plan, inputs);
}
