/** What the mutation run is about. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";

export const ROOT = path.join(import.meta.dirname, "..", "..");
/** The rule's own code, below what calls it. */
export const FILES = ["fleet/rules/words.ts", "fleet/rules/banned-names.ts", "fleet/banned.ts"];

/** Tells whether a score was made from the code as it is. */
export function fingerprint(): string {
  const hash = createHash("sha256");
  for (const file of FILES) hash.update(readFileSync(path.join(ROOT, file)));
  return hash.digest("hex").slice(0, 16);
}
