/** Splitting command lines and systemd units into words, for rules that look at what would run. */

/**
 * Commands of a line as a shell would take them, each in words with their quotes removed. What separates commands (`;`,
 * `|`, `&`, brackets, back quotes, line breaks) separates them here, and redirections do too. Nothing is expanded.
 */
export function shellCommands(line: string): string[][] {
  const commands: string[][] = [[]];
  let word: string | undefined;
  let quote: string | undefined;
  const endWord = (): void => {
    if (word !== undefined) commands.at(-1)?.push(word);
    word = undefined;
  };
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
      endWord();
      if (!/[ \t]/.test(char)) commands.push([]);
    } else {
      word = (word ?? "") + char;
    }
  }
  endWord();
  return commands.filter((command) => command.length > 0);
}

/** Words of all commands of a line, and so of a line that is but a list of words. */
export function shellWords(line: string): string[] {
  return shellCommands(line).flat();
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
