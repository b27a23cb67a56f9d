/** Builds the engine from the Go modules that `engine/go.mod` pins and `engine/go.sum` verifies. */
import { spawn } from "node:child_process";
import path from "node:path";

import type { EngineSource, Progress } from "./engine.ts";
import { VERSIONS } from "./versions.ts";

const MODULE = path.join(import.meta.dirname, "engine");
const VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version";
/** Milliseconds between two signs of life. */
const HEARTBEAT = 20_000;

export const buildEngine: EngineSource = async (binFolder, progress) => {
  const started = Date.now();
  const elapsed = (): string => `${Math.round((Date.now() - started) / 1000)} s`;
  const heartbeat = setInterval(() => progress(`still building the Pulumi engine, ${elapsed()}`), HEARTBEAT);
  try {
    const refusal = await goBuild(path.join(binFolder, "pulumi"), progress);
    if (refusal === undefined) progress(`built the Pulumi engine in ${elapsed()}`);
    return refusal;
  } finally {
    clearInterval(heartbeat);
  }
};

function goBuild(output: string, progress: Progress): Promise<string | undefined> {
  const flags = `-s -w -X ${VERSION_VARIABLE}=v${VERSIONS.pulumi}`;
  const go = spawn(
    "go",
    ["build", "-trimpath", "-ldflags", flags, "-o", output, "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"],
    {
      cwd: MODULE,
      // -mod=readonly: a build never changes what is pinned. CGO is not needed, and a C compiler is not asked for.
      env: { ...process.env, GOFLAGS: "-mod=readonly", GOWORK: "off", CGO_ENABLED: "0" },
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  // The last lines are the reason; everything before is modules being downloaded.
  let tail = "";
  go.stderr.setEncoding("utf8").on("data", (text: string) => {
    tail = (tail + text).slice(-2000);
  });
  return new Promise((resolve) => {
    go.on("spawn", () => {
      progress(
        `building the Pulumi engine ${VERSIONS.pulumi} with Go; this happens once and takes some minutes`,
      );
    });
    go.on("error", (error: NodeJS.ErrnoException) => {
      resolve(error.code === "ENOENT" ? "Go is not installed" : `Go cannot be started (${error.message})`);
    });
    go.on("close", (code, signal) => {
      if (code === 0) {
        resolve(undefined);
        return;
      }
      progress(tail.trimEnd());
      resolve(`the build with Go failed (${signal ?? `exit code ${code}`}, its last lines are above)`);
    });
  });
}
