/** Pure: which issues a look at all houses opens, changes and closes: one for each house that has drifted. */
import * as z from "zod";

import { codeBlock, inlineCode } from "../review/markdown.ts";
import { markerOf } from "../review/comment.ts";

/** As far as issues need it, what `npm run drift -- --json` prints. */
export const driftFindings = z.object({
  exitCode: z.int(),
  drift: z.array(
    z.object({
      house: z.string(),
      aspect: z.string(),
      file: z.string(),
      property: z.string(),
      got: z.string(),
      want: z.string(),
    }),
  ),
  agents: z.array(z.object({ house: z.string(), message: z.string() })),
  unreachable: z.array(z.object({ house: z.string() })),
  visited: z.array(z.string()),
});
export type DriftFindings = z.output<typeof driftFindings>;

/** An open issue of ours. */
export interface OpenIssue {
  number: number;
  body: string;
}

export type IssueAct =
  | { do: "open"; title: string; body: string }
  | { do: "change"; number: number; body: string }
  | { do: "close"; number: number };

/** Lines of one issue, and characters of a line. */
const LINES = 200;
const LINE = 300;
const MARKER = /<!-- wizard-houses: drift of ([\w.-]+) -->/;

/** The house that an issue of ours is about; undefined for other issues. */
export const houseOfIssue = (body: string): string | undefined => MARKER.exec(body)?.[1];

/** Nothing to do where all is told already: the same look twice has no second act. */
export function issueActs(findings: DriftFindings, open: readonly OpenIssue[]): IssueAct[] {
  const wanted = new Map(driftedHouses(findings).map((house) => [house, bodyOf(house, findings)]));
  const known = new Map<string, OpenIssue>();
  const surplus: OpenIssue[] = [];
  for (const issue of open) {
    const house = houseOfIssue(issue.body);
    if (house === undefined) continue;
    if (known.has(house)) surplus.push(issue);
    else known.set(house, issue);
  }
  const acts = [...wanted].flatMap(([house, body]): IssueAct[] => {
    const issue = known.get(house);
    if (issue === undefined) return [{ do: "open", title: `Drift: ${house}`, body }];
    return issue.body.trim() === body.trim() ? [] : [{ do: "change", number: issue.number, body }];
  });
  const clean = [...known].filter(([house]) => !wanted.has(house) && isProvenClean(house, findings));
  return [
    ...acts,
    ...[...clean.map(([, issue]) => issue), ...surplus].map(({ number }): IssueAct => ({
      do: "close",
      number,
    })),
  ];
}

const driftedHouses = ({ drift, agents }: DriftFindings): string[] => [
  ...new Set([...drift, ...agents].map(({ house }) => house).filter((house) => house !== "")),
];

/** "Not told of" is not "clean": a house that nobody could look at, or that a broken run did not come to, stays open. */
function isProvenClean(house: string, { exitCode, unreachable, visited }: DriftFindings): boolean {
  if (unreachable.some((entry) => entry.house === house)) return false;
  const wentThroughAll = exitCode === 0 || exitCode === 4 || exitCode === 7;
  return wentThroughAll || visited.includes(house);
}

function bodyOf(house: string, { drift, agents }: DriftFindings): string {
  const lines = [
    ...drift.filter((entry) => entry.house === house).map(driftLine),
    ...agents.filter((entry) => entry.house === house).map(({ message }) => message),
  ];
  const shown = lines.slice(0, LINES).map((line) => (line.length > LINE ? `${line.slice(0, LINE)}…` : line));
  if (lines.length > LINES) shown.push(`… ${lines.length - LINES} more`);
  return [
    `${inlineCode(house)} is not what the program says (found → wanted):`,
    codeBlock(shown),
    "`npm run drift` tells the same, `npm run up` puts right what is the program's. This issue is closed when the house is as it should be.",
    `${markerOf(`drift of ${house}`)}\n`,
  ].join("\n\n");
}

const driftLine = ({ aspect, file, property, got, want }: DriftFindings["drift"][number]): string =>
  `${aspect}: ${[file, property].filter((part) => part !== "").join(" ")}: ${got} → ${want}`;
