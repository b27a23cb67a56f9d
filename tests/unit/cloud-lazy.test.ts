/** A fleet without droplets pays nothing for those that could be. */
import path from "node:path";

import { build } from "esbuild";
import { expect, test } from "vitest";

const ROOT = path.join(import.meta.dirname, "../..");
const SDKS = ["@pulumi/digitalocean", "@pulumi/command"];

/** How the program, bundled as `program.mjs` has it, comes to each package outside the bundle. */
async function importsOf(entry: string): Promise<Map<string, string[]>> {
  const { metafile } = await build({
    entryPoints: [path.join(ROOT, entry)],
    bundle: true,
    platform: "node",
    format: "esm",
    external: ["@pulumi/*", "esbuild", "tsx"],
    metafile: true,
    write: false,
    logLevel: "silent",
  });
  const found = new Map<string, string[]>();
  for (const { imports } of Object.values(metafile.outputs)) {
    for (const { path: name, kind, external } of imports)
      if (external) found.set(name, [...(found.get(name) ?? []), kind]);
  }
  return found;
}

test("the program loads the clouds' SDKs by a call alone, which only a droplet makes", async () => {
  const imports = await importsOf("index.ts");
  expect(imports.get("@pulumi/pulumi")).toContain("import-statement");
  for (const sdk of SDKS) expect(imports.get(sdk)).toEqual(["dynamic-import"]);
});

test("no command of ours loads them at all", async () => {
  const imports = await importsOf("scripts/up.ts");
  for (const sdk of SDKS) expect(imports.get(sdk)).toBeUndefined();
});
