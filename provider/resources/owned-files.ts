/** Files at fixed places outside any house: taking them into possession, keeping them right, giving them back. Pure. */
import { contentOf } from "../../fleet/project-file.ts";
import { Conflict } from "../errors.ts";
import { factOf, type Facts } from "../host/facts.ts";
import type { Step } from "../host/steps.ts";
import type { Failure } from "../schema/spec.ts";
import type { Values } from "../values.ts";
import { attributesAgree, contentAgrees, proven, words, type OwnedFile } from "./observed.ts";
import { displacedName } from "./release/layout.ts";
import { SYSTEM_DISPLACED } from "./system.ts";

export type FileMap = Record<string, OwnedFile>;

const keep = (path: string) => ({ keep: SYSTEM_DISPLACED, name: displacedName(path) });
const parent = (path: string): string => path.slice(0, path.lastIndexOf("/")) || "/";

/** The entries under `files` that say what a file holds in no way, or in two. */
export function contentFailures(files: Values): Failure[] {
  return Object.entries(files).flatMap(([path, file]) => {
    if (typeof file !== "object" || file === null || Array.isArray(file)) return [];
    const said = ["content", "source", "sha256"].filter((key) => file[key] !== undefined).join(", ");
    if (said === "content" || said === "source, sha256") return [];
    const reason = `says what it holds by ${said || "nothing"}; allowed: content alone, or source and sha256`;
    return [{ path: ["files", path], reason }];
  });
}

/**
 * Steps that bring files to where they should be.
 *
 * @param old what this resource put there before: these may be repaired and, where no longer wanted, are removed
 * @throws Conflict for files that are there, differ and are not ours, unless `adopt`
 */
export function bringFiles(wanted: FileMap, old: FileMap, facts: Facts, adopt: boolean): Step[] {
  const steps: Step[] = [];
  const inTheWay: string[] = [];
  for (const [path, file] of Object.entries(wanted)) {
    const fact = proven(path, factOf(facts, path));
    const agrees = contentAgrees(fact, file);
    if (agrees && attributesAgree(fact, file)) continue;
    const mine = path in old;
    if (fact.kind !== "absent" && !agrees && !mine && !adopt) inTheWay.push(`${path} ${words(fact)}`);
    if (agrees) {
      const { mode, owner, group } = file;
      steps.push({ do: "attributes", path, mode, owner, group });
      continue;
    }
    const { mode, owner, group } = file;
    // A changed file of ours is put right; whatever was never ours is kept.
    if (fact.kind !== "absent" && (!mine || fact.kind !== "file"))
      steps.push({ do: "displace", path, ...keep(path) });
    steps.push(
      { do: "ensure-folder", path: parent(path) },
      { do: "file", path, mode, owner, group, ...contentOf(file) },
    );
  }
  if (inTheWay.length > 0) {
    throw new Conflict(
      `exists and was not made by this stack: ${inTheWay.join("; ")}. Nothing was changed. Move it away, or set adopt: true to take it over (what stands there is kept under ${SYSTEM_DISPLACED})`,
    );
  }
  const dropped = Object.fromEntries(Object.entries(old).filter(([path]) => !(path in wanted)));
  return [...steps, ...giveBackFiles(dropped, facts)];
}

/** Steps that remove files that are still as we made them, and put back what adoption moved away. */
export function giveBackFiles(files: FileMap, facts: Facts): Step[] {
  return Object.entries(files).flatMap(([path, file]): Step[] => {
    const fact = proven(path, factOf(facts, path));
    if (fact.kind !== "absent" && !contentAgrees(fact, file)) return [];
    return [
      { do: "remove", path },
      { do: "restore", path, ...keep(path) },
    ];
  });
}
