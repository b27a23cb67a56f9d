/** Text of a script that is delivered to hosts as it stands in this folder. */
import { readFileSync } from "node:fs";

/** Reads `path`, relative to this folder, e.g. `deadman/deadman.sh`. */
export function source(path: string): string {
  return readFileSync(new URL(path, import.meta.url), "utf8");
}
