/**
 * Pure: text that others wrote, made fit for Markdown. Names and values of a pull request are hostile: in code they are
 * no mention, no link, no HTML and no picture that tells its sender who has read it.
 */
import { escapeText } from "../messages.ts";

/** Invisible or direction-changing characters, which would let a text read as another. */
const UNSEEN = /[\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

const visible = (text: string): string =>
  escapeText(text).replace(UNSEEN, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** The longest row of backticks in the text. */
const longestRow = (text: string): number =>
  Math.max(0, ...[...text.matchAll(/`+/g)].map(([row]) => row.length));

/** One line of code within a paragraph or a list. */
export function inlineCode(text: string): string {
  const line = visible(text).replace(/\s+/g, " ").trim();
  if (line === "") return "(empty)";
  const fence = "`".repeat(longestRow(line) + 1);
  // A blank keeps a backtick at the edge from joining the fence.
  const padding = /^`|`$/.test(line) ? " " : "";
  return `${fence}${padding}${line}${padding}${fence}`;
}

/** Lines as a block of code. */
export function codeBlock(lines: readonly string[]): string {
  const text = lines.map((line) => visible(line).replaceAll("\n", " ")).join("\n");
  const fence = "`".repeat(Math.max(3, longestRow(text) + 1));
  return `${fence}text\n${text}\n${fence}`;
}

/** A part that is shown when it is asked for. The title is ours. */
export const folded = (title: string, content: string): string =>
  `<details><summary>${title}</summary>\n\n${content}\n\n</details>`;
