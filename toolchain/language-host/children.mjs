/** The Node.js processes the language host started, so that none outlives it. */
import { spawn } from "node:child_process";

const running = new Set();

/** Starts Node.js with piped stdout and stderr. `options`: `{cwd, env}`. */
export function startNode(argv, options) {
  const child = spawn(process.execPath, argv, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  child.on("close", () => running.delete(child));
  return child;
}

/** Kills what still runs. At once: the engine is gone or has given up, so nobody reads what they would still say. */
export function stopAll() {
  for (const child of running) child.kill("SIGKILL");
}
