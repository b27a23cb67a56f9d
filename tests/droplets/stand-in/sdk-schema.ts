/** What a resource takes and gives, read from the declarations of its SDK: the stand-in has no types of its own. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

import ts from "typescript";

import type { ObjectSpec, PropertySpec, ResourceSpec, TypeSpec } from "../../../provider/schema/spec.ts";

export interface SdkResource {
  spec: ResourceSpec;
  /** Types that inputs refer to, by `<package>:<name>`. */
  types: Record<string, ObjectSpec>;
}

const require = createRequire(import.meta.url);

/** @param file declarations in the package, e.g. `droplet.d.ts` @param name of the resource's class, e.g. `Droplet` */
export function sdkResource(packageName: string, file: string, name: string): SdkResource {
  const root = path.dirname(require.resolve(`${packageName}/package.json`));
  const source = parse(path.join(root, file));
  const nested = namespaces(parse(path.join(root, "types/input.d.ts")));
  const types: Record<string, ObjectSpec> = {};
  const args = find(source.statements, ts.isInterfaceDeclaration, `${name}Args`);
  const type = find(source.statements, ts.isClassDeclaration, name);
  const { properties, required } = objectOf(args, nested, types);
  const outputs = type.members.filter(ts.isPropertyDeclaration).map((member) => nameOf(member));
  return {
    spec: {
      description: name,
      inputProperties: properties,
      requiredInputs: required,
      properties: Object.fromEntries(
        outputs
          .filter((output) => !output.startsWith("__"))
          .map((output) => [output, { type: "string", description: output }]),
      ),
    },
    types,
  };
}

const parse = (file: string): ts.SourceFile =>
  ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.ES2022);

type Interfaces = Map<string, ts.InterfaceDeclaration>;

/** Interfaces of `types/input.d.ts` by name, those of a namespace as `remote.ConnectionArgs`. */
function namespaces(source: ts.SourceFile): Interfaces {
  const found: Interfaces = new Map();
  const walk = (statements: readonly ts.Statement[], prefix: string): void => {
    for (const node of statements) {
      if (ts.isInterfaceDeclaration(node)) found.set(`${prefix}${node.name.text}`, node);
      if (ts.isModuleDeclaration(node) && node.body && ts.isModuleBlock(node.body))
        walk(node.body.statements, `${prefix}${node.name.text}.`);
    }
  };
  walk(source.statements, "");
  return found;
}

function find<Node extends ts.InterfaceDeclaration | ts.ClassDeclaration>(
  statements: readonly ts.Statement[],
  is: (node: ts.Node) => node is Node,
  name: string,
): Node {
  const found = statements.find((node): node is Node & ts.Statement => is(node) && node.name?.text === name);
  if (!found) throw new Error(`the SDK declares no ${name}`);
  return found;
}

const nameOf = (member: ts.PropertySignature | ts.PropertyDeclaration): string =>
  (member.name as ts.Identifier).text;

function objectOf(
  node: ts.InterfaceDeclaration,
  nested: Interfaces,
  types: Record<string, ObjectSpec>,
): { properties: Record<string, PropertySpec>; required: string[] } {
  const members = node.members.filter(ts.isPropertySignature);
  const known = members.flatMap((member) => {
    const type = member.type && typeOf(member.type, nested, types);
    return type ? [[nameOf(member), { ...type, description: nameOf(member) }] as const] : [];
  });
  const required = members.filter((member) => !member.questionToken).map(nameOf);
  return { properties: Object.fromEntries(known), required };
}

/** Undefined for `any`, of which nothing can be checked; such a property is refused. */
function typeOf(
  node: ts.TypeNode,
  nested: Interfaces,
  types: Record<string, ObjectSpec>,
): TypeSpec | undefined {
  if (ts.isArrayTypeNode(node)) {
    const items = typeOf(node.elementType, nested, types);
    return items && { type: "array", items };
  }
  if (ts.isUnionTypeNode(node)) {
    // Enumerations of an SDK are suggestions: the text beside them is what counts.
    const parts = node.types.filter((part) => part.kind !== ts.SyntaxKind.UndefinedKeyword);
    return typeOf(parts[0]!, nested, types);
  }
  if (ts.isTypeLiteralNode(node)) {
    const [member] = node.members;
    const values = member && ts.isIndexSignatureDeclaration(member) && typeOf(member.type, nested, types);
    return values ? { type: "object", additionalProperties: values } : undefined;
  }
  if (ts.isTypeReferenceNode(node)) return referenceOf(node, nested, types);
  const plain: Partial<Record<ts.SyntaxKind, TypeSpec["type"]>> = {
    [ts.SyntaxKind.StringKeyword]: "string",
    [ts.SyntaxKind.BooleanKeyword]: "boolean",
    // Every number that these SDKs take is a whole one.
    [ts.SyntaxKind.NumberKeyword]: "integer",
  };
  const type = plain[node.kind];
  return type && { type };
}

function referenceOf(
  node: ts.TypeReferenceNode,
  nested: Interfaces,
  types: Record<string, ObjectSpec>,
): TypeSpec | undefined {
  const words = dotted(node.typeName);
  if (words === "pulumi.Input") return typeOf(node.typeArguments![0]!, nested, types);
  if (words.startsWith("enums.")) return { type: "string" };
  const name = words.replace(/^inputs\./, "");
  const declared = nested.get(name);
  if (!declared) throw new Error(`the SDK declares no ${words}`);
  if (!types[name]) {
    types[name] = { description: name, properties: {}, required: [] };
    Object.assign(types[name], objectOf(declared, nested, types));
  }
  return { $ref: `#/types/${name}` };
}

const dotted = (name: ts.EntityName): string =>
  ts.isIdentifier(name) ? name.text : `${dotted(name.left)}.${name.right.text}`;
