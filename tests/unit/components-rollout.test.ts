import { expect, test } from "vitest";

import { rolloutOrder } from "../../components/rollout.ts";

const houses = ["a", "b", "c", "d"];

test("serial: each waits for the one before", () => {
  expect(rolloutOrder("serial", houses)).toEqual({ a: [], b: ["a"], c: ["b"], d: ["c"] });
});

test("canary: the first alone, the others one after another", () => {
  expect(rolloutOrder("canary", houses)).toEqual({ a: [], b: ["a"], c: ["b"], d: ["c"] });
});

test("canary with the rest in parallel: all wait for the first and for nothing else", () => {
  expect(rolloutOrder("canary", houses, "parallel")).toEqual({ a: [], b: ["a"], c: ["a"], d: ["a"] });
});

test("what follows a canary means nothing without one", () => {
  expect(rolloutOrder("serial", houses, "parallel")).toEqual(rolloutOrder("serial", houses));
});

test("parallel: no house waits", () => {
  expect(rolloutOrder("parallel", houses)).toEqual({ a: [], b: [], c: [], d: [] });
});

test.each(["canary", "serial", "parallel"] as const)("%s of one house, and of none", (rollout) => {
  expect(rolloutOrder(rollout, ["a"])).toEqual({ a: [] });
  expect(rolloutOrder(rollout, [])).toEqual({});
});
