/** Puts the Node.js language host of `language-host/` beside an engine that came without the official one. */
import { createHash } from "node:crypto";
import {
  chmodSync,
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";

import { VERSIONS } from "./versions.ts";

const SOURCES = path.join(import.meta.dirname, "language-host");
const PARTS = ["main.mjs", "children.mjs", "commands.mjs"];
/** Second line of our bundle: tells it from the official host, and one version of it from the next. */
const MARK = "// wizard-houses language host, for an engine built without the official one: ";

/** How the executable beside the engine is called. */
export const LANGUAGE_HOST = "pulumi-language-nodejs";

/**
 * Makes sure that a language host stands in `binFolder`. The official one is left as it is; ours is renewed when its
 * source has changed. Returns whether it wrote one.
 */
export async function ensureLanguageHost(binFolder: string): Promise<boolean> {
  const target = path.join(binFolder, LANGUAGE_HOST);
  const manifest = path.join(binFolder, "package.json");
  const mark = `${MARK}${sourceDigest()}`;
  if (existsSync(target)) {
    const head = readHead(target);
    if (!head.includes(MARK) || (head.includes(`${mark}\n`) && existsSync(manifest))) return false;
  }
  // A script without extension is what the nearest package.json says, and this folder may lie inside a project of ES
  // modules: PULUMI_HOME in a checkout, for example.
  replaceFile(manifest, `{ "type": "commonjs" }\n`, 0o644);
  replaceFile(target, await bundle(mark), 0o755);
  return true;
}

/** Whole or not at all: an engine may be starting it right now. */
function replaceFile(file: string, content: string | Uint8Array, mode: number): void {
  const staged = `${file}.${process.pid}.tmp`;
  writeFileSync(staged, content);
  chmodSync(staged, mode);
  renameSync(staged, file);
}

function sourceDigest(): string {
  const hash = createHash("sha256");
  for (const part of PARTS) hash.update(readFileSync(path.join(SOURCES, part))).update("\0");
  return `${VERSIONS.pulumi} ${hash.digest("hex").slice(0, 16)}`;
}

function readHead(file: string): string {
  const descriptor = openSync(file, "r");
  try {
    const buffer = Buffer.alloc(512);
    return buffer.toString("latin1", 0, readSync(descriptor, buffer, 0, buffer.length, 0));
  } finally {
    closeSync(descriptor);
  }
}

/** One self-contained script: the engine's folder serves every project of the machine, whatever becomes of this checkout. */
async function bundle(mark: string): Promise<Uint8Array> {
  const { build } = await import("esbuild");
  const result = await build({
    entryPoints: [path.join(SOURCES, "main.mjs")],
    bundle: true,
    platform: "node",
    format: "cjs",
    target: `node${VERSIONS.node}`,
    minifyWhitespace: true,
    legalComments: "none",
    define: { "process.env.LANGUAGE_HOST_VERSION": JSON.stringify(VERSIONS.pulumi) },
    banner: { js: `#!/usr/bin/env node\n${mark}\n` },
    write: false,
    logLevel: "silent",
  });
  const output = result.outputFiles[0];
  if (!output) throw new Error("esbuild produced no output for the language host");
  return output.contents;
}
