/** What is really there of a house: the request for facts and their translation into the terms of the inputs. Pure. */
import { HARNESS_ID, HARNESS_ROOT } from "../../../fleet/harness/lock.ts";
import { factOf, noFacts, type FactRequest, type Facts } from "../../host/facts.ts";
import type { Observed, State } from "../../resource.ts";
import type { Path, Values } from "../../values.ts";
import { contentAgrees, observeAttributes, observeFile, proven, words, wordsForLink } from "../observed.ts";
import { observeOverrides, observeRunning, restartMark } from "../running.ts";
import { observeConfirmed, standing, standingOutputs } from "./activation.ts";
import { backupFindings, backupFolders } from "./backups.ts";
import { agentFindings, jobsQuestion, observeMerged } from "./jobs.ts";
import {
  current,
  currentFile,
  HARNESS,
  knownGood,
  layoutPath,
  releaseFiles,
  releaseFolder,
  releaseOfTarget,
  markerContent,
  pending,
  rejected,
  releaseInputs,
  releases,
  revoked,
  wantedLinks,
  wantsLink,
  watchedFiles,
  type ReleaseInputs,
} from "./layout.ts";

/** Links and folders, which an agent may have put anything in place of. */
const unopenedPaths = (inputs: ReleaseInputs): string[] => [
  ...Object.keys(inputs.directories).map((name) => `${inputs.house}/${name}`),
  ...wantedLinks(inputs).map((link) => link.path),
  ...Object.entries(inputs.units).map(([name, { wantedBy }]) => wantsLink(name, wantedBy)),
];

const HARNESS_CHANGED = "(on the host: its harness is not what was installed)";

/** What the units run on now, which may be another release than the wanted one. */
const watchedPaths = (inputs: ReleaseInputs): string[] =>
  Object.entries(inputs.units).flatMap(([name, unit]) =>
    watchedFiles(name, unit).map((file) => currentFile(inputs.house, file)),
  );

function pathsOf(inputs: ReleaseInputs): string[] {
  const { house } = inputs;
  const release = releaseFolder(house, inputs.release);
  return [
    ...Object.keys(inputs.layout).map((key) => layoutPath(inputs, key)),
    current(house),
    ...releaseFiles(inputs).map(({ name }) => `${release}/${name}`),
    ...(inputs.harness === undefined ? [] : [`${release}/${HARNESS}`]),
    ...watchedPaths(inputs),
  ];
}

/** The harness that the release runs with, where it is one that this program installs. */
const harnessesOf = ({ harness = "" }: ReleaseInputs): string[] => {
  const id = harness.slice(HARNESS_ROOT.length + 1);
  return harness === `${HARNESS_ROOT}/${id}` && HARNESS_ID.test(id) ? [id] : [];
};

/**
 * Whether what a unit has read of its harness may not be what was installed. The harness is another resource's to put
 * right, which then marks the units that run on it.
 */
function harnessChanged(inputs: ReleaseInputs, { harnesses }: Facts): boolean {
  if (!harnesses?.readable) return false;
  return harnessesOf(inputs).some((id) => harnesses.states.get(id)?.kind !== "whole");
}

export function request(values: Values, old: Values | undefined): FactRequest {
  const inputs = releaseInputs(values);
  const both = [inputs, ...(old === undefined ? [] : [releaseInputs(old)])];
  const units = [...new Set(both.flatMap((one) => Object.keys(one.units)))];
  return {
    ...noFacts,
    paths: [...new Set(pathsOf(inputs))],
    unopened: [
      ...new Set([knownGood(inputs.house), ...both.flatMap(unopenedPaths), ...units.map(restartMark)]),
    ],
    folders: [releases(inputs.house), pending(inputs.house), ...backupFolders(inputs)],
    questions: jobsQuestion(inputs),
    harnesses: harnessesOf(inputs),
    texts: [
      rejected(inputs.house),
      revoked(inputs.house),
      ...[inputs.hold, inputs.drained].flatMap((file) => file ?? []),
    ],
    units,
  };
}

/** Describes what `current` says when it does not point at the wanted release. */
function observedRelease(inputs: ReleaseInputs, facts: Facts): string {
  const fact = proven(current(inputs.house), factOf(facts, current(inputs.house)));
  if (fact.kind !== "link") return wordsForLink(fact);
  return releaseOfTarget(fact.target) ?? wordsForLink(fact);
}

