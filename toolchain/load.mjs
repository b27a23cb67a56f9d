/**
 * Loads a TypeScript entry point of this project as one bundled module, which starts several times faster than
 * transpiling file by file: the provider, the program and the commands are each started for every `up`.
 *
 * Nothing has to be built beforehand and nothing can be stale: the bundle's name is a hash over path, size and time of
 * change of every TypeScript and JSON file, so a changed file means another bundle. Types are not checked here; `npm run check`
 * does that. Plain JavaScript, because it runs before there is anything that could load TypeScript.
 */
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const SOURCES = ["bench", "components", "fleet", "policies", "provider", "scripts", "testbed", "toolchain"];
const CACHE = path.join(ROOT, "node_modules", ".cache", "wizard-houses");
/** Bundles of an entry point that are kept; another checkout that shares node_modules may be using an older one. */
const KEPT = 8;
/** Milliseconds after which a bundle that is not finished never will be. */
const ABANDONED = 3600_000;

function* sourceFiles(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) yield* sourceFiles(file);
    else if (/\.(ts|json)$/.test(entry.name)) yield file;
  }
}

function fingerprint() {
  const hash = createHash("sha256").update(`${ROOT}\n${process.version}\n`);
  const files = [
    path.join(ROOT, "index.ts"),
    ...SOURCES.flatMap((name) => [...sourceFiles(path.join(ROOT, name))]),
  ];
  // Packages are part of a bundle, and the lock file says which.
  files.push(path.join(ROOT, "package-lock.json"), fileURLToPath(import.meta.url));
  for (const file of files.sort()) {
    const { size, mtimeNs } = statSync(file, { bigint: true });
    hash.update(`${file} ${size} ${mtimeNs}\n`);
  }
  return hash.digest("hex").slice(0, 16);
}

/** A bundle stands elsewhere than the files it was made of; what they ask about their own place stays true. */
const keepPlaces = {
  name: "keep-places",
  setup(build) {
    build.onLoad({ filter: /\.ts$/ }, ({ path: file }) => {
      const text = readFileSync(file, "utf8")
        .replaceAll("import.meta.url", JSON.stringify(pathToFileURL(file).href))
        .replaceAll("import.meta.dirname", JSON.stringify(path.dirname(file)));
      return { contents: text, loader: "ts" };
    });
  },
};

/** Takes away the bundles of an entry point that were used least recently; others may be at it at the same time. */
function prune(name) {
  const lastUse = (file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const files = readdirSync(CACHE)
    .filter((file) => file.startsWith(`${name}.`))
    .map((file) => ({ file: path.join(CACHE, file), used: lastUse(path.join(CACHE, file)) }))
    .sort((a, b) => b.used - a.used);
  const isBundle = ({ file }) => file.endsWith(".mjs");
  // What is no bundle yet is somebody's who makes one, if he still does.
  const abandoned = files.filter((each) => !isBundle(each) && each.used < Date.now() - ABANDONED);
  for (const { file } of [...abandoned, ...files.filter(isBundle).slice(KEPT)]) rmSync(file, { force: true });
}

/** So that it counts as used; in a tree that may not be written to, nothing is pruned either. */
function touch(output) {
  try {
    utimesSync(output, new Date(), new Date());
  } catch (error) {
    if (!["EACCES", "EROFS", "EPERM", "ENOENT"].includes(error.code)) throw error;
  }
}

/** esbuild and tsx find parts of themselves by their own place. */
const NEVER_BUNDLED = ["esbuild", "tsx"];

async function bundle(entry, name, output, external) {
  const esbuild = await import("esbuild");
  const beside = `${output}.${process.pid}.tmp`;
  await esbuild.build({
    entryPoints: [path.join(ROOT, entry)],
    outfile: beside,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    external: [...NEVER_BUNDLED, ...external],
    // CommonJS packages inside the bundle ask for Node's own modules this way.
    banner: {
      js: 'import { createRequire as requireFrom } from "node:module"; const require = requireFrom(import.meta.url);',
    },
    logLevel: "silent",
    plugins: [keepPlaces],
  });
  renameSync(beside, output);
  prune(name);
}

/**
 * Makes the bundle of an entry point where there is none.
 *
 * @param entry path of a TypeScript file from the checkout's root, e.g. `provider/server.ts`
 * @param external packages that stay outside the bundle, because the process has them loaded already and they hold state
 * @returns where it is
 * @throws Error with esbuild's messages when a file does not parse or an import does not resolve
 */
export async function compile(entry, external = []) {
  const { name, output } = bundleOf(entry);
  if (existsSync(output)) touch(output);
  else {
    mkdirSync(CACHE, { recursive: true });
    await bundle(entry, name, output, external);
  }
  return output;
}

function bundleOf(entry) {
  const name = entry.replace(/\.ts$/, "").replaceAll("/", "-");
  return { name, output: path.join(CACHE, `${name}.${fingerprint()}.mjs`) };
}

/**
 * As {@link compile}, where the tree may be written to.
 *
 * @returns its module
 */
export async function load(entry, external = []) {
  let output;
  try {
    output = await compile(entry, external);
  } catch (error) {
    // A tree that may not be written to still runs, only slower.
    if (!["EACCES", "EROFS", "EPERM", "ENOTDIR"].includes(error.code)) throw error;
    const { register } = await import("tsx/esm/api");
    register();
    output = path.join(ROOT, entry);
  }
  return import(pathToFileURL(output).href);
}
