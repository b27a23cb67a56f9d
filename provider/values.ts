/**
 * Property values between Pulumi's wire format (google.protobuf.Struct with marker objects) and plain JavaScript.
 *
 * A decoded value holds no wrappers: secrets are plain inside, and the places where they stood are returned beside
 * the value, so that whatever is sent back is wrapped again at the same places. Unknown values (at preview) become
 * the symbol {@link UNKNOWN}.
 */
import structpb from "google-protobuf/google/protobuf/struct_pb.js";

/** A value that is not known yet because the resource it comes from does not exist yet. */
export const UNKNOWN: unique symbol = Symbol("unknown");

export type Value = null | boolean | number | string | typeof UNKNOWN | Value[] | Values;
/** An object whose properties are values. */
export interface Values {
  [key: string]: Value;
}

/** Whether anything in a value is not known yet. */
export const hasUnknown = (value: Value): boolean =>
  value === UNKNOWN || (typeof value === "object" && value !== null && Object.values(value).some(hasUnknown));

/** Keys (of objects) and indices (of arrays) from the root to a value. */
export type Path = (string | number)[];

export interface Decoded {
  values: Values;
  /** Where secrets stand; a path covers everything below it. */
  secrets: Path[];
}

// Markers of Pulumi's property protocol (sdk/proto, "Property value sentinels").
const SIGNATURE_KEY = "4dabf18193072939515e22adb298388d";
const SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270";
const OUTPUT_SIGNATURE = "d0e6a833031e9bbcd3f4e8bde6ca49a4";
const UNKNOWN_MARKERS = new Set([
  "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
  "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
  "030794c1-ac77-496b-92df-f27374a8bd58",
  "e48ece36-62e2-4504-bad9-02848725956a",
  "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
]);
const UNKNOWN_STRING = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

function decode(json: Json, path: Path, secrets: Path[]): Value {
  if (typeof json === "string") return UNKNOWN_MARKERS.has(json) ? UNKNOWN : json;
  if (Array.isArray(json)) return json.map((item, index) => decode(item, [...path, index], secrets));
  if (json === null || typeof json !== "object") return json;
  const signature = json[SIGNATURE_KEY];
  if (signature === SECRET_SIGNATURE) {
    secrets.push(path);
    return decode(json["value"] ?? null, path, secrets);
  }
  if (signature === OUTPUT_SIGNATURE) {
    if (json["secret"] === true) secrets.push(path);
    return "value" in json ? decode(json["value"] ?? null, path, secrets) : UNKNOWN;
  }
  if (signature !== undefined) {
    throw new Error(
      `${formatPath(path)}: assets, archives and resource references are not accepted; give text`,
    );
  }
  const values: Values = {};
  for (const [key, item] of Object.entries(json)) values[key] = decode(item, [...path, key], secrets);
  return values;
}

/** Reads a request's properties; an absent struct is an empty object. */
export function decodeStruct(struct: structpb.Struct | undefined): Decoded {
  const secrets: Path[] = [];
  const values = decode((struct?.toJavaScript() ?? {}) as Json, [], secrets) as Values;
  return { values, secrets };
}

function encode(value: Value, path: Path, isSecret: (path: Path) => boolean): Json {
  if (isSecret(path)) {
    return { [SIGNATURE_KEY]: SECRET_SIGNATURE, value: encode(value, path, () => false) };
  }
  if (value === UNKNOWN) return UNKNOWN_STRING;
  if (Array.isArray(value)) return value.map((item, index) => encode(item, [...path, index], isSecret));
  if (value === null || typeof value !== "object") return value;
  const json: { [key: string]: Json } = {};
  for (const [key, item] of Object.entries(value)) json[key] = encode(item, [...path, key], isSecret);
  return json;
}

/** Makes a response's properties, with secrets wrapped again where they stood. Paths that no longer exist are ignored. */
export function encodeStruct(values: Values, secrets: Path[] = []): structpb.Struct {
  const places = new Set(secrets.map((path) => JSON.stringify(path)));
  const json = encode(values, [], (path) => places.has(JSON.stringify(path)));
  return structpb.Struct.fromJavaScript(json as Record<string, structpb.JavaScriptValue>);
}

/** A path as Pulumi writes it in diffs and errors: `files["config.yaml"].mode`, `groups[0]`. */
export function formatPath(path: Path): string {
  return path
    .map((part, index) => {
      if (typeof part === "number") return `[${part}]`;
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(part)) return `[${JSON.stringify(part)}]`;
      return index === 0 ? part : `.${part}`;
    })
    .join("");
}
