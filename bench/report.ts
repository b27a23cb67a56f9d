/** A bench's result in words: tables for the terminal and for the README. Pure. */
import { CASES, TOOLS, type CaseName, type ToolName } from "./options.ts";
import type { Profile } from "./profile.ts";
import type { ByCase, Result } from "./result.ts";

const GIBIBYTE = 2 ** 30;

/** The tables for a terminal. */
export function textReport(result: Result): string {
  const what = whatWasMeasured(result);
  const tables = sections(result).map(
    ({ title, rows }) => `${title}\n${aligned([["", ...toolsOf(result)], ...rows])}`,
  );
  const goals = result.goals.map(
    ({ goal, reached, met }) => `  ${met ? "met " : "MISS"}  ${goal}: ${reached}`,
  );
  return [
    what,
    ...tables,
    ...(goals.length > 0 ? [`Goals\n${goals.join("\n")}`] : []),
    ...Object.entries(result.raw.profiles).map(([name, one]) => `Our own ${name}\n${profileText(one)}`),
    ...(result.failures.length > 0 ? [`Failures\n${result.failures.join("\n")}`] : []),
  ].join("\n\n");
}

/** The tables for the README, with everything needed to repeat them. */
export function markdownReport(result: Result): string {
  const { workplace, versions } = result;
  const named = TOOLS.flatMap((tool) =>
    versions[tool] === undefined ? [] : `${tool}: ${versions[tool]}`,
  ).join("; ");
  const place =
    `${workplace.cores} cores (${workplace.cpu}), ${(workplace.memory / GIBIBYTE).toFixed(0)} GiB, ` +
    `Linux ${workplace.kernel}, Node.js ${workplace.node}`;
  const header = ["", ...toolsOf(result)];
  const tables = sections(result).map(({ title, rows }) =>
    [
      `**${title}**`,
      "",
      markdownRow(header),
      markdownRow(header.map((_, index) => (index === 0 ? "---" : "---:"))),
      ...rows.map(markdownRow),
    ].join("\n"),
  );
  const goals = result.goals.map(
    ({ goal, reached, met }) => `- ${met ? "met" : "**missed**"}: ${goal}: ${reached}`,
  );
  return [
    `${whatWasMeasured(result)}; ${result.date.slice(0, 10)}.`,
    ...tables,
    ...(goals.length > 0 ? [`Goals:\n\n${goals.join("\n")}`] : []),
    `Measured on ${place}, which also ran all machines. Versions: ${named}.`,
    `To repeat: \`npm run bench -- ${result.arguments.join(" ")}\`.`,
    "",
  ].join("\n\n");
}

function whatWasMeasured({ houses, machines, runs, fewer }: Result): string {
  const less = Object.entries(fewer).map(([tool, times]) => ` (${tool}: ${times})`);
  return `${houses} houses on ${machines} machines, ${runs} timed runs of each tool${less.join("")}, taking turns`;
}

function profileText({ moments, processor }: Profile): string {
  const timeline = moments.map(({ at, what }) => `${at.toFixed(2).padStart(8)} s  ${what}`);
  const used = Object.entries(processor).sort(([, a], [, b]) => b - a);
  return [
    ...timeline,
    "processor seconds of the processes",
    ...used.map(([kind, seconds]) => `${seconds.toFixed(2).padStart(8)} s  ${kind}`),
  ].join("\n");
}

interface Section {
  title: string;
  /** A row per case: its name, then a cell per tool. */
  rows: string[][];
}

function sections(result: Result): Section[] {
  const tools = toolsOf(result);
  const rows = (figures: ByCase, words: (value: number) => string): string[][] =>
    casesOf(figures).map((name) => [
      name,
      ...tools.map((tool) => {
        const value = figures[name]?.[tool] ?? null;
        return value === null ? "–" : words(value);
      }),
    ]);
  const ratios = casesOf(result.cases).map((name) => [
    name,
    ...tools.map((tool) => {
      const [mine, value] = [result.cases[name]?.ours ?? null, result.cases[name]?.[tool] ?? null];
      return mine === null || value === null ? "–" : `${(value / mine).toFixed(1)}x`;
    }),
  ]);
  const all: Section[] = [
    { title: "Seconds, median", rows: rows(result.cases, (value) => value.toFixed(2)) },
    { title: "Times our own", rows: result.versions.ours === undefined ? [] : ratios },
    {
      title: "Processor seconds on the operator's side",
      rows: rows(result.processor, (value) => value.toFixed(2)),
    },
    { title: "SSH connections", rows: rows(result.connections, (value) => value.toFixed(0)) },
    { title: "Commands over them", rows: rows(result.sessions, (value) => value.toFixed(0)) },
    {
      title: "Kilobytes on the wire, both ways",
      rows: rows(result.bytes, (value) => (value / 1e3).toFixed(0)),
    },
    {
      title: "Megabytes of memory at the peak, all processes (PSS)",
      rows: rows(result.memory, (value) => (value / 1e6).toFixed(0)),
    },
  ];
  return all.filter((section) => section.rows.length > 0);
}

const toolsOf = ({ versions }: Result): ToolName[] => TOOLS.filter((tool) => versions[tool] !== undefined);
const casesOf = (figures: ByCase): CaseName[] => CASES.filter((name) => figures[name] !== undefined);

const markdownRow = (cells: string[]): string => `| ${cells.join(" | ")} |`;

/** The first column to the left, the others to the right. */
function aligned(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]! + 3)))
        .join(""),
    )
    .join("\n");
}
