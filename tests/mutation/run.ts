/**
 * How much of the rule `banned-provider`'s own code its cases hold in place: each mutant of it is run against all of
 * them. Takes some minutes, so it is not part of the tests; its result is committed as score.json.
 *
 *     nice -n 19 npx tsx tests/mutation/run.ts
 *
 * Ends with 1 where fewer than 90 % are noticed, or where a survivor is not explained in survivors.ts.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { buildSync } from "esbuild";
import ts from "typescript";

import { FILES, fingerprint, ROOT } from "./files.ts";
import { type Mutant, mutantsOf, mutated } from "./mutants.ts";
import { EXPLAINED } from "./survivors.ts";

const WANTED = 0.9;
/** Milliseconds; a mutant that runs for ever is noticed too. */
const DEADLINE = 10_000;

interface Survivor {
  file: string;
  line: number;
  was: string;
  becomes: string;
  why: string;
}

const scratch = mkdtempSync(path.join(tmpdir(), "mutation-"));

function main(): number {
  if (!passes({})) {
    console.error("The cases fail without any mutant.");
    return 1;
  }
  const survivors: Survivor[] = [];
  let total = 0;
  for (const file of FILES) {
    const text = readFileSync(path.join(ROOT, file), "utf8");
    for (const mutant of mutantsOf(text)) {
      const changed = mutated(text, mutant);
      const noticed = !passes({ [file]: changed });
      // What the compiler refuses never gets as far as a test.
      if (!noticed && !compiles(file, changed)) continue;
      total += 1;
      if (!noticed) survivors.push(survivor(file, mutant));
    }
  }
  const score = Math.round((1 - survivors.length / total) * 1000) / 1000;
  const result = { of: fingerprint(), mutants: total, survived: survivors.length, score, survivors };
  writeFileSync(path.join(import.meta.dirname, "score.json"), `${JSON.stringify(result, null, 2)}\n`);
  const unexplained = survivors.filter(({ why }) => why === "");
  for (const { file, line, was, becomes } of unexplained)
    console.error(`${file}:${line}: ${was} → ${becomes}`);
  console.log(
    `${total - survivors.length} of ${total} mutants are noticed, ${Math.round(score * 1000) / 10} %.`,
  );
  return score >= WANTED && unexplained.length === 0 ? 0 : 1;
}

function survivor(file: string, { line, was, becomes }: Mutant): Survivor {
  const short = (text: string): string => (text.length > 120 ? `${text.slice(0, 120)}…` : text);
  const why = EXPLAINED.find(
    (one) => one.file === file && was.includes(one.was) && becomes.includes(one.becomes),
  )?.why;
  return { file, line, was: short(was), becomes: short(becomes), why: why ?? "" };
}

const options = ts.parseJsonConfigFileContent(
  ts.readConfigFile(path.join(ROOT, "tsconfig.json"), (file) => ts.sys.readFile(file)).config,
  ts.sys,
  ROOT,
).options;
const overlaid = new Map<string, { text: string; version: number }>();
/** Keeps what it knows of unchanged files from one mutant to the next. */
const language = ts.createLanguageService({
  getCompilationSettings: () => options,
  getScriptFileNames: () => FILES.map((file) => path.join(ROOT, file)),
  getScriptVersion: (file) => String(overlaid.get(file)?.version ?? 0),
  getScriptSnapshot: (file) => {
    const text = overlaid.get(file)?.text ?? ts.sys.readFile(file);
    return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
  },
  getCurrentDirectory: () => ROOT,
  getDefaultLibFileName: (given) => ts.getDefaultLibFilePath(given),
  fileExists: (file) => ts.sys.fileExists(file),
  readFile: (file) => ts.sys.readFile(file),
  directoryExists: (folder) => ts.sys.directoryExists(folder),
  getDirectories: (folder) => ts.sys.getDirectories(folder),
});

function compiles(file: string, text: string): boolean {
  const at = path.join(ROOT, file);
  const version = (overlaid.get(at)?.version ?? 0) + 1;
  overlaid.set(at, { text, version });
  const found = [...language.getSyntacticDiagnostics(at), ...language.getSemanticDiagnostics(at)];
  overlaid.set(at, { text: ts.sys.readFile(at) ?? "", version: version + 1 });
  return found.length === 0;
}

/** Whether all cases pass with these texts in place of the files. What does not even load does not pass. */
function passes(texts: Readonly<Record<string, string>>): boolean {
  const bundle = path.join(scratch, "bundle.mjs");
  const inner = FILES.map((file) => {
    const text = texts[file] ?? readFileSync(path.join(ROOT, file), "utf8");
    return [path.join(ROOT, file), text] as const;
  });
  try {
    bundled(new Map(inner), bundle);
  } catch {
    return false;
  }
  const { status } = spawnSync(process.execPath, [bundle], { timeout: DEADLINE, stdio: "ignore" });
  return status === 0;
}

/** Everything in one file. esbuild's plugins need its asynchronous interface, so mutated files are written beside. */
function bundled(texts: ReadonlyMap<string, string>, outfile: string): void {
  const places = [...texts].map(([file, text], index) => {
    const place = path.join(scratch, `${index}-${path.basename(file)}`);
    const dir = path.dirname(file);
    // Imports lead from the file's own place, or to another file under test.
    const own = text.replace(/from "(\.[^"]+)"/g, (_, target: string) => {
      const real = path.resolve(dir, target);
      const at = [...texts.keys()].indexOf(real);
      return `from ${JSON.stringify(at === -1 ? real : path.join(scratch, `${at}-${path.basename(real)}`))}`;
    });
    writeFileSync(place, own);
    return place;
  });
  const cases = path.join(ROOT, "tests/unit/policies-banned-cases.ts");
  const contents = [
    ...places.map((place, index) => `import * as m${index} from ${JSON.stringify(place)};`),
    `import { failures } from ${JSON.stringify(cases)};`,
    `process.exit(failures({ ${places.map((_, index) => `...m${index}`).join(", ")} }).length === 0 ? 0 : 1);`,
  ].join("\n");
  buildSync({
    stdin: { contents, resolveDir: ROOT, loader: "ts" },
    ...{ outfile, bundle: true, platform: "node", format: "esm", logLevel: "silent" },
  });
}

try {
  process.exitCode = main();
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
