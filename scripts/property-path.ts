/** Property paths as the engine writes them: `files["config.yaml"].mode`, `cron["wizard-ezra"].entries[0]`. */

export type PropertyPath = readonly (string | number)[];

const PART = /\.?([^.[\]"]+)|\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]/gy;

/** Reads a path. What does not fit the syntax becomes one key, so that a report shows it unchanged. */
export function parsePropertyPath(text: string): PropertyPath {
  const parts: (string | number)[] = [];
  let read = 0;
  for (const match of text.matchAll(PART)) {
    const [whole, name, quoted, index] = match;
    parts.push(name ?? (quoted === undefined ? Number(index) : quoted.replace(/\\(.)/g, "$1")));
    read += whole.length;
  }
  return read === text.length ? parts : [text];
}

/** The value at a path, or undefined where the path leads nowhere. */
export function valueAt(value: unknown, path: PropertyPath): unknown {
  let current = value;
  for (const part of path) {
    if (typeof current !== "object" || current === null) return undefined;
    current = (current as Record<string | number, unknown>)[part];
  }
  return current;
}

/** Writes the rest of a path the way a reader knows it: `entries[0].schedule`. */
export function formatPropertyPath(path: PropertyPath): string {
  return path
    .map((part, at) => {
      if (typeof part === "number") return `[${part}]`;
      if (!/^[\w$-]+$/.test(part)) return `[${JSON.stringify(part)}]`;
      return at === 0 ? part : `.${part}`;
    })
    .join("");
}
