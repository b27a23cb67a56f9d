/** Builds a program from Go modules that a go.mod of ours pins and its go.sum verifies. */
import { spawn } from "node:child_process";

/** Tells the operator what takes long. One line each, without a line feed. */
export type Progress = (line: string) => void;

export interface GoProgram {
  /** For messages, e.g. `the Pulumi engine 3.250.0`. */
  title: string;
  /** The folder of go.mod and go.sum. */
  module: string;
  /** Import path of the main package. */
  main: string;
  /** For `-ldflags`, beside those that leave out debugging information. */
  ldflags: string;
  tags?: readonly string[];
  /** Whether parts of it are written in C, so that a C compiler is needed. */
  cgo?: boolean;
}

/** Milliseconds between two signs of life. */
const HEARTBEAT = 20_000;

/** Writes the program to `output`. Returns why that was not possible, or undefined when it is done. */
export async function goBuild(
  program: GoProgram,
  output: string,
  progress: Progress,
): Promise<string | undefined> {
  const started = Date.now();
  const elapsed = (): string => `${Math.round((Date.now() - started) / 1000)} s`;
  const heartbeat = setInterval(() => progress(`still building ${program.title}, ${elapsed()}`), HEARTBEAT);
  try {
    const refusal = await run(program, output, progress);
    if (refusal === undefined) progress(`built ${program.title} in ${elapsed()}`);
    return refusal;
  } finally {
    clearInterval(heartbeat);
  }
}

function run(program: GoProgram, output: string, progress: Progress): Promise<string | undefined> {
  const { title, module, main, ldflags, tags = [], cgo = false } = program;
  const go = spawn(
    "go",
    ["build", "-trimpath", "-tags", tags.join(","), "-ldflags", `-s -w ${ldflags}`, "-o", output, main],
    {
      cwd: module,
      // -mod=readonly: a build never changes what is pinned. A C compiler is asked for only where one is needed.
      env: { ...process.env, GOFLAGS: "-mod=readonly", GOWORK: "off", CGO_ENABLED: cgo ? "1" : "0" },
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
      progress(`building ${title} with Go; this happens once and takes some minutes`);
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
