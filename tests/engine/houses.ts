/** What stands on the folders that stand for hosts, and whether each house is on one whole release. */
import { createHash } from "node:crypto";
import { existsSync, lstatSync, readFileSync, readdirSync, readlinkSync } from "node:fs";
import path from "node:path";

import type { Workspace } from "./workspace.ts";

/** Which host each house is on. */
export const HOUSES: Readonly<Record<string, string>> = { allegro: "tower", bezalel: "forge", ezra: "tower" };

export const houseFolder = (work: Workspace, house: string): string =>
  path.join(work.hostRoot(HOUSES[house] ?? ""), "srv", "wizards", house);

/** By path: kind, mode and contents of everything below a folder. Equal trees give equal maps. */
export function treeOf(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  const walk = (relative: string): void => {
    const at = path.join(folder, relative);
    const stat = lstatSync(at);
    const mode = (stat.mode & 0o7777).toString(8);
    if (stat.isSymbolicLink()) found[relative] = `link to ${readlinkSync(at)}`;
    else if (!stat.isDirectory())
      found[relative] = `${mode} ${createHash("sha256").update(readFileSync(at)).digest("hex")}`;
    else {
      found[relative] = `${mode} folder`;
      for (const name of readdirSync(at)) walk(path.join(relative, name));
    }
  };
  if (existsSync(folder)) walk(".");
  return found;
}

/** The release a house is on; undefined when it is on none. Throws when `current` is anything but a link to one. */
export function releaseOf(work: Workspace, house: string): string | undefined {
  const current = path.join(houseFolder(work, house), "current");
  if (lstatSync(current, { throwIfNoEntry: false }) === undefined) return undefined;
  const target = readlinkSync(current);
  const id = /^releases\/([0-9a-f]{16})$/.exec(target)?.[1];
  if (id === undefined) throw new Error(`${current} points at ${target}`);
  return id;
}

/** Trees of releases by house and id, as a run that nobody disturbed left them. */
export type References = Map<string, Record<string, string>>;

/** Adds the releases the houses are on. */
export function remember(work: Workspace, references: References): void {
  for (const house of Object.keys(HOUSES)) {
    const id = releaseOf(work, house);
    if (id === undefined) throw new Error(`${house} is on no release`);
    references.set(`${house} ${id}`, treeOf(path.join(houseFolder(work, house), "releases", id)));
  }
}

/** What is wrong with the houses: one line for each that is neither on a whole release we know nor on none. */
export function brokenHouses(work: Workspace, references: References): string[] {
  return Object.keys(HOUSES).flatMap((house) => {
    const id = releaseOf(work, house);
    if (id === undefined) return [];
    const reference = references.get(`${house} ${id}`);
    if (reference === undefined) return [`${house} is on ${id}, which no undisturbed run made`];
    const tree = treeOf(path.join(houseFolder(work, house), "releases", id));
    return [...new Set([...Object.keys(reference), ...Object.keys(tree)])]
      .filter((name) => tree[name] !== reference[name])
      .map((name) => `${house}, release ${id}: ${name} is ${tree[name]}, not ${reference[name]}`);
  });
}
