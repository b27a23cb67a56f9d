/**
 * Where things of a house are on its host:
 *
 *     <house>/releases/<id>/…     immutable; units/ and cron/ inside hold what systemd and cron are linked to
 *     <house>/releases/<id>/harness    link to the virtualenv that the release runs with
 *     <house>/current             link to releases/<id>: one rename switches everything
 *     <house>/known-good          link to the last release that was confirmed
 *     <house>/pending/…           while a release is in force that is not confirmed: see host/shell/arm.sh
 *     <house>/rejected            a line for each release that failed here: id, time and reason, tabs between
 *     <house>/revoked             the same for each that must never run again
 *     <house>/displaced/…         what stood where a link of ours had to go, so that nothing is lost
 *     <house>/.wizard-house       marks the folder as made by this stack
 *     <house>/.lock               held by whatever switches `current`
 *
 * All links are relative, so that a house means the same inside a folder that stands for a host.
 */
import path from "node:path/posix";

import type { Values } from "../../values.ts";
import type { OwnedFile } from "../observed.ts";

export interface Attributes {
  mode: string;
  owner: string;
  group: string;
}

export interface UnitInput {
  content: string;
  enabled: boolean;
  running: boolean;
  wantedBy: string;
  restartOn: string[];
}

/** The inputs after `check`: defaults filled in, release id, unit and cron paths computed. */
export interface ReleaseInputs {
  house: string;
  group: string;
  salt: string;
  release: string;
  files: Record<string, OwnedFile>;
  links: Record<string, { target: string }>;
  directories: Record<string, Attributes>;
  layout: Record<string, Attributes>;
  units: Record<string, UnitInput>;
  cron: Record<string, { content: string }>;
  harness?: string;
  check?: { argv: string[]; user: string };
  health?: {
    unit: string;
    http?: string;
    heartbeat?: string;
    user?: string;
    probe?: string[];
    stableFor: number;
    deadline: number;
  };
  revertAfter: number;
  jobs?: { user: string; apply: string[]; compare: string[]; findings?: string[]; withdraw?: string[] };
  hold?: string;
  drained?: string;
  backups?: { folder: string; maxAge: number };
  traces: string[];
  keep: number;
  onDestroy: "keep-home" | "remove-all";
  adopt: boolean;
}

/** Inputs that went through `check` have this shape; the schema saw to it. */
export const releaseInputs = (values: Values): ReleaseInputs => values as unknown as ReleaseInputs;

const UNIT_FOLDER = "/etc/systemd/system";
const CRON_FOLDER = "/etc/cron.d";

export const marker = (house: string): string => `${house}/.wizard-house`;
export const lockFile = (house: string): string => `${house}/.lock`;
export const current = (house: string): string => `${house}/current`;
export const releases = (house: string): string => `${house}/releases`;
export const releaseFolder = (house: string, id: string): string => `${house}/releases/${id}`;
/** The link in a release to what it runs with. A unit may be restarted on its change like on that of a file. */
export const HARNESS = "harness";
export const stagingFolder = (house: string, id: string): string => `${house}/releases/.${id}.staged`;
export const knownGood = (house: string): string => `${house}/known-good`;
export const pending = (house: string): string => `${house}/pending`;
export const rejected = (house: string): string => `${house}/rejected`;
export const revoked = (house: string): string => `${house}/revoked`;
export const displaced = (house: string): string => `${house}/displaced`;

/** What the marker says: which stack a house belongs to. */
export const markerContent = (inputs: ReleaseInputs): string =>
  `stack ${inputs.salt}\nhouse ${inputs.house}\n`;

/** A file as whoever runs now would read it: what a unit was started with, if it was well since. */
export const currentFile = (house: string, file: string): string => `${current(house)}/${file}`;

/** Files whose change restarts a unit, its own among them. */
export const watchedFiles = (unit: string, { restartOn }: UnitInput): string[] => [
  `units/${unit}`,
  ...restartOn,
];

export interface Guard {
  /** The account that may write to the folder. */
  user: string;
  /** The folder, absolute. */
  folder: string;
}

/**
 * Who besides root may write to the folder that a path inside the house, e.g. `home/SOUL.md`, is in: the owner of the
 * nearest declared folder above. What is done there is done as that account.
 */
export function guardOf(inputs: ReleaseInputs, name: string): Guard | undefined {
  for (let folder = path.dirname(name); folder !== "."; folder = path.dirname(folder)) {
    const owner = inputs.directories[folder]?.owner;
    if (owner === undefined) continue;
    // Moved things stay at the top of what the account owns, where a folder between cannot take them along.
    const above = guardOf(inputs, folder);
    if (above !== undefined) return above;
    return owner === "root" ? undefined : { user: owner, folder: `${inputs.house}/${folder}` };
  }
  return undefined;
}

/** The target of `current` for a release. */
export const currentTarget = (id: string): string => `releases/${id}`;

