/** Every case of the rule `banned-provider` at the level of its functions, by name. */
import { describe, expect, test } from "vitest";

import * as banned from "../../fleet/banned.ts";
import * as names from "../../fleet/rules/banned-names.ts";
import * as words from "../../fleet/rules/words.ts";
import { fingerprint } from "../mutation/files.ts";
import { mutantsOf, mutated } from "../mutation/mutants.ts";
import score from "../mutation/score.json" with { type: "json" };
import { failures, TABLES } from "./policies-banned-cases.ts";

const subject = { ...banned, ...names, ...words };

describe.each(Object.entries(TABLES))("%s", (_, { judge, cases }) => {
  test.each(cases.map(([input, expected]) => ({ input: input as unknown, expected })))(
    "$input is $expected",
    ({ input, expected }) => expect(judge(subject, input as never)).toBe(expected),
  );
});

test("the function that the mutation run asks finds a failure where there is one", () => {
  expect(failures(subject)).toEqual([]);
  expect(failures({ ...subject, bannedKey: () => undefined }).length).toBeGreaterThan(0);
});

describe("the mutation run", () => {
  test("its score is of this code: npx tsx tests/mutation/run.ts", () => {
    expect(score.of).toBe(fingerprint());
  });

  test("it noticed nine of ten mutants, and each survivor is explained", () => {
    expect(score.score).toBeGreaterThanOrEqual(0.9);
    expect(score.survivors).toHaveLength(score.survived);
    expect(score.survivors.filter(({ why }) => why === "")).toEqual([]);
  });

  test("it makes mutants", () => {
    const text = `const x = a === 1 && /^(?:b|c)$/i.test(y) ? "t" : [z];`;
    const made = mutantsOf(text).map((mutant) => mutated(text, mutant));
    for (const one of [
      "a !== 1",
      "a === 2",
      "a === 1 || ",
      "(?:c)",
      "/(?:b|c)$/i",
      "/^(?:b|c)$/.",
      '""',
      "[]",
      '= ("t");',
    ])
      expect(
        made.some((other) => other.includes(one)),
        one,
      ).toBe(true);
    expect(new Set(made).size).toBe(made.length);
  });
});
