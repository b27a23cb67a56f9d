/** What each row of a table in docs/when-it-goes-wrong.md rests on: printed as it is found, and compared with the page. */
import { readFileSync } from "node:fs";
import path from "node:path";

import { expect } from "vitest";

const PAGE = path.resolve(import.meta.dirname, "..", "..", "docs", "when-it-goes-wrong.md");

export interface Found {
  /** The release in force in the end. */
  release: string;
  /** The exit code of the command that was interrupted; null if a signal ended it. */
  code: number | null;
  /** What the host wrote about it; empty if nothing happened there that anybody would have to be told. */
  line: string;
}

/** The page's tables, each as rows of cells without marks, the heading first. */
export function tables(page = readFileSync(PAGE, "utf8")): string[][][] {
  return page.split(/\n(?!\|)/).flatMap((block) => {
    const lines = block.split("\n").filter((line) => line.startsWith("|"));
    if (lines.length === 0) return [];
    const cells = lines.map((line) =>
      line
        .slice(1, -1)
        .split("|")
        .map((cell) => cell.trim().replaceAll("`", "")),
    );
    return [cells.filter((_, at) => at !== 1)];
  });
}

export class Evidence {
  readonly #column: string;
  readonly #cells = new Map<string, string>();

  /** @param column heading of the table's column that says what is in force in the end */
  constructor(column: string) {
    this.#column = column;
  }

  /** @param cell what the page says in that column */
  row(name: string, cell: string, { release, code, line }: Found): void {
    this.#cells.set(name, cell);
    const words = line === "" ? "" : `, "${line}"`;
    console.log(`${this.#column}, ${name}: ${cell}, release ${release}, exit ${code}${words}`);
  }

  /** The page has exactly these rows, and says the same of each. */
  compare(): void {
    const table = tables().find(([heading]) => heading?.includes(this.#column));
    expect(table, `a table with the column ${this.#column}`).toBeDefined();
    const [heading, ...rows] = table!;
    const column = heading!.indexOf(this.#column);
    expect(rows.map((cells) => [cells[0], cells[column]])).toEqual([...this.#cells]);
  }
}
