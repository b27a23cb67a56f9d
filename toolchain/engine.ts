/**
 * Makes the Pulumi engine available where the npm package `pulumi` looks for it: `<PULUMI_HOME>/versions/<version>/bin`.
 *
 * What is there and works is used. Otherwise the official release is downloaded; where that is impossible the engine is
 * built from the Go modules pinned in `engine/`, and `language-host/` takes the place of the official language host.
 */
import { execFile } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";

import { buildEngine } from "./engine-build.ts";
import { downloadEngine } from "./engine-download.ts";
import { exclusively } from "./exclusive.ts";
import type { Progress } from "./go-build.ts";
import { ensureLanguageHost } from "./language-host.ts";
import { processInfo } from "./process-info.ts";
import { VERSIONS } from "./versions.ts";

/** No engine can be had; the message says what to do about it. */
export class EngineUnavailableError extends Error {
  override name = "EngineUnavailableError";
}

/** A way to get an engine into `binFolder`. Returns why it was not possible, or undefined when it is done. */
export type EngineSource = (binFolder: string, progress: Progress) => Promise<string | undefined>;

export interface EngineOptions {
  /** The folder `versions/` lies in. Default `$PULUMI_HOME`, else `~/.pulumi`. */
  home?: string;
  /** File that remembers which executable answered, so that it is not asked again every time. */
  seenFile: string;
  progress: Progress;
  /** Tried in turn. Default: download, build. */
  sources?: EngineSource[];
}

/** The folder the npm package `pulumi` keeps its engines in. */
export function pulumiHome(env: NodeJS.ProcessEnv = process.env): string {
  return env.PULUMI_HOME || path.join(os.homedir(), ".pulumi");
}

/** Path of an engine that works, after whatever it takes to get one. Throws {@link EngineUnavailableError}. */
export async function ensureEngine(options: EngineOptions): Promise<string> {
  const versions = path.join(options.home ?? pulumiHome(), "versions");
  const target = path.join(versions, VERSIONS.pulumi);
  const engine = path.join(target, "bin", "pulumi");
  if (wasSeen(engine, options.seenFile)) return engine;
  await exclusively(
    path.join(versions, `.${VERSIONS.pulumi}.lock`),
    (pid) => options.progress(`waiting for process ${pid}, which is getting the Pulumi engine`),
    async () => {
      removeLeftovers(versions, options.progress);
      if (!(await answersItsVersion(engine))) await install(versions, target, options);
      await ensureLanguageHost(path.dirname(engine));
    },
  );
  remember(engine, options.seenFile);
  return engine;
}

async function install(versions: string, target: string, options: EngineOptions): Promise<void> {
  if (existsSync(path.join(target, "bin", "pulumi"))) {
    options.progress(`${target} holds an engine that does not work; replacing it`);
  }
  const staging = path.join(versions, `${stagingPrefix()}${process.pid}`);
  const refusals: string[] = [];
  try {
    for (const source of options.sources ?? [downloadEngine, buildEngine]) {
      rmSync(staging, { recursive: true, force: true });
      mkdirSync(path.join(staging, "bin"), { recursive: true });
      const refusal = await source(path.join(staging, "bin"), options.progress);
      if (refusal !== undefined) {
        refusals.push(refusal);
        continue;
      }
      if (!(await answersItsVersion(path.join(staging, "bin", "pulumi")))) {
        refusals.push(
          `the engine that came of it does not answer \`pulumi version\` with v${VERSIONS.pulumi}`,
        );
        continue;
      }
      await ensureLanguageHost(path.join(staging, "bin"));
      rmSync(target, { recursive: true, force: true });
      renameSync(staging, target);
      return;
    }
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
  throw new EngineUnavailableError(
    `The Pulumi engine ${VERSIONS.pulumi} is not on this machine, and there is no way to get it: ${refusals.join("; ")}. ` +
      `Connect this machine to the internet, or install Go ${VERSIONS.go} or newer, and run the command again.`,
  );
}

const stagingPrefix = (): string => `.${VERSIONS.pulumi}.staging-`;

/** An interrupted installation leaves its staging folder behind; nothing of it is used. */
function removeLeftovers(versions: string, progress: Progress): void {
  for (const name of readdirSync(versions)) {
    if (!name.startsWith(stagingPrefix())) continue;
    if (processInfo(Number(name.slice(stagingPrefix().length))) !== undefined) continue;
    progress("an earlier installation of the Pulumi engine was interrupted; starting over");
    rmSync(path.join(versions, name), { recursive: true, force: true });
  }
}

async function answersItsVersion(engine: string): Promise<boolean> {
  try {
    const { stdout } = await promisify(execFile)(engine, ["version"], {
      timeout: 30_000,
      env: { ...process.env, PULUMI_SKIP_UPDATE_CHECK: "true" },
    });
    return stdout.trim() === `v${VERSIONS.pulumi}`;
  } catch {
    // Absent, not executable, killed, or not an engine at all: to the caller it is the same.
    return false;
  }
}

/** Identifies an executable without starting it, which would take a fifth of a second each time. */
function fingerprint(engine: string): string {
  const stat = statSync(engine, { throwIfNoEntry: false });
  const host = statSync(path.join(path.dirname(engine), "pulumi-language-nodejs"), { throwIfNoEntry: false });
  return stat && host ? `${engine} ${stat.size} ${stat.mtimeMs} ${host.size} ${host.mtimeMs}\n` : "";
}

function wasSeen(engine: string, seenFile: string): boolean {
  const current = fingerprint(engine);
  return current !== "" && existsSync(seenFile) && readFileSync(seenFile, "utf8") === current;
}

/** A tree that may not be written to remembers nothing, and the engine is asked every time. */
const UNWRITABLE = new Set(["EACCES", "EROFS", "EPERM", "ENOTDIR"]);

function remember(engine: string, seenFile: string): void {
  try {
    mkdirSync(path.dirname(seenFile), { recursive: true });
    writeFileSync(seenFile, fingerprint(engine));
  } catch (error) {
    if (!UNWRITABLE.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}
