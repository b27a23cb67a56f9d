/** The bundling loader in a small project of its own. */
import { execFileSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
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

  it("takes away what was used least recently, and what nobody has finished for long", () => {
    mkdirSync(cache(), { recursive: true });
    const ago = (name: string, minutes: number): void => {
      const file = path.join(cache(), name);
      writeFileSync(file, 'export const answer = "old";');
      utimesSync(file, new Date(), new Date(Date.now() - minutes * 60_000));
    };
    answer();
    const [own] = readdirSync(cache());
    ago(own!, 600);
    for (let name = 0; name < 8; name++) ago(`index.${name}.mjs`, 1 + name);
    ago("index.8.mjs.1.tmp", 30);
    ago("index.9.mjs.2.tmp", 90);
    expect(answer()).toBe("old");
    write("fleet/word.ts", 'export const word = "two";\n');
    answer();
    const left = readdirSync(cache());
    expect(left).toContain(own);
    expect(left).toContain("index.8.mjs.1.tmp");
    expect(left).not.toContain("index.9.mjs.2.tmp");
    expect(left).not.toContain("index.7.mjs");
    expect(left.filter((name) => name.endsWith(".mjs"))).toHaveLength(8);
  });

  it("is not disturbed by what goes while it looks", () => {
    mkdirSync(cache(), { recursive: true });
    // Is listed, and is not there.
    symlinkSync("nowhere", path.join(cache(), "index.gone.mjs"));
    expect(answer()).toEqual([`one ${root}/fleet/`, root]);
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
