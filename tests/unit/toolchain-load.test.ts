/** The bundling loader in a small project of its own. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

const CHECKOUT = path.resolve(import.meta.dirname, "..", "..");
const SOURCES = ["bench", "components", "fleet", "policies", "provider", "scripts", "testbed", "toolchain"];

let root: string;
const cache = () => path.join(root, "node_modules", ".cache", "wizard-houses");
const write = (file: string, text: string) => writeFileSync(path.join(root, file), text);
const answer = (): unknown => {
  const script =
    'import("./toolchain/load.mjs").then((m) => m.load("index.ts")).then((m) => console.log(JSON.stringify(m.answer)))';
  return JSON.parse(
    execFileSync(process.execPath, ["-e", script], { cwd: root, encoding: "utf8", stdio: "pipe" }),
  );
};

beforeEach(() => {
  root = mkdtempSync(path.join(os.tmpdir(), "wizard-load-"));
  for (const folder of [...SOURCES, "node_modules"]) mkdirSync(path.join(root, folder));
  for (const name of ["esbuild", "tsx"]) {
    symlinkSync(path.join(CHECKOUT, "node_modules", name), path.join(root, "node_modules", name));
  }
  cpSync(path.join(CHECKOUT, "toolchain", "load.mjs"), path.join(root, "toolchain", "load.mjs"));
  write("package.json", '{"type": "module"}');
  write("package-lock.json", "{}");
  write(
    "index.ts",
    'import { word } from "./fleet/word.ts";\nexport const answer: string[] = [word, import.meta.dirname];\n',
  );
  write("fleet/word.ts", 'export const word: string = "one " + new URL(".", import.meta.url).pathname;\n');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe("load", () => {
  it("bundles once, and every file keeps knowing where it is", () => {
    for (let run = 0; run < 2; run++) expect(answer()).toEqual([`one ${root}/fleet/`, root]);
    expect(readdirSync(cache())).toHaveLength(1);
  });

  it("never runs an old bundle after a file has changed", () => {
    answer();
    write("fleet/word.ts", 'export const word = "two";\n');
    expect(answer()).toEqual(["two", root]);
  });

  it("keeps a bounded number of bundles", () => {
    for (let run = 0; run < 12; run++) {
      write("fleet/word.ts", `export const word = "${"x".repeat(run)}";\n`);
      answer();
    }
    expect(readdirSync(cache()).length).toBeLessThanOrEqual(8);
  });

  it("says where a file does not parse", () => {
    write("fleet/word.ts", "export const = 1;\n");
    expect(answer).toThrow(/fleet\/word\.ts:1/);
  });

  it("runs without a cache where none can be written", () => {
    writeFileSync(path.dirname(cache()), "a file where the folder should be");
    expect(answer()).toEqual([`one ${root}/fleet/`, root]);
  });
});
