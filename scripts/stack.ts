/** Where a stack's state is and with which environment the engine works on it. */
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import { parse } from "yaml";

import { pulumiHome } from "../toolchain/engine.ts";
import { DEFAULT_STACK } from "./arguments.ts";
import { preventLog } from "./engine-home.ts";

/** The checkout. */
export const ROOT = path.dirname(import.meta.dirname);
/** As in Pulumi.yaml. */
export const PROJECT = "wizard-houses";
/** Everything the dev stack writes, hosts included. */
export const DEV = path.join(ROOT, ".dev");

/**
 * The dev stack's passphrase is public: it protects nothing, and exists because the engine wants one. That is why dev
 * takes no real keys.
 */
const DEV_PASSPHRASE = "public";

/**
 * Operations the engine runs at a time, unless PULUMI_PARALLEL says otherwise; its own default is 4 per core. Nearly all
 * of them only wait for hosts, and the provider gathers what comes at once into one round trip per host, so the limit is
 * above any number of resources that one machine could look after.
 */
const PARALLEL = "1024";

/**
 * How far the engine's heap may grow before it is swept, in percent, unless GOGC says otherwise; Go's own is 100. Takes a
 * fifth off the memory of everything at 100 houses and no measurable time.
 */
const HEAP_GROWTH = "40";

/** Variables by which an operator's own login or settings would reach the dev stack. */
const OPERATORS_OWN = [
  "PULUMI_ACCESS_TOKEN",
  "PULUMI_API",
  "PULUMI_CONFIG_PASSPHRASE_FILE",
  "PULUMI_CONFIG",
  "PULUMI_STACK",
  "PULUMI_DIY_BACKEND_GZIP",
  "PULUMI_DIY_BACKEND_ZSTD",
];

/** Environment of the engine. Only `dev` brings its own backend, login and passphrase; other stacks keep the operator's. */
export function engineEnvironment(stack: string, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const common: NodeJS.ProcessEnv = {
    PULUMI_PARALLEL: PARALLEL,
    GOGC: HEAP_GROWTH,
    ...env,
    PULUMI_SKIP_UPDATE_CHECK: "true",
    // Allows --event-log, from which exit codes and summaries are made.
    PULUMI_DEBUG_COMMANDS: "true",
  };
  if (stack !== DEFAULT_STACK) return common;
  for (const name of OPERATORS_OWN) delete common[name];
  return {
    ...common,
    PULUMI_BACKEND_URL: pathToFileURL(path.join(DEV, "state")).href,
    // Both, since the second wins where an operator has set it. Logs and workspace settings follow the first.
    PULUMI_HOME: path.join(DEV, "pulumi"),
    PULUMI_CREDENTIALS_PATH: path.join(DEV, "pulumi"),
    PULUMI_CONFIG_PASSPHRASE: DEV_PASSPHRASE,
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
  };
}

/** Makes the folders the engine expects to find. */
export function prepareDevFolders(): void {
  mkdirSync(path.join(DEV, "state"), { recursive: true });
  mkdirSync(path.join(DEV, "pulumi"), { recursive: true });
  preventLog(path.join(DEV, "pulumi"));
}

/** The stack's files in a backend that is a folder. */
export interface StackFiles {
  state: string;
  locks: string;
}

/** Where the backend keeps the stack, or undefined if it is not a folder on this machine. */
export function stackFiles(stack: string, env: NodeJS.ProcessEnv): StackFiles | undefined {
  const url = env.PULUMI_BACKEND_URL || projectBackend() || currentLogin(env);
  const folder = url === undefined ? undefined : backendFolder(url);
  if (folder === undefined) return undefined;
  const name = stack.split("/").at(-1) ?? stack;
  return {
    state: path.join(folder, ".pulumi", "stacks", PROJECT, `${name}.json`),
    locks: path.join(folder, ".pulumi", "locks", "organization", PROJECT, name),
  };
}

/** The folder of a backend URL such as `file:///srv/state` or `file://~/state`; undefined for any other kind. */
export function backendFolder(url: string): string | undefined {
  if (!url.startsWith("file://")) return undefined;
  const withoutQuery = url.replace(/\?.*$/, "");
  const location = withoutQuery.slice("file://".length);
  if (location.startsWith("~")) return path.join(os.homedir(), location.slice(1));
  if (location.startsWith("/")) return fileURLToPath(withoutQuery);
  return path.resolve(ROOT, location);
}

function projectBackend(): string | undefined {
  const project = parse(readFileSync(path.join(ROOT, "Pulumi.yaml"), "utf8")) as {
    backend?: { url?: string };
  };
  return project.backend?.url;
}

function currentLogin(env: NodeJS.ProcessEnv): string | undefined {
  const file = path.join(env.PULUMI_CREDENTIALS_PATH || pulumiHome(env), "credentials.json");
  if (!existsSync(file)) return undefined;
  return (JSON.parse(readFileSync(file, "utf8")) as { current?: string }).current;
}

/** Whether the stack's state file exists. */
export function stackExists(files: StackFiles): boolean {
  return statSync(files.state, { throwIfNoEntry: false }) !== undefined;
}
