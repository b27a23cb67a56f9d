/** Wanted files as files on this machine, where tools that copy want them. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

import type { WantedFile, WantedHouse } from "../wanted.ts";

export interface SourcedFile extends Omit<WantedFile, "content"> {
  /** Where its content is on this machine. */
  source: string;
  /** Whether its content must not be shown. */
  secret: boolean;
}

export interface SourcedHouse extends Omit<WantedHouse, "files"> {
  files: SourcedFile[];
}

/** Writes every file's content below `dir`, in place of what was there. */
export function writeSources(dir: string, houses: WantedHouse[]): SourcedHouse[] {
  rmSync(dir, { recursive: true, force: true });
  return houses.map((house) => {
    const folder = path.join(dir, house.name);
    mkdirSync(folder, { recursive: true });
    const files = house.files.map(({ content, ...file }, index): SourcedFile => {
      const source = path.join(folder, `${index}-${path.basename(file.path)}`);
      writeFileSync(source, content);
      return { ...file, source, secret: path.basename(file.path) === ".env" };
    });
    return { ...house, files };
  });
}