/** The release a link such as `current` points at; undefined if its target is none. */
export const releaseOfTarget = (target: string): string | undefined =>
  /^releases\/([0-9a-f]{16})$/.exec(target)?.[1];

/** A link with where it must point and whether it belongs to the house or to the system around it. */
export interface WantedLink {
  path: string;
  target: string;
  /** Place in the inputs, e.g. `["links", "home/SOUL.md"]`. */
  at: [string, string];
  inHouse: boolean;
  guard: Guard | undefined;
}

/** `<unit>.wants` links are made by hand: `systemctl enable` would resolve the unit link to the release of the day. */
export const wantsLink = (unit: string, wantedBy: string): string =>
  `${UNIT_FOLDER}/${wantedBy}.wants/${unit}`;

/** What a link of the house says to reach a file of whatever release is current. */
export const throughCurrent = (from: string, house: string, file: string): string =>
  path.relative(path.dirname(from), `${current(house)}/${file}`);

export const unitPath = (unit: string): string => `${UNIT_FOLDER}/${unit}`;
export const cronPath = (file: string): string => `${CRON_FOLDER}/${file}`;

/**
 * Every link of a house except `current` and the wants links. Their places follow from names alone: the inputs of a
 * state that was refreshed hold descriptions of what was found where something had drifted.
 */
export function wantedLinks(inputs: ReleaseInputs): WantedLink[] {
  const { house } = inputs;
  const link = (from: string, file: string, at: [string, string], inHouse: boolean): WantedLink => ({
    path: from,
    target: throughCurrent(from, house, file),
    at,
    inHouse,
    guard: inHouse ? guardOf(inputs, from.slice(house.length + 1)) : undefined,
  });
  return [
    ...Object.entries(inputs.links).map(([name, { target }]) =>
      link(`${house}/${name}`, target, ["links", name], true),
    ),
    ...Object.keys(inputs.units).map((name) => link(unitPath(name), `units/${name}`, ["units", name], false)),
    ...Object.keys(inputs.cron).map((name) => link(cronPath(name), `cron/${name}`, ["cron", name], false)),
  ];
}

export type ReleaseFile = OwnedFile & {
  /** Path inside the release. */
  name: string;
  /** Place in the inputs. */
  at: [string, string];
};

/** Every file of a release: the declared ones, the units and the cron files. */
export function releaseFiles(inputs: Pick<ReleaseInputs, "files" | "units" | "cron">): ReleaseFile[] {
  // systemd and cron read theirs as root and refuse cron files that others may write.
  const ofRoot = (kind: "units" | "cron") =>
    Object.entries(inputs[kind]).map(([name, { content }]): ReleaseFile => ({
      name: `${kind}/${name}`,
      at: [kind, name],
      content,
      mode: "0644",
      owner: "root",
      group: "root",
    }));
  return [
    ...Object.entries(inputs.files).map(([name, file]): ReleaseFile => ({
      ...file,
      name,
      at: ["files", name],
    })),
    ...ofRoot("units"),
    ...ofRoot("cron"),
  ];
}

/** Folders inside a release, parents first, without the release itself. */
export function releaseFolders(files: ReleaseFile[]): string[] {
  const folders = new Set<string>();
  for (const { name } of files) {
    for (let folder = path.dirname(name); folder !== "."; folder = path.dirname(folder)) folders.add(folder);
  }
  return [...folders].sort();
}

/**
 * What the layout itself consists of, with the attributes it must have: keys as in the computed input `layout`, where
 * `release` stands for the folder of the wanted release, so that a new release is no new layout.
 */
export function layoutOf(
  inputs: Pick<ReleaseInputs, "group" | "files" | "units" | "cron">,
): Record<string, Attributes> {
  // The house may read itself, nobody else may enter, nobody but root may write.
  const folder: Attributes = { mode: "0750", owner: "root", group: inputs.group };
  const folders = releaseFolders(releaseFiles(inputs)).map((name) => [`release/${name}`, folder]);
  return {
    ".": folder,
    ".wizard-house": { mode: "0644", owner: "root", group: "root" },
    releases: folder,
    release: folder,
    ...(Object.fromEntries(folders) as Record<string, Attributes>),
  };
}

/** The place on the host of an entry of the layout. */
export function layoutPath(
  { house, release }: Pick<ReleaseInputs, "house" | "release">,
  key: string,
): string {
  if (key === ".") return house;
  return `${house}/${key.replace(/^release(?=\/|$)/, `releases/${release}`)}`;
}

/** A name under `displaced` that says where the thing was. What has it comes back when the house is destroyed. */
export const displacedName = (original: string): string => encodeURIComponent(original.replace(/^\//, ""));

/** The same for what took the place of something of ours later: kept, but nothing that anybody wants back. */
export const intruderName = (original: string): string => `${displacedName(original)}.intruder`;
