import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { overlay } from "../../fleet/golden.ts";
import { type Layer, mergeLayers, type Tree } from "../../fleet/merge.ts";
import { parseYaml } from "../../fleet/yaml.ts";

function layer(text: string, file = "over.yaml"): Layer {
  const parsed = parseYaml(file, text);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return { ...parsed.value, value: parsed.value.value as Tree };
}

function plain(value: Tree): Layer {
  return { file: "plain.yaml", value, line: () => undefined };
}

const merge = (...values: Tree[]) => mergeLayers(values.map(plain));

describe.each([
  ["maps merge by key", "a: {x: 1, y: 2}", "a: {y: 3, z: 4}", { a: { x: 1, y: 3, z: 4 } }],
  ["scalars are replaced", "a: 1", "a: two", { a: "two" }],
  ["lists are replaced", "a: [1, 2]", "a: [3]", { a: [3] }],
  ["$append", "a: [1, 2]", "a: {$append: [2, 3, 3]}", { a: [1, 2, 3] }],
  ["$prepend", "a: [1, 2]", "a: {$prepend: [0, 1]}", { a: [0, 1, 2] }],
  ["$remove", "a: [1, {b: 2}]", "a: {$remove: [{b: 2}]}", { a: [1] }],
  ["all three", "a: [1, 2]", "a: {$remove: [1], $prepend: [0], $append: [3]}", { a: [0, 2, 3] }],
  ["$append to nothing", "{}", "a: {$append: [1]}", { a: [1] }],
  ["$unset", "a: {x: 1}\nb: 2", "a: {$unset: true}", { b: 2 }],
  ["$unset of nothing", "b: 2", "a: {$unset: true}", { b: 2 }],
  ["null gives way", "a: ~", "a: {x: 1}", { a: { x: 1 } }],
  ["a marker inside a new map", "{}", "a: {b: {$append: [1]}, c: {$unset: true}}", { a: { b: [1] } }],
])("%s", (_what, base, over, expected) => {
  test("merges", () => {
    const merged = mergeLayers([layer(base), layer(over)]);
    expect(merged.problems).toEqual([]);
    expect(merged.value).toEqual(expected);
  });
});

test.each([
  ["a map over a list", "a:\n  b: [1]", "a:\n  b: {x: 1}", "is a map, but base.yaml:2 has a list here"],
  ["a list over a map", "a:\n  b: {x: 1}", "a:\n  b: [1]", "is a list, but base.yaml:2 has a map here"],
  ["a scalar over a map", "a:\n  b: {x: 1}", "a:\n  b: 1", "is a scalar, but base.yaml:2 has a map here"],
  [
    "$append to a scalar",
    "a:\n  b: 1",
    "a:\n  b: {$append: [2]}",
    "is a list, but base.yaml:2 has a scalar here",
  ],
])("%s is a clash that names both places", (_what, base, over, message) => {
  const { problems } = mergeLayers([layer(base, "base.yaml"), layer(over)]);
  expect(problems).toMatchObject([{ file: "over.yaml", line: 2, path: "a.b", message }]);
});

test.each([
  ["an unknown marker", "a: {$add: [1]}"],
  ["a marker beside other keys", "a: {$append: [1], x: 2}"],
  ["a marker without a list", "a: {$append: 1}"],
  ["an item in two markers", "a: {$append: [1], $remove: [1]}"],
  ["$unset that is not true", "a: {$unset: false}"],
])("%s is a problem", (_what, over) => {
  expect(mergeLayers([layer("{}"), layer(over)]).problems).toMatchObject([
    { file: "over.yaml", line: 1, path: "a" },
  ]);
});

test("origin names the layer whose word counts", () => {
  const merged = mergeLayers([layer("a: {x: 1}\nl: [1]", "base.yaml"), layer("\na: {y: 2}", "over.yaml")]);
  expect(merged.origin(["a", "x"])).toEqual({ file: "base.yaml", line: 1 });
  expect(merged.origin(["a", "y"])).toEqual({ file: "over.yaml", line: 2 });
  expect(merged.origin(["l", 0])).toEqual({ file: "base.yaml", line: 2 });
  expect(merged.origin(["a", "z"])).toEqual({ file: "over.yaml", line: 2 });
});

describe("properties", () => {
  const key = fc.constantFrom("a", "b", "c", "d");
  const scalar = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constantFrom("x", "y"), fc.boolean());
  const { tree } = fc.letrec<{ tree: Tree; value: unknown }>((tie) => ({
    tree: fc.dictionary(key, tie("value"), { maxKeys: 4 }) as fc.Arbitrary<Tree>,
    value: fc.oneof({ depthSize: "small" }, scalar, fc.array(scalar, { maxLength: 3 }), tie("tree")),
  }));
  const list = fc.array(scalar, { maxLength: 3 });
  const marker = fc.oneof(
    fc
      .record({ $append: list, $prepend: list, $remove: list }, { requiredKeys: [] })
      .filter((map) => Object.keys(map).length > 0),
    fc.constant({ $unset: true }),
  );
  const overlayTree = fc.dictionary(key, fc.oneof(tree, scalar, list, marker), {
    maxKeys: 4,
  }) as fc.Arbitrary<Tree>;

  test("an overlay applied twice is an overlay applied once", () => {
    fc.assert(
      fc.property(tree, overlayTree, (base, over) => {
        const once = merge(base, over);
        fc.pre(once.problems.length === 0);
        expect(merge(base, over, over)).toMatchObject({ value: once.value, problems: [] });
      }),
    );
  });

  test("without markers and clashes, merging is associative", () => {
    fc.assert(
      fc.property(tree, tree, tree, (a, b, c) => {
        const [ab, bc] = [merge(a, b), merge(b, c)];
        const [left, right] = [merge(ab.value, c), merge(a, bc.value)];
        fc.pre([ab, bc, left, right].every(({ problems }) => problems.length === 0));
        expect(left.value).toEqual(right.value);
        expect(left.value).toEqual(merge(a, b, c).value);
      }),
    );
  });

  test("inputs are not changed", () => {
    fc.assert(
      fc.property(tree, overlayTree, (base, over) => {
        const before = structuredClone([base, over]);
        merge(base, over);
        expect([base, over]).toEqual(before);
      }),
    );
  });

  test("a golden key is never lost", () => {
    fc.assert(
      fc.property(tree, overlayTree, tree, (base, over, golden) => {
        const result = overlay(merge(base, over).value, golden);
        const check = (wanted: unknown, got: unknown): void => {
          if (typeof wanted !== "object" || wanted === null || Array.isArray(wanted))
            return expect(got).toEqual(wanted);
          for (const [name, inner] of Object.entries(wanted)) check(inner, (got as Tree)[name]);
        };
        check(golden, result);
      }),
    );
  });
});
