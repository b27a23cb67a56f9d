/** Every shell script of the project, those that reach hosts above all. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

import { describe, expect, it } from "vitest";

import { REVERTED, STOPPED, TOO_LATE, UNARMED, UNWELL } from "../../provider/host/revert.ts";
import { UNMERGED } from "../../provider/host/steps.ts";

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
    expect(shellcheck("--external-sources", ...dialect, script).stdout).toBe("");
  });
});

it("a function of the scripts that are put together for a host means one thing", () => {
  const functions = scripts
    .filter((script) => script.startsWith("provider/host/shell/"))
    // Its counterpart for live hosts takes its place.
    .filter((script) => !script.endsWith("accounts-live.sh"))
    .flatMap((script) =>
      [...readFileSync(path.join(ROOT, script), "utf8").matchAll(/^(\w+)\(\)/gm)].map(([, name]) => name),
    );
  expect(functions.length).toBeGreaterThan(50);
  expect(functions.filter((name, index) => functions.indexOf(name) !== index)).toEqual([]);
});

describe("an exit code that tells what a script has left behind", () => {
  const codes = [REVERTED, UNWELL, STOPPED, TOO_LATE, UNMERGED, UNARMED];

  it("means one thing", () => expect(new Set(codes).size).toBe(codes.length));

  it("is that of no other failure", () => {
    const said = scripts
      .filter((script) => script.startsWith("provider/host/shell/"))
      .flatMap((script) => {
        const text = readFileSync(path.join(ROOT, script), "utf8");
        const ends = text.matchAll(/\b(?:exit|return) (\d+)|\btake_lock \S+ \d+ (\d+)/g);
        return [...ends].map(([, code, locked]) => ({ script, code: Number(code ?? locked) }));
      })
      .filter(({ code }) => codes.includes(code));
    expect(said.map(({ script, code }) => `${code} ${path.basename(script)}`).sort()).toEqual([
      `${TOO_LATE} arm.sh`,
      `${UNMERGED} steps.sh`,
      `${UNARMED} arm.sh`,
    ]);
  });
});
