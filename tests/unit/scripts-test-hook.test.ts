import { expect, it } from "vitest";

import { hookResult } from "../../scripts/test-hook.ts";

const figures = { mergeToMutation: 5.1, mergeToConfirmed: 12.3, mergeToMutationCold: 9 };
const test = (title: string, status: string) => ({ ancestorTitles: [title], status });

it("counts the attacks, and one that was skipped as failed", () => {
  const tests = [test("attack", "passed"), test("attack", "failed"), test("attack", "skipped")];
  const assertionResults = [...tests, test("a merge", "passed")];
  expect(hookResult({ testResults: [{ assertionResults }] }, figures)).toEqual({
    ...{ mergeToMutation: 5.1, mergeToConfirmed: 12.3 },
    attacks: { passed: 1, failed: 2 },
  });
});

it("is no result without a merge or without an attack", () => {
  const some = { testResults: [{ assertionResults: [test("attack", "passed")] }] };
  expect(() => hookResult(some, {})).toThrow("no merge was measured");
  expect(() => hookResult({ testResults: [] }, figures)).toThrow("no attack tried");
});
