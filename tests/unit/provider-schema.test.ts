import { readFileSync } from "node:fs";

import ts from "typescript";
import { describe, expect, it } from "vitest";

import { resources, specs } from "../../provider/resources/index.ts";
import { packageSchema } from "../../provider/schema/package.ts";
import { checkObject, failureList } from "../../provider/schema/spec.ts";
import { types } from "../../provider/schema/types.ts";

interface Declared {
  required: string[];
  optional: string[];
}

/** Interfaces of provider/sdk.ts with their properties, including inherited ones. */
function declaredInterfaces(): Map<string, Declared> {
  const file = new URL("../../provider/sdk.ts", import.meta.url);
  const source = ts.createSourceFile("sdk.ts", readFileSync(file, "utf8"), ts.ScriptTarget.ES2022);
  const found = new Map<string, Declared>();
  for (const node of source.statements) {
    if (!ts.isInterfaceDeclaration(node)) continue;
    const members = node.members.filter(ts.isPropertySignature);
    const names = (optional: boolean) =>
      members
        .filter((m) => (m.questionToken !== undefined) === optional)
        .map((m) => (m.name as ts.Identifier).text);
    const parents = (node.heritageClauses ?? []).flatMap((clause) =>
      clause.types.map((type) => found.get((type.expression as ts.Identifier).text)!),
    );
    found.set(node.name.text, {
      required: [...parents.flatMap((p) => p.required), ...names(false)].sort(),
      optional: [...parents.flatMap((p) => p.optional), ...names(true)].sort(),
    });
  }
  return found;
}

const sdk = declaredInterfaces();
const of = (properties: string[], required: string[], computed: string[] = []): Declared => ({
  required: properties.filter((name) => required.includes(name)).sort(),
  optional: properties.filter((name) => !required.includes(name) && !computed.includes(name)).sort(),
});

describe("the schema and the TypeScript face of the provider", () => {
  it.each([
    ["host:index:Release", "ReleaseArgs"],
    ["host:index:Files", "FilesArgs"],
    ["host:index:Unit", "UnitResourceArgs"],
    ["host:index:User", "UserArgs"],
    ["host:index:Packages", "PackagesArgs"],
    ["host:index:Harnesses", "HarnessesArgs"],
    ["host:index:KeyPair", "KeyPairArgs"],
    ["host:index:HostKey", "HostKeyArgs"],
  ])("%s takes what %s declares", (token, name) => {
    const spec = specs[token]!;
    const declared = sdk.get(name)!;
    // A unit outside a house belongs to no part of one.
    const optional = declared.optional.filter(
      (property) => token !== "host:index:Unit" || property !== "part",
    );
    expect(of(Object.keys(spec.inputProperties), spec.requiredInputs)).toEqual({ ...declared, optional });
  });

  it.each([
    ["host:index:Connection", "Connection", []],
    ["host:index:File", "FileArgs", []],
    ["host:index:Link", "LinkArgs", []],
    ["host:index:Directory", "DirectoryArgs", []],
    ["host:index:Unit", "UnitArgs", ["path"]],
    ["host:index:CronFile", "CronFileArgs", ["content", "path"]],
    ["host:index:Health", "HealthArgs", []],
    ["host:index:Package", "PackageArgs", []],
    ["host:index:Harness", "HarnessArgs", ["installed"]],
  ])("type %s is what %s declares", (token, name, computed) => {
    const type = types[token]!;
    expect(of(Object.keys(type.properties), type.required, computed)).toEqual(sdk.get(name));
  });

  it("is complete: every resource and type is served, described and refers only to types there are", () => {
    const text = JSON.stringify(packageSchema("1.2.3"));
    const schema = JSON.parse(text) as {
      version: string;
      types: Record<string, { description: string; properties: Record<string, { description: string }> }>;
      resources: Record<
        string,
        { description: string; inputProperties: Record<string, { description: string }> }
      >;
    };
    expect(schema.version).toBe("1.2.3");
    expect(Object.keys(schema.resources).sort()).toEqual(Object.keys(specs).sort());
    for (const match of text.matchAll(/"\$ref":"#\/types\/([^"]+)"/g))
      expect(schema.types).toHaveProperty([match[1]!]);
    const described = [
      ...Object.values(schema.types).flatMap((type) => [type, ...Object.values(type.properties)]),
      ...Object.values(schema.resources).flatMap((r) => [r, ...Object.values(r.inputProperties)]),
    ];
    for (const item of described) expect(item.description).toMatch(/\S/);
  });
});

describe("checkObject", () => {
  const check = (values: Record<string, unknown>) => {
    const { spec } = resources["host:index:Release"]!;
    const shape = { properties: spec.inputProperties, required: spec.requiredInputs };
    return failureList(checkObject(shape, types, values as never).failures);
  };
  const good = {
    host: { name: "forge", transport: "local", root: "x" },
    house: "/srv/wizards/a",
    group: "wizard-a",
    salt: "p/s",
    files: { "config.yaml": { content: "a: 1" } },
  };

  it("takes what is right", () => expect(check(good)).toEqual([]));

  it.each<[string, object, string[]]>([
    [
      "an unknown property",
      { colour: "red" },
      ["colour is not a property here; allowed are adopt, backups, check, cron"],
    ],
    ["a missing one", { salt: undefined }, ["salt is required"]],
    ["a wrong type", { keep: "three" }, ["keep must be a whole number, not text"]],
    ["a bound", { keep: 0 }, ["keep must be at least 1, not the number 0"]],
    ["a choice", { onDestroy: "burn" }, ["onDestroy must be one of keep-home, remove-all"]],
    ["a mode", { files: { a: { content: "", mode: "640" } } }, ["files.a.mode must be four octal digits"]],
    ["a path", { house: "/srv/../etc" }, ["house must be an absolute path"]],
    ["NUL", { files: { a: { content: "\0" } } }, ["files.a.content must not contain a NUL"]],
    ["a list for a map", { files: [] }, ["files must be an object, not a list"]],
    [
      "several at once",
      { house: 1, group: "Root" },
      ["house must be text, not the number 1", "group must be an account name"],
    ],
  ])("refuses %s, saying where", (_, change, expected) => {
    const reasons = check({ ...good, ...change });
    expect(reasons).toHaveLength(expected.length);
    expected.forEach((text, index) => expect(reasons[index]).toContain(text));
  });
});
