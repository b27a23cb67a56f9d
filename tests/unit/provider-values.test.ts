import fc from "fast-check";
import { describe, expect, it } from "vitest";

import structpb from "google-protobuf/google/protobuf/struct_pb.js";

import { decodeStruct, encodeStruct, formatPath, UNKNOWN, type Values } from "../../provider/values.ts";

const SIGNATURE = "4dabf18193072939515e22adb298388d";
const secret = (value: unknown) => ({ [SIGNATURE]: "1b47061264138c4ac30d75fd1eb44270", value });
const struct = (json: Record<string, unknown>) =>
  structpb.Struct.fromJavaScript(json as Record<string, structpb.JavaScriptValue>);

describe("property values", () => {
  it("takes secrets out of their wrappers and says where they stood", () => {
    const { values, secrets } = decodeStruct(
      struct({ files: { ".env": { content: secret("KEY=1"), mode: "0640" } } }),
    );
    expect(values).toEqual({ files: { ".env": { content: "KEY=1", mode: "0640" } } });
    expect(secrets).toEqual([["files", ".env", "content"]]);
  });

  it("wraps them again at the same places", () => {
    const given = { a: secret("x"), list: [1, secret({ deep: true })], plain: "y" };
    const { values, secrets } = decodeStruct(struct(given));
    expect(encodeStruct(values, secrets).toJavaScript()).toEqual(given);
  });

  it("reads outputs of the newer wire form", () => {
    const output = { [SIGNATURE]: "d0e6a833031e9bbcd3f4e8bde6ca49a4", secret: true, value: "x" };
    const unknown = { [SIGNATURE]: "d0e6a833031e9bbcd3f4e8bde6ca49a4" };
    const { values, secrets } = decodeStruct(struct({ output, unknown }));
    expect(values).toEqual({ output: "x", unknown: UNKNOWN });
    expect(secrets).toEqual([["output"]]);
  });

  it("keeps unknown values apart from text", () => {
    const { values } = decodeStruct(struct({ a: "04da6b54-80e4-46f7-96ec-b56ff0331ba9" }));
    expect(values["a"]).toBe(UNKNOWN);
    expect(encodeStruct(values).toJavaScript()).toEqual({ a: "04da6b54-80e4-46f7-96ec-b56ff0331ba9" });
  });

  it("refuses assets, naming the place", () => {
    const asset = { [SIGNATURE]: "c44067f5952c0a294b673a41bacd8c17", text: "x" };
    expect(() => decodeStruct(struct({ files: { "a.txt": { content: asset } } }))).toThrow(
      'files["a.txt"].content',
    );
  });

  it("loses nothing on the way there and back", () => {
    const json = fc.jsonValue({ maxDepth: 4 }).filter((value) => !JSON.stringify(value).includes(SIGNATURE));
    fc.assert(
      fc.property(fc.dictionary(fc.string(), json, { noNullPrototype: true }), (values) => {
        const clean = JSON.parse(JSON.stringify(values)) as Values;
        if ("__proto__" in values) return;
        expect(decodeStruct(encodeStruct(clean)).values).toEqual(clean);
      }),
    );
  });
});

describe("formatPath", () => {
  it.each([
    [["files", "config.yaml", "mode"], 'files["config.yaml"].mode'],
    [["groups", 0], "groups[0]"],
    [["host", "name"], "host.name"],
    [["a b"], '["a b"]'],
  ])("writes %j as %s", (path, text) => expect(formatPath(path)).toBe(text));
});
