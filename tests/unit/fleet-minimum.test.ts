/** The least that a control house wants banned, against what a fleet bans. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { afterAll, expect, test } from "vitest";
import { stringify } from "yaml";

import { FleetError, loadFleet } from "../../fleet/index.ts";
import { minimumFindings } from "../../fleet/minimum.ts";

const fleet = loadFleet(path.join(import.meta.dirname, "..", "..", "wizards"));
const scratch = mkdtempSync(path.join(os.tmpdir(), "minimum-"));
afterAll(() => rmSync(scratch, { recursive: true }));

function findings(text: string): string[] {
  const file = path.join(scratch, "banned.yaml");
  writeFileSync(file, text);
  return minimumFindings(file, fleet);
}

test("a fleet that bans the same, or more, passes", () => {
  expect(findings(stringify(fleet.banned))).toEqual([]);
  expect(findings("[{family: anthropic, reason: policy, models: ['*claude*']}]")).toEqual([]);
  expect(findings("[]")).toEqual([]);
});

test("each pattern that the fleet does not ban is told, in whichever family it would stand", () => {
  const wanted = "[{family: acme, reason: policy, providers: [acme, anthropic], models: ['acme/*']}]";
  expect(findings(wanted)).toEqual([
    'banned: acme no longer bans providers "acme"',
    'banned: acme no longer bans models "acme/*"',
  ]);
});

test.each([
  ["no list", "family: x", /banned\.yaml.*has the wrong type[^]*a list of families/],
  ["no YAML", "[", /banned\.yaml/],
])("%s is an error that names the file", (_, text, words) => {
  expect(() => findings(text)).toThrow(FleetError);
  expect(() => findings(text)).toThrow(words);
});

test("a file that is not there is an error", () => {
  expect(() => minimumFindings(path.join(scratch, "none.yaml"), fleet)).toThrow(FleetError);
});
