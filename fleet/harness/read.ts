/** From what `harness:` says in fleet.yaml or a house.yaml to the harness of a house, with its lock where there is one. */
import type { Harness } from "../model.ts";
import { type Path, type Problem, valueProblem } from "../problem.ts";
import type { HarnessData } from "../schema.ts";
import { type DataFile, type DataFolder, placeOf, readText } from "../yaml.ts";
import { knownHarnessVersions } from "./facts.ts";
import { harnessFolder, lockName, parseLock } from "./lock.ts";

/** The harness of a house; undefined where something is wrong with it, which is then among the problems. */
export function readHarness(
  folder: DataFolder,
  source: DataFile,
  { version, venv, lock }: HarnessData,
  problems: Problem[],
): Harness | undefined {
  const report = (path: Path, message: string, value: unknown, allowed: string): undefined =>
    void problems.push(valueProblem(placeOf(source, ["harness", ...path]), message, value, allowed));
  const versions = knownHarnessVersions();
  if (!versions.includes(version))
    return report(["version"], "is no harness version this program knows", version, versions.join(", "));
  if (venv !== undefined) {
    if (lock === undefined) return { version, venv };
    return report(
      ["lock"],
      "goes with a harness that is installed, not with one at venv",
      lock,
      "venv or lock",
    );
  }
  const name = `harness/${lock ?? lockName(version)}`;
  const read = readText(folder, name);
  if (!read.ok) {
    problems.push(...read.problems.map((problem) => ({ ...problem, allowed: MADE_BY })));
    return undefined;
  }
  const found = parseLock(read.value, version).problems;
  problems.push(
    ...found.map(({ line, message, value, allowed }): Problem =>
      valueProblem({ file: `${folder.label}/${name}`, line, path: [] }, message, value, allowed),
    ),
  );
  return found.length > 0
    ? undefined
    : { version, venv: harnessFolder(version, read.value), lock: read.value };
}

const MADE_BY =
  "a lock made by: npm run harness-lock -- <version>; or venv:, where the harness is on the host already";
