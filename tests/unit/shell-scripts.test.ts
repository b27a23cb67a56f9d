/** Every shell script of the project, those that reach hosts above all. */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import path from "node:path";

import { describe, expect, it } from "vitest";

const ROOT = path.resolve(import.meta.dirname, "..", "..");
const scripts = ["components", "provider", "toolchain"]
  .flatMap((folder) =>
    readdirSync(path.join(ROOT, folder), { recursive: true, encoding: "utf8" }).map((file) =>
      path.join(folder, file),
    ),
  )
  .filter((file) => file.endsWith(".sh") || file === "provider/pulumi-resource-host")
  .concat(".ci/run")
  .sort();

const shellcheck = (...args: string[]) => spawnSync("shellcheck", args, { cwd: ROOT, encoding: "utf8" });
const installed = shellcheck("--version").error === undefined;

describe("shell scripts", () => {
  it("are found", () => expect(scripts.length).toBeGreaterThanOrEqual(8));

  it.runIf(installed).each(scripts)("%s passes shellcheck", (script) => {
    // Functions without a script around them have no shebang; they run in the host's /bin/sh.
    const dialect = script.startsWith("provider/host/") ? ["--shell=sh"] : [];
    expect(shellcheck(...dialect, script).stdout).toBe("");
  });
});
