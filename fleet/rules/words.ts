/** Splitting command lines and systemd units into words, for rules that look at what would run. */

/**
 * Words of a line as a shell or systemd would take them, quotes removed; what separates commands (`;`, `|`, `&`, brackets,
 * line breaks) separates words too. Nothing is expanded.
 */
export function shellWords(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  for (let index = 0; index < line.length; index++) {
    const char = line[index] ?? "";
    if (char === "\\" && quote !== "'") {
      word = (word ?? "") + (line[++index] ?? "");
    } else if (quote !== undefined) {
      if (char === quote) quote = undefined;
      else word = (word ?? "") + char;
    } else if (char === "'" || char === '"') {
      quote = char;
      word ??= "";
    } else if (/[\s;|&()<>`]/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? "") + char;
    }
  }
  if (word !== undefined) words.push(word);
  return words;
}

/** One `Name=value` line of a unit. */
export interface Directive {
  section: string;
  name: string;
  value: string;
}

/** Directives of a unit in order; comments are left out, continued lines joined. Names keep their case, as in systemd. */
export function unitDirectives(text: string): Directive[] {
  let section = "";
  let continued = "";
  const found: Directive[] = [];
  for (const raw of text.split(/\r?\n/)) {
    // Comments may stand between the lines of a continued one.
    if (/^\s*[#;]/.test(raw)) continue;
    const line = continued + raw.trim();
    if (line.endsWith("\\")) {
      continued = `${line.slice(0, -1)} `;
      continue;
    }
    continued = "";
    const header = /^\[([^\]]+)\]$/.exec(line);
    const assignment = /^([^=\s]+)\s*=\s*(.*)$/.exec(line);
    if (header) section = header[1] ?? "";
    else if (assignment) found.push({ section, name: assignment[1] ?? "", value: assignment[2] ?? "" });
  }
  return found;
}

/** `NAME=value` as name and value; `undefined` for any other word. */
export function assignment(word: string): [name: string, value: string] | undefined {
  const match = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(word);
  return match === null ? undefined : [match[1] ?? "", match[2] ?? ""];
}
