/** Every case of the rule `banned-provider` at the level of its functions, by name. */
import { describe, expect, test } from "vitest";

import * as banned from "../../fleet/banned.ts";
import * as names from "../../fleet/rules/banned-names.ts";
import * as words from "../../fleet/rules/words.ts";
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
