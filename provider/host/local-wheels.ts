/** Wheels in a folder of this machine, chosen by a lock: those that are to be carried to a host. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

import { normalName, type Locked } from "../../fleet/harness/lock.ts";
import { Conflict } from "../errors.ts";
import { STORED_WHEEL } from "./harness-facts.ts";

export interface Wheel {
  /** Where it is on this machine; undefined where the host has it already. */
  file?: string;
  name: string;
  sha256: string;
  bytes: number;
}

/** Problems that are told by name; the rest is counted. */
const TOLD = 5;

const sha256 = (content: Buffer): string => createHash("sha256").update(content).digest("hex");

/** Whether a wheel's name says that it is this package's, and of use on that processor. */
function fits(name: string, { name: wanted, version }: Locked, machine: string): boolean {
  const [project = "", of, ...tags] = name.replace(/\.whl$/, "").split("-");
  if (normalName(project) !== wanted || of !== version) return false;
  const platforms = (tags.at(-1) ?? "").split(".");
  return platforms.some((platform) => platform === "any" || platform.endsWith(`_${machine}`));
}

/**
 * A wheel for each package, taken from the host's own where it has one.
 *
 * @param stored names of the wheels on the host
 * @param machine the host's processor, e.g. `x86_64`
 * @throws Conflict that names every package whose wheel is missing or is not the one of the lock
 */
export function chooseWheels(
  folder: string,
  packages: readonly Locked[],
  stored: ReadonlySet<string>,
  machine: string,
): Wheel[] {
  const there = [...stored].map((one) => STORED_WHEEL.exec(one)!).map(([, sha, name]) => ({ sha, name }));
  let here: string[] | undefined;
  const problems: string[] = [];
  const wheels = packages.flatMap((wanted): Wheel[] => {
    const has = there.find(({ sha, name }) => wanted.hashes.includes(sha!) && fits(name!, wanted, machine));
    if (has) return [{ name: has.name!, sha256: has.sha!, bytes: 0 }];
    here ??= listed(folder);
    const candidates = here.filter((name) => fits(name, wanted, machine));
    const what = `${wanted.name} ${wanted.version}`;
    for (const name of candidates) {
      const content = readFileSync(path.join(folder, name));
      const sum = sha256(content);
      if (wanted.hashes.includes(sum))
        return [{ file: path.join(folder, name), name, sha256: sum, bytes: content.length }];
      problems.push(`${name} (${what}) is not the wheel of the lock: its sha256 is ${sum}`);
    }
    if (candidates.length === 0) problems.push(`there is no wheel of ${what} for ${machine}`);
    return [];
  });
  if (problems.length === 0) return wheels;
  const told = problems.slice(0, TOLD).join("; ");
  const rest = problems.length > TOLD ? `; ${problems.length - TOLD} more` : "";
  throw new Conflict(
    `the wheels in ${folder} are not those of the lock: ${told}${rest}. Nothing was changed. ` +
      "npm run harness-lock -- --fetch <version or name of a lock> gets them",
  );
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith(".whl"));
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new Conflict(`the folder of wheels ${folder} cannot be read (${reason}). Nothing was changed`);
  }
}
