/** Comparing facts with declared files: shared by all resources that own files. */
import { createHash } from "node:crypto";

import { digestOf, type FileContent } from "../../fleet/project-file.ts";
import { CannotLook } from "../errors.ts";
import { printable, UNSEEN_OWNER, type Fact } from "../host/facts.ts";
import type { Path, Values } from "../values.ts";

export type OwnedFile = FileContent & { mode: string; owner: string; group: string };

export function sha256(content: string): string {
  return createHash("sha256").update(content, "utf8").digest("hex");
}

/** @throws CannotLook for a fact that proves nothing */
export function proven(path: string, fact: Fact): Exclude<Fact, { kind: "unreadable" }> {
  if (fact.kind === "unreadable") throw new CannotLook(`${path}: ${fact.reason}`);
  return fact;
}

/** What stands at a place, in words. Never contents: they may hold a key somebody pasted there. */
export function words(fact: Fact): string {
  switch (fact.kind) {
    case "absent":
      return "(on the host: absent)";
    case "file":
      return `(on the host: sha256 ${fact.sha256.slice(0, 8)}…, ${fact.size} bytes)`;
    case "link":
      return `(on the host: a link to ${printable(fact.target)})`;
    case "directory":
      return "(on the host: a folder)";
    case "other":
      return `(on the host: ${fact.what})`;
    case "unreadable":
      return `(on the host: cannot be looked at, ${fact.reason})`;
  }
}

/** As {@link words} where a link is expected: a file is then called a plain file. */
export function wordsForLink(fact: Fact): string {
  return fact.kind === "file" ? "(on the host: a plain file)" : words(fact);
}

const sameOwner = (seen: string, wanted: string): boolean => seen === UNSEEN_OWNER || seen === wanted;

export function contentAgrees(fact: Fact, wanted: FileContent): boolean {
  return fact.kind === "file" && fact.sha256 === digestOf(wanted);
}

export function attributesAgree(fact: Fact, wanted: { mode: string; owner: string; group: string }): boolean {
  if (fact.kind !== "file" && fact.kind !== "directory") return false;
  return fact.mode === wanted.mode && ownerAgrees(fact, wanted);
}

export function ownerAgrees(
  fact: { owner: string; group: string },
  wanted: { owner: string; group: string },
): boolean {
  return sameOwner(fact.owner, wanted.owner) && sameOwner(fact.group, wanted.group);
}

/**
 * Puts what was found in place of what was declared, property by property.
 *
 * @param declared the entry in the inputs; a changed copy is returned, or undefined if the file is absent
 * @param at where the entry stands, for `replaced`
 */
export function observeFile(declared: Values, fact: Fact, at: Path, replaced: Path[]): Values | undefined {
  if (fact.kind === "absent") return undefined;
  const seen = { ...declared };
  if (!contentAgrees(fact, declared as unknown as OwnedFile)) {
    const said = "sha256" in declared ? "sha256" : "content";
    seen[said] = words(fact);
    replaced.push([...at, said]);
  }
  return observeAttributes(seen, fact);
}

/** As {@link observeFile} for mode and owner alone. */
export function observeAttributes(declared: Values, fact: Fact): Values {
  if (fact.kind !== "file" && fact.kind !== "directory") return declared;
  const seen = { ...declared, mode: fact.mode };
  if (fact.owner !== UNSEEN_OWNER) Object.assign(seen, { owner: fact.owner, group: fact.group });
  return seen;
}
