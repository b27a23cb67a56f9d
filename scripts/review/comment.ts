/** Pure: a review as the Markdown of a comment: what matters first, details folded, bounded in size. */
import { count } from "../messages.ts";
import { codeBlock, folded, inlineCode } from "./markdown.ts";
import type { HousePlan, StackReview } from "./plan.ts";

/** What makes a pull request one that somebody has to look at before it may go in. */
export interface Judgement {
  /** What it allows that the base branch does not; each a line. */
  loosenings: string[];
  /** Files of the rules themselves, and of what checks them, that it changes. */
  ruleFiles: string[];
  /** Files beside the fleet's data that it changes. */
  codeFiles: string[];
  /** Who has approved exactly this commit and may; undefined while nobody has. */
  approvedBy: string | undefined;
  /** Who may. */
  owners: readonly string[];
}

export interface Review {
  /** The commit that was looked at. */
  commit: string;
  stacks: StackReview[];
  /** Why nothing could be looked at; in our own words. */
  problems?: readonly string[];
  /** Absent for what is no pull request. */
  judgement?: Judgement;
}

/** Longest comment: GitHub takes 65536 characters. */
const LONGEST = 60_000;
/** Lines of one folded part, and characters of a line. */
const LINES = 200;
const LINE = 300;
/** Houses that are listed one by one. */
const HOUSES = 40;
/** Names of files in a line. */
const NAMES = 6;

/** By this an earlier comment of the same kind is found. At the end, so that what matters is the first line. */
export const markerOf = (kind: string): string => `<!-- wizard-houses: ${kind} -->`;

/** @param kind which of the comments on one pull request it is, e.g. `review` */
export function commentOn(review: Review, kind: string): string {
  const tail = `Commit ${inlineCode(review.commit.slice(0, 12))}.\n\n${markerOf(kind)}\n`;
  const parts = [
    ...judgementLines(review.judgement),
    (review.problems ?? []).join("; "),
    summaryOf(review),
    ...review.stacks.map(stackPart),
  ].filter((part) => part !== "");
  return `${bounded(parts, LONGEST - tail.length - 100)}\n\n${tail}`;
}

/** Whole parts, as many as fit: half a part could open a block that nothing closes. */
function bounded(parts: readonly string[], longest: number): string {
  const kept: string[] = [];
  let length = 0;
  for (const part of parts) {
    if (length + part.length > longest)
      return [...kept, "More than fits here: see the log of the run."].join("\n\n");
    kept.push(part);
    length += part.length + 2;
  }
  return kept.join("\n\n");
}

/** What is looser comes first, before anything else can be read. */
function judgementLines(judgement: Judgement | undefined): string[] {
  if (!judgement) return [];
  const { loosenings, ruleFiles, codeFiles, approvedBy, owners } = judgement;
  const looser = [
    ...loosenings,
    ...ruleFiles.map((file) => `changes ${file}, which decides what is allowed`),
  ];
  const code =
    codeFiles.length === 0
      ? []
      : [
          `This also changes ${count(codeFiles.length, "file")} of code. Below is what the base branch's code makes of the ` +
            "data; what the new code makes of it is in the log of the check that runs it, without any secret.",
          folded("files of code", codeBlock(clipped(codeFiles))),
        ];
  if (looser.length === 0) return code;
  const state =
    approvedBy !== undefined
      ? `Approved by ${inlineCode(approvedBy)}.`
      : owners.length === 0
        ? "Nobody may approve it: the variable `POLICY_OWNERS` of this repository names no one."
        : `Not approved: it needs an approving review of this very commit by ${owners.map(inlineCode).join(" or ")}.`;
  const [first = "", ...rest] = looser;
  return [
    `**Looser than the base branch:** ${inlineCode(cut(first))}${rest.length === 0 ? "" : ` and ${rest.length} more`}`,
    state,
    ...(rest.length === 0 ? [] : [codeBlock(clipped(looser))]),
    ...code,
  ];
}

function summaryOf({ stacks }: Review): string {
  return stacks.map((stack) => `- ${inlineCode(stack.stack)}: ${headline(stack)}`).join("\n");
}

function headline({ plans, drift, unreachable, policy, failures, agents }: StackReview): string {
  const restarts = plans.reduce((sum, plan) => sum + plan.restarts.length, 0);
  return [
    plans.length === 0
      ? "no house changes"
      : `**${count(plans.length, "change of a house or host", "changes of houses and hosts")}**`,
    restarts === 0 ? "no restart" : `${count(restarts, "restart")} to expect`,
    policy.length === 0 ? "policies hold" : `**${count(policy.length, "policy violation")}**`,
    drift.length === 0 ? "no drift" : `${count(drift.length, "drifted property", "drifted properties")}`,
    ...(unreachable.length === 0 ? [] : [`${count(unreachable.length, "house")} that cannot be looked at`]),
    ...(agents.length === 0 ? [] : [`${count(agents.length, "finding")} in what agents keep`]),
    ...(failures.length === 0 ? [] : [`**${count(failures.length, "error")}**`]),
  ].join(", ");
}

function stackPart(review: StackReview): string {
  const { plans, details, drift, unreachable, policy, failures, agents } = review;
  const told = (entries: readonly { house: string; message: string }[]): string[] =>
    entries.map(({ house, message }) => [house, message].filter((part) => part !== "").join(": "));
  const parts = [
    ...plans.slice(0, HOUSES).map(planLine),
    ...(plans.length > HOUSES ? [`- and ${plans.length - HOUSES} more`] : []),
  ];
  const lists: [title: string, lines: string[], open: boolean][] = [
    ["policy violations", told(policy), true],
    ["errors", told(failures), true],
    ["cannot be looked at", [...unreachable], true],
    ["in what agents keep", told(agents), false],
    ["drift", drift.map(driftLine), false],
    ["every property", details.map(driftLine), false],
  ];
  const shown = lists.flatMap(([title, lines, open]) => {
    if (lines.length === 0) return [];
    const block = codeBlock(clipped(lines));
    return [open ? `${title}:\n\n${block}` : folded(`${title} (${lines.length})`, block)];
  });
  if (parts.length === 0 && shown.length === 0) return "";
  return [`### ${inlineCode(review.stack)}`, parts.join("\n"), ...shown]
    .filter((part) => part !== "")
    .join("\n\n");
}

function planLine({ house, change, names, restarts }: HousePlan): string {
  const more = names.length > NAMES ? ` and ${names.length - NAMES} more` : "";
  const what =
    names.length === 0
      ? ""
      : `: ${names
          .slice(0, NAMES)
          .map((name) => inlineCode(cut(name)))
          .join(", ")}${more}`;
  const restart =
    restarts.length === 0 ? "" : `; restarts ${restarts.map((unit) => inlineCode(cut(unit))).join(", ")}`;
  return `- ${inlineCode(cut(house))} ${change}${what}${restart}`;
}

const driftLine = ({ house, aspect, file, property, got, want }: StackReview["details"][number]): string =>
  `${house}: ${aspect}: ${[file, property].filter((part) => part !== "").join(" ")}: ${got} → ${want}`;

const cut = (text: string): string => (text.length > LINE ? `${text.slice(0, LINE)}…` : text);

const clipped = (lines: readonly string[]): string[] => [
  ...lines.slice(0, LINES).map(cut),
  ...(lines.length > LINES ? [`… ${lines.length - LINES} more`] : []),
];
