/** What is compiled beforehand is what an update loads. */
import { readFileSync } from "node:fs";
import path from "node:path";

import { expect, it } from "vitest";

import { ENTRIES } from "../../toolchain/compile.mjs";

const ROOT = path.resolve(import.meta.dirname, "..", "..");
const LOADERS = ["program.mjs", "provider/main.mjs", "policies/index.cjs"];

it("are the entry points that program, provider and policy pack load, with the same packages outside", () => {
  const loaded = LOADERS.map((file) => {
    const call = /\bload\("([^"]+)"(?:, (\[[^\]]*\]))?\)/.exec(readFileSync(path.join(ROOT, file), "utf8"));
    return [call?.[1], JSON.parse(call?.[2] ?? "[]")];
  });
  const commands = ["scripts/up.ts", "scripts/minimum.ts"].map((entry) => [entry, []]);
  expect([...ENTRIES].sort()).toEqual([...commands, ...loaded].sort());
});
