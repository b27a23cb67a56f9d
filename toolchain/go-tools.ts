/**
 * Programs written in Go that tests need and no package registry but Go's has: built once from the modules pinned here,
 * kept in the user's cache for all checkouts.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";

import { madeOnce } from "./exclusive.ts";
import { goBuild, type GoProgram, type Progress } from "./go-build.ts";
import { VERSIONS } from "./versions.ts";

export type GoTool = "gitea" | "actionlint" | "versitygw";

interface Recipe extends GoProgram {
  version: string;
  /** Its Go module, and folders in there that it reads at run time; they get beside the program. */
  data?: { module: string; folders: readonly string[] };
  /** Argument with which it tells its version. */
  versionArgument: string;
  /** Debian packages without which it cannot be built, besides Go. */
  needs: string;
}

/** SQLite is the database that needs no server. */
const GITEA_TAGS = ["sqlite", "sqlite_unlock_notify"];

const RECIPES: Readonly<Record<GoTool, Recipe>> = {
  gitea: {
    title: `Gitea ${VERSIONS.gitea}`,
    version: VERSIONS.gitea,
    module: path.join(import.meta.dirname, "gitea"),
    main: "code.gitea.io/gitea",
    ldflags: `-X main.Version=${VERSIONS.gitea} -X "main.Tags=${GITEA_TAGS.join(" ")}"`,
    tags: GITEA_TAGS,
    cgo: true,
    data: { module: "code.gitea.io/gitea", folders: ["options", "templates", "public"] },
    versionArgument: "--version",
    needs: "a C compiler (gcc, libc6-dev)",
  },
  actionlint: {
    title: `actionlint ${VERSIONS.actionlint}`,
    version: VERSIONS.actionlint,
    module: path.join(import.meta.dirname, "actionlint"),
    main: "github.com/rhysd/actionlint/cmd/actionlint",
    ldflags: `-X github.com/rhysd/actionlint.version=${VERSIONS.actionlint}`,
    versionArgument: "-version",
    needs: "no C compiler",
  },
  versitygw: {
    title: `versitygw ${VERSIONS.versitygw}`,
    version: VERSIONS.versitygw,
    module: path.join(import.meta.dirname, "versitygw"),
    main: "github.com/versity/versitygw/cmd/versitygw",
    ldflags: `-X main.Version=${VERSIONS.versitygw}`,
    versionArgument: "--version",
    needs: "no C compiler",
  },
};

/** The tool cannot be had; the message says what to do about it. */
export class ToolUnavailableError extends Error {
  override name = "ToolUnavailableError";
}

/** The folder with the program, called as the tool, and its data. Throws {@link ToolUnavailableError}. */
export async function ensureGoTool(tool: GoTool, progress: Progress, cache = toolsFolder()): Promise<string> {
  const recipe = RECIPES[tool];
  const folder = path.join(cache, `${tool}-${recipe.version}-${fingerprint(recipe)}`);
  return madeOnce(
    folder,
    (pid) => progress(`waiting for process ${pid}, which is building ${recipe.title}`),
    () => install(tool, folder, progress),
  );
}

/** Shared by all checkouts of this user: `$XDG_CACHE_HOME/wizard-houses`, else `~/.cache/wizard-houses`. */
function toolsFolder(env: NodeJS.ProcessEnv = process.env): string {
  return path.join(env["XDG_CACHE_HOME"] || path.join(os.homedir(), ".cache"), "wizard-houses");
}

/** Of everything that decides what comes of a build. */
function fingerprint({ module, ldflags, tags, data }: Recipe): string {
  const hash = createHash("sha256").update(JSON.stringify([ldflags, tags, data]));
  for (const file of ["go.mod", "go.sum"]) hash.update(readFileSync(path.join(module, file)));
  return hash.digest("hex").slice(0, 8);
}

/** Built beside and renamed, so that a folder of this name is always whole. */
async function install(tool: GoTool, folder: string, progress: Progress): Promise<void> {
  const recipe = RECIPES[tool];
  const staging = `${folder}.staging`;
  try {
    rmSync(staging, { recursive: true, force: true });
    mkdirSync(staging, { recursive: true });
    const program = path.join(staging, tool);
    const refusal = await goBuild(recipe, program, progress);
    if (refusal !== undefined) {
      throw new ToolUnavailableError(
        `${recipe.title} cannot be built: ${refusal}. It needs Go ${VERSIONS.go} or newer and ${recipe.needs}, and the Go ` +
          "modules' proxy or a cache of them: install what is missing and run the command again.",
      );
    }
    if (recipe.data) await copyData(recipe.data, recipe.module, staging);
    const { stdout } = await promisify(execFile)(program, [recipe.versionArgument], { timeout: 30_000 });
    if (!stdout.includes(recipe.version)) {
      throw new ToolUnavailableError(
        `what was built as ${recipe.title} says of itself: ${JSON.stringify(stdout.slice(0, 200))}`,
      );
    }
    renameSync(staging, folder);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

async function copyData(data: NonNullable<Recipe["data"]>, module: string, to: string): Promise<void> {
  const { stdout } = await promisify(execFile)(
    "go",
    ["list", "-mod=readonly", "-m", "-f", "{{.Dir}}", data.module],
    { cwd: module, env: { ...process.env, GOWORK: "off" } },
  );
  // The cache of modules is read-only down to its folders, which nobody but root could remove then.
  const sources = data.folders.map((folder) => path.join(stdout.trim(), folder));
  await promisify(execFile)("cp", ["-r", "--no-preserve=mode", ...sources, to]);
}
