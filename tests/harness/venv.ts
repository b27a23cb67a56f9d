/** The real harness in a virtualenv of the checkout's cache folder, made on first use. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");

/** Version the tests run against: the one the toolchain pins. */
export const HARNESS_VERSION = (
  JSON.parse(readFileSync(join(ROOT, "toolchain/versions.json"), "utf8")) as { hermesAgent: string }
).hermesAgent;

/** The last version without a managed scope. */
export const OLD_HARNESS_VERSION = "0.16.0";

/**
 * Environment of a harness that has no release over it: it would install what a configuration or a look at it asks for, into
 * the virtualenv that all tests share.
 */
export const SEALED = { HERMES_DISABLE_LAZY_INSTALLS: "1" };

/**
 * Path of the Python of a version of the harness. `HERMES_VENV` names an existing virtualenv to use for the pinned one.
 * The stamp is written last: without it the folder is half-made, or made for something else, and is redone.
 */
export function harnessPython(version = HARNESS_VERSION): string {
  const given = process.env["HERMES_VENV"];
  if (version === HARNESS_VERSION && given !== undefined && given !== "") return join(given, "bin/python");
  const folder = join(ROOT, `.cache/hermes-${version}`);
  const stamp = join(folder, "complete");
  const requirement = `hermes-agent[messaging]==${version}`;
  const python = join(folder, "bin/python");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === requirement) return python;
  console.log(`Installing ${requirement} into ${folder}; this takes about half a minute, once.`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(ROOT, ".cache"), { recursive: true });
  execFileSync("python3", ["-m", "venv", folder], { stdio: "inherit" });
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement];
  execFileSync(python, pip, { stdio: "inherit" });
  writeFileSync(stamp, requirement);
  return python;
}
