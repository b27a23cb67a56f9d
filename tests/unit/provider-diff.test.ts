import { describe, expect, it } from "vitest";

import { changes } from "../../provider/diff.ts";
import { formatPath, UNKNOWN, type Values } from "../../provider/values.ts";

const said = (old: Values, wanted: Values) =>
  changes(old, wanted).map(({ path, kind }) => `${kind} ${formatPath(path)}`);

describe("changes", () => {
  it.each<[string, Values, Values, string[]]>([
    ["nothing", { a: { b: [1, 2] } }, { a: { b: [1, 2] } }, []],
    ["one property", { a: { b: 1, c: 2 } }, { a: { b: 1, c: 3 } }, ["update a.c"]],
    ["an added file", { files: {} }, { files: { "a.b": { mode: "0640" } } }, ['add files["a.b"]']],
    ["a removed file", { files: { x: { mode: "0640" } } }, { files: {} }, ["delete files.x"]],
    ["a list as one change", { l: [1, 2, 3] }, { l: [1, 3] }, ["update l"]],
    ["a map in place of text", { a: "x" }, { a: { b: "x" } }, ["update a"]],
    ["an unknown value", { a: "x" }, { a: UNKNOWN }, ["update a"]],
    ["an unknown value that was not there", {}, { a: UNKNOWN }, ["add a"]],
    ["null as a value", { a: null }, { a: "x" }, ["update a"]],
  ])("finds %s", (_, old, wanted, expected) => expect(said(old, wanted)).toEqual(expected));
});
