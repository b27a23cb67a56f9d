import { expect, test } from "vitest";

import { mergeParts } from "../../components/part.ts";

test("parts become one, every entry with its part's name", () => {
  const merged = mergeParts([
    {
      name: "one",
      files: { a: { content: "1" } },
      links: { "home/a": { target: "a" } },
      directories: { home: {} },
    },
    {
      name: "two",
      files: { b: { content: "2" } },
      units: { "b.service": { content: "u" } },
      cron: { c: { entries: [] } },
    },
  ]);
  expect(merged).toEqual({
    traces: [],
    files: { a: { content: "1", part: "one" }, b: { content: "2", part: "two" } },
    links: { "home/a": { target: "a", part: "one" } },
    directories: { home: { part: "one" } },
    units: { "b.service": { content: "u", part: "two" } },
    cron: { c: { entries: [], part: "two" } },
  });
});

test("names of Object.prototype are names like any other", () => {
  expect(Object.keys(mergeParts([{ name: "one", files: { constructor: { content: "" } } }]).files)).toEqual([
    "constructor",
  ]);
});

test("two parts that claim the same names are refused, all clashes at once, with both parts' names", () => {
  const unit = { units: { "x.service": { content: "" } } };
  const clash = () =>
    mergeParts([
      { name: "one", files: { a: { content: "1" } }, cron: { c: { entries: [] } }, ...unit },
      { name: "two", files: { a: { content: "1" } }, cron: { c: { entries: [] } } },
      { name: "three", ...unit },
    ]);
  expect(clash).toThrow(
    'file "a" comes from both one and two; unit "x.service" comes from both one and three; ' +
      'cron file "c" comes from both one and two',
  );
});