export function observe(state: State, facts: Facts): Observed | undefined {
  const inputs = releaseInputs(state.inputs);
  const { house } = inputs;
  const fact = (path: string) => proven(path, factOf(facts, path));
  if (fact(house).kind === "absent") return undefined;

  const replaced: Path[] = [];
  const seen: Record<string, Record<string, Values>> = {};
  for (const section of ["files", "links", "directories", "units", "cron", "layout"] as const) {
    seen[section] = { ...(state.inputs[section] as Record<string, Values>) };
  }

  for (const file of releaseFiles(inputs)) {
    const [section, name] = file.at;
    const at = fact(`${releaseFolder(house, inputs.release)}/${file.name}`);
    const declared = seen[section]![name]!;
    if (section === "files") {
      const entry = observeFile(declared, at, file.at, replaced);
      if (entry) seen[section]![name] = entry;
      else delete seen[section]![name];
      continue;
    }
    // Units and cron files have no mode in the inputs: theirs follows from what they are.
    const observed = observeFile({ ...file } as unknown as Values, at, file.at, replaced);
    if (observed === undefined) seen[section]![name] = { ...declared, content: words(at) };
    else {
      const attributes = (["mode", "owner", "group"] as const).filter((key) => observed[key] !== file[key]);
      const drifted = Object.fromEntries(attributes.map((key) => [key, observed[key]!]));
      seen[section]![name] = { ...declared, content: observed["content"]!, ...drifted };
    }
  }
  for (const link of wantedLinks(inputs)) {
    const [section, name] = link.at;
    const at = fact(link.path);
    if (at.kind === "link" && at.target === link.target) continue;
    if (section !== "links") seen[section]![name] = { ...seen[section]![name]!, path: wordsForLink(at) };
    else if (at.kind === "absent") delete seen[section]![name];
    else seen[section]![name] = { ...seen[section]![name]!, target: wordsForLink(at) };
  }
  for (const [name, { wantedBy, enabled, running }] of Object.entries(inputs.units)) {
    const at = fact(wantsLink(name, wantedBy));
    const isEnabled = at.kind === "link" && at.target === `../${name}`;
    if (isEnabled !== enabled) seen["units"]![name] = { ...seen["units"]![name]!, enabled: isEnabled };
    const overridden = observeOverrides(name, facts);
    if (overridden !== undefined) seen["units"]![name] = { ...seen["units"]![name]!, content: overridden };
    const isRunning = observeRunning({ unit: name, running }, facts);
    const stale = running && inputs.units[name]!.restartOn.includes(HARNESS) && harnessChanged(inputs, facts);
    if (stale) seen["units"]![name] = { ...seen["units"]![name]!, running: HARNESS_CHANGED };
    else if (isRunning !== running) seen["units"]![name] = { ...seen["units"]![name]!, running: isRunning };
  }
  for (const name of Object.keys(inputs.directories)) {
    const at = fact(`${house}/${name}`);
    if (at.kind === "directory")
      seen["directories"]![name] = observeAttributes(seen["directories"]![name]!, at);
    else delete seen["directories"]![name];
  }

  for (const [key, wanted] of Object.entries(inputs.layout)) {
    const at = fact(layoutPath(inputs, key));
    const mark = { ...wanted, content: markerContent(inputs) };
    const isThing = key === ".wizard-house" ? contentAgrees(at, mark) : at.kind === "directory";
    if (isThing) seen["layout"]![key] = observeAttributes(seen["layout"]![key]!, at);
    else if (at.kind === "absent") delete seen["layout"]![key];
    else seen["layout"]![key] = { ...seen["layout"]![key]!, mode: words(at) };
  }

  const harness =
    inputs.harness === undefined ? undefined : fact(`${releaseFolder(house, inputs.release)}/${HARNESS}`);
  const linked = harness?.kind === "link" && harness.target === inputs.harness;
  const release = observedRelease(inputs, facts);
  const stands = standing(inputs, facts);
  return {
    inputs: {
      ...state.inputs,
      ...(seen as unknown as Values),
      ...(harness && !linked && { harness: wordsForLink(harness) }),
      ...{ release, confirmed: observeConfirmed(inputs, facts) },
      ...(inputs.jobs !== undefined && { jobs: { ...inputs.jobs, merged: observeMerged(inputs, facts) } }),
      ...(stands.held !== undefined && { hold: `(on the host: since ${stands.held})` }),
      ...(stands.drained !== undefined && { drained: `(on the host: since ${stands.drained})` }),
    },
    outputs: { ...state.outputs, release, ...standingOutputs(stands) },
    findings: agentFindings(inputs, facts),
    warnings: backupFindings(inputs, facts, Date.now()),
    replaced,
  };
}
