/** Looks for values that must not be there: in text, and in every file of a folder, also where it is packed. */
import { lstatSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";

/** A value as it stands and as base64 would carry it, wherever in a longer text it begins. */
function appearances(value: string): Buffer[] {
  const inBase64 = [0, 1, 2].map((shift) => {
    const encoded = Buffer.from(`${"\0".repeat(shift)}${value}`).toString("base64");
    // The characters at both ends also depend on the neighbours.
    return encoded.slice(shift === 0 ? 0 : 4, -4);
  });
  return [value, ...inBase64].map((text) => Buffer.from(text));
}

const GZIP = Buffer.from([0x1f, 0x8b]);

function unpacked(content: Buffer): Buffer {
  return content.subarray(0, 2).equals(GZIP) ? gunzipSync(content) : content;
}

/** Which of the values appear in the text. */
export function leaksIn(content: string | Buffer, values: readonly string[]): string[] {
  const bytes = unpacked(Buffer.from(content));
  return values.filter((value) => appearances(value).some((appearance) => bytes.includes(appearance)));
}

/** Files below `folder` that hold one of the values, as paths relative to it. Links are not followed. */
export function filesWith(folder: string, values: readonly string[]): string[] {
  const found: string[] = [];
  const walk = (relative: string): void => {
    const at = path.join(folder, relative);
    const stat = lstatSync(at);
    if (stat.isDirectory()) {
      for (const name of readdirSync(at)) walk(path.join(relative, name));
    } else if (stat.isFile() && leaksIn(readFileSync(at), values).length > 0) {
      found.push(relative);
    }
  };
  walk(".");
  return found.sort();
}
