/** Takes secrets out of what a host says, e.g. out of the last lines of a unit's journal, before anybody reads it. */
import { HIDDEN, hideKnownSecrets } from "../fleet/redact.ts";
import type { Path, Value, Values } from "./values.ts";

/** Shorter values, such as `true` or a port, are words that stand everywhere; hiding them would hide the message. */
const SHORTEST = 6;
/** No key is an address, but settings beside keys are. */
const ADDRESS = /^\d{1,3}(\.\d{1,3}){3}$/;

function valueAt(values: Values, path: Path): Value | undefined {
  let at: Value | undefined = values;
  for (const step of path) {
    if (typeof at !== "object" || at === null) return undefined;
    at = (at as Values)[step];
  }
  return at;
}

/** The texts in a value: whole lines, and what stands behind `NAME=` in the lines of an env file, without quotes. */
function texts(value: Value | undefined): string[] {
  if (typeof value === "string") {
    return value.split("\n").flatMap((line) => {
      const assigned = /^[A-Za-z_][A-Za-z0-9_]*=(.*)$/.exec(line)?.[1];
      if (assigned === undefined) return [line.trim()];
      return [assigned, assigned.replace(/^(["'])(.*)\1$/, "$2")];
    });
  }
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(texts) : [];
}

/**
 * The message without the secrets of a resource and without what looks like a vendor's key.
 *
 * @param values the resource's inputs
 * @param secrets where secrets stand in them
 */
export function hideSecrets(message: string, values: Values, secrets: Path[]): string {
  const hidden = secrets.flatMap((path) => texts(valueAt(values, path)));
  const longestFirst = [...new Set(hidden)].sort((a, b) => b.length - a.length);
  let text = message;
  for (const secret of longestFirst)
    if (secret.length >= SHORTEST && !ADDRESS.test(secret)) text = text.replaceAll(secret, HIDDEN);
  return hideKnownSecrets(text);
}
