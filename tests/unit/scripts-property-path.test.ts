import { describe, expect, it } from "vitest";

import { formatPropertyPath, parsePropertyPath, valueAt } from "../../scripts/property-path.ts";

describe("property paths", () => {
  it.each([
    ["release", ["release"]],
    ["host.name", ["host", "name"]],
    [`files["config.yaml"].mode`, ["files", "config.yaml", "mode"]],
    [`files["a\\"b"]`, ["files", 'a"b']],
    [`cron["wizard-ezra"].entries[0].argv[2]`, ["cron", "wizard-ezra", "entries", 0, "argv", 2]],
    [`not [a path`, ["not [a path"]],
  ])("parses %s", (text, parts) => {
    expect(parsePropertyPath(text)).toEqual(parts);
  });

  it("reads values, and undefined where there is none", () => {
    const value = { a: [{ "b.c": 1 }], d: null };
    expect(valueAt(value, ["a", 0, "b.c"])).toBe(1);
    expect(valueAt(value, ["d", "e"])).toBeUndefined();
    expect(valueAt(value, ["x", "y"])).toBeUndefined();
  });

  it("writes what a reader knows", () => {
    expect(formatPropertyPath(["entries", 0, "argv", "a b"])).toBe(`entries[0].argv["a b"]`);
  });
});
