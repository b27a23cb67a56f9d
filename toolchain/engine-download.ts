/** Gets the official engine, with its language hosts, through the npm package `pulumi`, within a bounded time. */
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import path from "node:path";

import type { EngineSource } from "./engine.ts";
import { VERSIONS } from "./versions.ts";

/** Milliseconds for the small first request, which tells whether the machine can reach the download at all. */
const REACHABLE_WITHIN = 5_000;
/** Milliseconds for the download itself. */
const DOWNLOADED_WITHIN = 600_000;

interface Installer {
  installCLI(
    version: string,
    root: string,
    io: { fetchText(url: string): Promise<string>; execScript(script: string, args: string[]): void },
  ): Promise<void>;
}

async function fetchText(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(REACHABLE_WITHIN) });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return await response.text();
}

export const downloadEngine: EngineSource = async (binFolder, progress) => {
  const { installCLI } = createRequire(import.meta.url)("pulumi/lib/download.js") as Installer;
  const started = Date.now();
  try {
    await installCLI(VERSIONS.pulumi, path.dirname(binFolder), {
      fetchText,
      execScript(script, args) {
        progress(`downloading the Pulumi engine ${VERSIONS.pulumi}`);
        // The script's own chatter goes to stderr: stdout belongs to the command that needs the engine.
        execFileSync("/bin/sh", [script, ...args], { stdio: ["ignore", 2, 2], timeout: DOWNLOADED_WITHIN });
      },
    });
  } catch (error) {
    return `the download failed (${error instanceof Error ? rootCause(error).message : String(error)})`;
  }
  progress(`downloaded the Pulumi engine in ${Math.round((Date.now() - started) / 1000)} s`);
  return undefined;
};

/** `fetch failed` says nothing; its innermost cause names the host and what went wrong. */
function rootCause(error: Error): Error {
  return error.cause instanceof Error ? rootCause(error.cause) : error;
}
