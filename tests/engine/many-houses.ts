/** A fleet of many houses, each on a host of its own, in place of the one a workspace comes with. */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

import type { Workspace } from "./workspace.ts";

const padded = (number: number): string => String(number).padStart(2, "0");
export const houseName = (number: number): string => `house-${padded(number)}`;
export const hostName = (number: number): string => `host-${padded(number)}`;

/** Writes `wizards/` anew: houses 1 to `count`, in this order, all like bezalel. */
export function populate(work: Workspace, count: number): void {
  const wizards = path.join(work.dir, "wizards");
  const bezalel = path.join(wizards, "bezalel");
  const model = readFileSync(path.join(bezalel, "house.yaml"), "utf8")
    .replace("skin: bezalel", "skin: fleet")
    .replace(/^cron:\n(?: .*\n|\n)*/m, "");
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  for (const number of numbers) {
    const folder = path.join(wizards, houseName(number));
    mkdirSync(folder);
    writeFileSync(path.join(folder, "house.yaml"), model.replace("host: forge", `host: ${hostName(number)}`));
    for (const file of ["config.yaml", "SOUL.md"]) cpSync(path.join(bezalel, file), path.join(folder, file));
  }
  for (const name of ["allegro", "bezalel", "ezra"]) rmSync(path.join(wizards, name), { recursive: true });
  const hosts = numbers.map((number) => `  ${hostName(number)}:\n    address: 192.0.2.${number}\n`);
  changeFleet(work, (text) =>
    text
      .replace(
        /^houses:\n(?: {2}- .*\n)+/m,
        `houses:\n${numbers.map((n) => `  - ${houseName(n)}\n`).join("")}`,
      )
      .replace(/^hosts:\n(?: .*\n)+/m, `hosts:\n${hosts.join("")}`),
  );
}

/** Rewrites `wizards/fleet.yaml`. Throws where that changes nothing. */
export function changeFleet(work: Workspace, change: (text: string) => string): void {
  const file = path.join(work.dir, "wizards", "fleet.yaml");
  const before = readFileSync(file, "utf8");
  const after = change(before);
  if (after === before) throw new Error(`${file} has not what was to be changed`);
  writeFileSync(file, after);
}

/** Takes a house out of `wizards/`. */
export function dropHouse(work: Workspace, name: string): void {
  changeFleet(work, (text) => text.replace(`  - ${name}\n`, ""));
  rmSync(path.join(work.dir, "wizards", name), { recursive: true });
}
