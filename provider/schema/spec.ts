/**
 * The part of Pulumi's package schema that this provider uses, and a checker that enforces it.
 *
 * One description of each resource serves both `getSchema` and `check`, so the two cannot disagree.
 */
import { formatPath, UNKNOWN, type Path, type Value, type Values } from "../values.ts";

export interface TypeSpec {
  type?: "string" | "boolean" | "integer" | "array" | "object";
  $ref?: string;
  items?: TypeSpec;
  additionalProperties?: TypeSpec;
}

export interface PropertySpec extends TypeSpec {
  description: string;
  default?: string | boolean | number;
  /** Allowed values of a string. Pulumi's schema wants enums as named types; here they serve the check and the text. */
  enum?: string[];
  /** Regular expression a string must match, and how to say it. */
  pattern?: { expression: RegExp; words: string };
  minimum?: number;
  secret?: boolean;
}

export interface ObjectSpec {
  description: string;
  properties: Record<string, PropertySpec>;
  required: string[];
}

export interface ResourceSpec {
  description: string;
  inputProperties: Record<string, PropertySpec>;
  requiredInputs: string[];
  /** Outputs beside the inputs. */
  properties: Record<string, PropertySpec>;
}

export interface Failure {
  path: Path;
  reason: string;
}

function describe(value: Value): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  if (typeof value === "string") return "text";
  return `the ${typeof value} ${String(value)}`;
}

const WORDS = {
  string: "text",
  boolean: "true or false",
  integer: "a whole number",
  array: "a list",
  object: "an object",
};

/** Checks values against a spec: unknown and missing properties, types, bounds; fills in defaults. All failures at once. */
export function checkObject(
  spec: Pick<ObjectSpec, "properties" | "required">,
  types: Record<string, ObjectSpec>,
  values: Values,
  path: Path = [],
): { values: Values; failures: Failure[] } {
  const failures: Failure[] = [];
  const checked: Values = {};
  for (const key of Object.keys(values)) {
    if (key in spec.properties) continue;
    const allowed = Object.keys(spec.properties).sort().join(", ");
    failures.push({ path: [...path, key], reason: `is not a property here; allowed are ${allowed}` });
  }
  for (const [key, property] of Object.entries(spec.properties)) {
    const value = values[key];
    if (value === undefined || value === null) {
      if (property.default !== undefined) checked[key] = property.default;
      else if (spec.required.includes(key)) failures.push({ path: [...path, key], reason: "is required" });
      continue;
    }
    checked[key] = checkValue(property, types, value, [...path, key], failures);
  }
  return { values: checked, failures };
}

function checkValue(
  spec: TypeSpec & Partial<PropertySpec>,
  types: Record<string, ObjectSpec>,
  value: Value,
  path: Path,
  failures: Failure[],
): Value {
  if (value === UNKNOWN) return value;
  const wrong = (wanted: string): Value => {
    failures.push({ path, reason: `must be ${wanted}, not ${describe(value)}` });
    return value;
  };
  if (spec.$ref !== undefined) {
    const type = types[spec.$ref.replace("#/types/", "")];
    if (!type) throw new Error(`no type ${spec.$ref}`);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return wrong("an object");
    const result = checkObject(type, types, value, path);
    failures.push(...result.failures);
    return result.values;
  }
  switch (spec.type) {
    case "array":
      if (!Array.isArray(value)) return wrong(WORDS.array);
      return value.map((item, index) => checkValue(spec.items!, types, item, [...path, index], failures));
    case "object": {
      if (typeof value !== "object" || value === null || Array.isArray(value)) return wrong(WORDS.object);
      const entries = Object.entries(value).map(([key, item]): [string, Value] => [
        key,
        checkValue(spec.additionalProperties!, types, item, [...path, key], failures),
      ]);
      return Object.fromEntries(entries);
    }
    case "integer":
      if (typeof value !== "number" || !Number.isInteger(value)) return wrong(WORDS.integer);
      if (spec.minimum !== undefined && value < spec.minimum) return wrong(`at least ${spec.minimum}`);
      return value;
    case "boolean":
      return typeof value === "boolean" ? value : wrong(WORDS.boolean);
    case "string":
      if (typeof value !== "string") return wrong(WORDS.string);
      if (value.includes("\0")) failures.push({ path, reason: "must not contain a NUL character" });
      if (spec.enum && !spec.enum.includes(value)) {
        failures.push({ path, reason: `must be one of ${spec.enum.join(", ")}` });
      }
      if (spec.pattern && !spec.pattern.expression.test(value)) {
        failures.push({ path, reason: `must be ${spec.pattern.words}` });
      }
      return value;
    case undefined:
      break;
  }
  throw new Error(`${formatPath(path)} has neither type nor $ref in the schema`);
}

/** Failures in words, each with its place. */
export function failureList(failures: Failure[]): string[] {
  return failures.map(({ path, reason }) => `${formatPath(path)} ${reason}`);
}
