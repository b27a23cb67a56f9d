/** Scripts that are delivered to hosts as they stand in this folder. */
import { fileURLToPath } from "node:url";

import { projectFile, type ProjectFile } from "../fleet/project-file.ts";

const PROJECT = fileURLToPath(new URL("..", import.meta.url));
const known = new Map<string, ProjectFile>();

/** The content of a file of a resource: what `path`, relative to this folder, holds, e.g. `deadman/deadman.sh`. */
export function source(path: string): ProjectFile {
  const file = known.get(path) ?? projectFile(`components/${path}`, PROJECT);
  known.set(path, file);
  return file;
}
