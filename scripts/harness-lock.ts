/**
 * `npm run harness-lock -- <version>`: chooses the packages of a version of the harness and writes their hashes into
 * `wizards/harness/`. `-- --fetch <version>`, or the name of a lock there, gets its wheels, to be carried to hosts.
 * Either way they are in `.cache/harness/<version>/` afterwards.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

import { lockName, parseLock } from "../fleet/harness/lock.ts";
import {
  byLock,
  downloadArguments,
  harnessRequirement,
  lockOf,
  MACHINES,
  type HarnessMachine,
} from "../toolchain/harness-wheels.ts";
import { say } from "./session.ts";
import { ROOT } from "./stack.ts";

const USAGE =
  "npm run harness-lock -- <version>, e.g. 0.19.0, writes a lock; npm run harness-lock -- --fetch <version or name of a lock> gets its wheels";

export function main(args: readonly string[]): number {
  const fetch = args[0] === "--fetch";
  const [what = "", ...more] = fetch ? args.slice(1) : args;
  const isVersion = /^\d+\.\d+\.\d+$/.test(what);
  const isLock = fetch && /^[A-Za-z0-9][A-Za-z0-9._-]*\.lock$/.test(what);
  if ((!isVersion && !isLock) || more.length > 0) {
    say(`got ${args.join(" ") || "nothing"}; allowed: ${USAGE}`);
    return 1;
  }
  const version = what.replace(/\.lock$/, "");
  const lock = path.join(ROOT, "wizards", "harness", isLock ? what : lockName(version));
  const folder = path.join(ROOT, ".cache", "harness", version);
  if (fetch && !existsSync(lock)) {
    say(`there is no ${path.relative(ROOT, lock)}; allowed: ${USAGE}`);
    return 1;
  }
  const staging = `${folder}.staged`;
  rmSync(staging, { recursive: true, force: true });
  try {
    const [first, ...others] = MACHINES;
    const parts = [download(fetch ? byLock(lock) : [harnessRequirement(version)], staging, first)];
    if (!fetch) writeFileSync(`${staging}/pins`, `${pins(lockOf(version, parts), version).join("\n")}\n`);
    const pinned = fetch ? byLock(lock) : ["--no-deps", `--requirement=${staging}/pins`];
    for (const machine of others) {
      try {
        parts.push(download(pinned, staging, machine));
      } catch {
        say(`the index does not have all of it for ${machine}: hosts with that processor are left out`);
      }
    }
    if (!fetch) {
      mkdirSync(path.dirname(lock), { recursive: true });
      writeFileSync(`${lock}.new`, lockOf(version, parts));
      renameSync(`${lock}.new`, lock);
      say(
        `${path.relative(ROOT, lock)}: ${parseLock(readFileSync(lock, "utf8"), version).packages.length} packages`,
      );
    }
    mkdirSync(folder, { recursive: true });
    for (const part of parts)
      for (const wheel of readdirSync(part)) renameSync(path.join(part, wheel), path.join(folder, wheel));
    say(`their wheels are in ${path.relative(ROOT, folder)}/`);
    return 0;
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    return 1;
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

const pins = (lock: string, version: string): string[] =>
  parseLock(lock, version).packages.map((one) => `${one.name}==${one.version}`);

function download(what: readonly string[], staging: string, machine: HarnessMachine): string {
  const folder = path.join(staging, machine);
  mkdirSync(folder, { recursive: true });
  execFileSync("python3", downloadArguments(what, folder, machine), { stdio: ["ignore", 2, 2] });
  return folder;
}
