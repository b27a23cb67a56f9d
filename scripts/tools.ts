/** Runs the development tools of node_modules. */
import { spawn } from "node:child_process";
import os from "node:os";
import path from "node:path";

import { ROOT } from "./stack.ts";

/** Runs a tool with the terminal to itself. Returns its exit code. */
export function runTool(name: string, args: readonly string[]): Promise<number> {
  const child = spawn(path.join(ROOT, "node_modules", ".bin", name), args, { cwd: ROOT, stdio: "inherit" });
  // The tool shares our terminal and gets Ctrl-C itself; we stay for its exit code.
  process.on("SIGINT", () => undefined);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) =>
      resolve(code ?? 128 + (signal === null ? 0 : os.constants.signals[signal])),
    );
  });
}
