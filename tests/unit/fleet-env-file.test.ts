import { expect, test } from "vitest";

import { renderEnvFile } from "../../fleet/index.ts";

test("sorted lines, values as they are", () => {
  expect(renderEnvFile({ B: "x y=z#1$\\'q'.", A: "", C_1: "QUJD==" })).toBe(
    "A=\nB=x y=z#1$\\'q'.\nC_1=QUJD==\n",
  );
  expect(renderEnvFile({})).toBe("");
});

test.each([
  ["a newline", "a\nB=c"],
  ["a carriage return", "a\rb"],
  ["other letters than ASCII", "schlüssel"],
  ["a blank at the end", "a "],
  ["a quote at the start", "'a"],
  ["a quote at the end", 'a"'],
  ["a comment", "a #b"],
  ["an expansion", "a${HOME}"],
  ["a placeholder", "***"],
  ["a second assignment", "abcOPENAI_API_KEY=def"],
])("%s is refused without showing the value", (_what, value) => {
  expect(() => renderEnvFile({ GOOD: "x", BAD: value })).toThrow(/"BAD" /);
  expect(() => renderEnvFile({ BAD: `canary${value}canary` })).not.toThrow(/canary/);
});

test("names are checked, and all faults come at once", () => {
  expect(() => renderEnvFile({ "A B": "x", "1C": "y", D: "a\nb" })).toThrow(/"1C".*"A B".*"D"/s);
});
