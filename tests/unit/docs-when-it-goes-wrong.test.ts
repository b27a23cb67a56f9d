/** Every claim of docs/when-it-goes-wrong.md names a test; here, that there is one of that name. */
import { readFileSync } from "node:fs";
import path from "node:path";

import { describe, expect, it } from "vitest";

import { tables } from "../hosts/evidence.ts";

const ROOT = path.resolve(import.meta.dirname, "..", "..");
const TEST_FILE = /tests\/[\w./-]+\.test\.ts/;

/** Rows of the tables whose last column names tests, as `[what it says, the file]`. */
function claims(): [claim: string, file: string][] {
  return tables().flatMap(([heading, ...rows]) => {
    const [file] = TEST_FILE.exec(heading?.at(-1) ?? "") ?? [];
    if (file === undefined) return [];
    return rows.map((cells): [string, string] => {
      const claim = cells.at(-1)!;
      const [, own, words] = /^(\S+\.test\.ts)(?:: (.*))?$/.exec(claim) ?? [];
      if (own === undefined) return [claim, file];
      return [words ?? "", own.includes("/") ? own : `tests/hosts/${own}`];
    });
  });
}

/** Whether the test file has every part of the claim, as it stands there. */
function has(file: string, claim: string): boolean {
  const text = readFileSync(path.join(ROOT, file), "utf8");
  return claim.split("; ").every((part) => text.includes(part));
}

describe("docs/when-it-goes-wrong.md", () => {
  it("has claims", () => expect(claims().length).toBeGreaterThan(10));

  it.each(claims())("%s (%s)", (claim, file) => {
    expect(has(file, claim)).toBe(true);
  });

  it("would notice a claim without a test", () => {
    expect(has("tests/hosts/deadman.test.ts", "that sings is left alone")).toBe(false);
  });
});
