/** Pure: whether a pull request loosens what is allowed, and whether somebody who may has approved that. */
import type { Review as Approval } from "../forge/client.ts";

/** What decides what is allowed, or tells about it: whoever changes it could let anything through. */
const RULES =
  /^(\.github|\.gitea|policies|fleet\/rules|scripts\/review|scripts\/forge)\/|^(fleet\/banned\.ts|scripts\/judge\.ts|scripts\/review\.ts|Pulumi\.yaml)$/;
/** The fleet's data; everything else that is not prose is code. */
const DATA = /^wizards\//;
const PROSE = /^docs\/|^[^/]+\.md$/;

export interface ChangedFiles {
  data: string[];
  rules: string[];
  /** The rules' files included. */
  code: string[];
}

export function sorted(files: readonly string[]): ChangedFiles {
  return {
    data: files.filter((file) => DATA.test(file)),
    rules: files.filter((file) => RULES.test(file)),
    code: files.filter((file) => !DATA.test(file) && !PROSE.test(file)),
  };
}

const APPROVED = "APPROVED";
/** States that say nothing about approval. */
const REMARKS = new Set(["COMMENT", "COMMENTED", "PENDING", "REQUEST_REVIEW"]);

/** The first of the owners whose last word is an approval of this very commit; nobody approves what is their own. */
export function approverOf(
  reviews: readonly Approval[],
  commit: string,
  author: string,
  owners: readonly string[],
): string | undefined {
  const last = new Map<string, Approval>();
  for (const review of reviews) {
    const name = review.user?.login.toLowerCase();
    if (name !== undefined && !REMARKS.has(review.state)) last.set(name, review);
  }
  return owners.find((owner) => {
    const review = last.get(owner.toLowerCase());
    return (
      review?.state === APPROVED &&
      review.dismissed !== true &&
      review.commit_id === commit &&
      owner.toLowerCase() !== author.toLowerCase()
    );
  });
}

/** Names from the variable `POLICY_OWNERS`, parted by blanks or commas. */
export const ownersFrom = (text: string | undefined): string[] =>
  (text ?? "").split(/[\s,]+/).filter((name) => /^[\w.-]+$/.test(name));
