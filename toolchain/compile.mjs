// Bundles what `up` is made of, so that a tree that may not be written to starts as fast as one that may.
import { compile } from "./load.mjs";

/** Entry points, each with the packages that whoever loads it keeps outside. */
export const ENTRIES = [
  ["scripts/up.ts", []],
  ["scripts/minimum.ts", []],
  ["provider/server.ts", []],
  ["index.ts", ["@pulumi/*"]],
  ["policies/pack.ts", ["@pulumi/*"]],
];

if (import.meta.filename === process.argv[1]) {
  await Promise.all(ENTRIES.map(([entry, external]) => compile(entry, external)));
}
