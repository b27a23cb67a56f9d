/**
 * `npm run judge [-- <number> …]`: comments on pull requests what they change for the houses, and sets the status that
 * says whether they may go in. Without a number all that are open for this checkout's branch.
 *
 * Runs on the base branch's checkout and runs nothing of a pull request: its data is taken into a copy of this checkout,
 * so that this token is in nobody else's reach.
 */
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

import * as z from "zod";

import { FleetError } from "../fleet/index.ts";
import { loadRulebook } from "../fleet/load.ts";
import { loosenings } from "../fleet/rules/loosening.ts";
import { count } from "./messages.ts";
import { UsageError } from "./arguments.ts";
import { forgeFrom } from "./forge/access.ts";
import { ForgeError, type Forge, type Pull } from "./forge/client.ts";
import { keepComment, ownComment } from "./forge/keep-comment.ts";
import { commentOn, markerOf, type Judgement } from "./review/comment.ts";
import { mergedTree, withDataOf } from "./review/checkout.ts";
import { commitOf, git } from "./review/git.ts";
import { approverOf, ownersFrom, sorted } from "./review/judgement.ts";
import type { StackReview } from "./review/plan.ts";
import { say } from "./session.ts";
import { ROOT } from "./stack.ts";

const KIND = "review";
/** The status to be required for the branch that deploys. */
export const CONTEXT = "wizard-houses/review";

export async function main(args: readonly string[]): Promise<number> {
  try {
    const wrong = args.find((argument) => !/^[1-9]\d{0,8}$/.test(argument));
    if (wrong !== undefined)
      throw new UsageError(`got ${JSON.stringify(wrong)}; allowed: numbers of pull requests`);
    const owners = ownersFrom(process.env["POLICY_OWNERS"]);
    const forge = forgeFrom(process.env);
    const branch = process.env["GITHUB_REF_NAME"] || (await git(ROOT, "rev-parse", "--abbrev-ref", "HEAD"));
    const pulls =
      args.length > 0
        ? await Promise.all(args.map((number) => forge.pull(Number(number))))
        : await forge.openPulls();
    let failed = 0;
    for (const pull of pulls.filter(({ base }) => base.ref === branch)) {
      // One that cannot be judged keeps nobody from judging the others.
      try {
        await judge(forge, pull, owners);
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        failed += 1;
        say(`#${pull.number}: ${error.message}`);
      }
    }
    return failed === 0 ? 0 : 1;
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof ForgeError)) throw error;
    say(error.message);
    return 1;
  }
}

async function judge(forge: Forge, pull: Pull, owners: readonly string[]): Promise<void> {
  const { number } = pull;
  const commit = pull.head.sha;
  const base = await commitOf(ROOT);
  const approvedBy = approverOf(await forge.reviews(number), commit, pull.user.login, owners);
  // What a comment was made of: as long as that is the same, so is the comment.
  const key = markerOf(
    `of ${commit} on ${base} approved by ${approvedBy ?? "nobody"} of ${owners.join(",")}`,
  );
  if ((await ownComment(forge, number, markerOf(KIND)))?.body?.includes(key)) return;
  await forge.setStatus(commit, { state: "pending", context: CONTEXT, description: "being looked at" });
  const { comment, problems } = await judged(pull, owners, approvedBy);
  await keepComment(forge, number, markerOf(KIND), `${comment}${key}\n`);
  await forge.setStatus(commit, {
    state: problems.length === 0 ? "success" : "failure",
    context: CONTEXT,
    description: problems.length === 0 ? "nothing stands against it" : problems.join("; ").slice(0, 140),
  });
  say(`#${number}: ${problems.length === 0 ? "nothing stands against it" : problems.join("; ")}`);
}

interface Judged {
  comment: string;
  /** Why it may not go in; without anything that it says itself. */
  problems: string[];
}

async function judged(
  { number, head }: Pull,
  owners: readonly string[],
  approvedBy: string | undefined,
): Promise<Judged> {
  const tree = await mergedTree(number, head.sha);
  if (tree === undefined) {
    const problems = ["it conflicts with the base branch"];
    return { comment: commentOn({ commit: head.sha, problems, stacks: [] }, KIND), problems };
  }
  const changed = await git(ROOT, "diff", "--name-only", "-z", "--no-renames", "HEAD", tree);
  const files = sorted(changed.split("\0").filter((file) => file !== ""));
  return await withDataOf(tree, async (checkout) => {
    const stacks = await reviewOf(checkout);
    const judgement: Judgement = {
      loosenings: looserIn(checkout),
      ruleFiles: files.rules,
      codeFiles: files.code,
      approvedBy,
      owners,
    };
    const looser = judgement.loosenings.length + judgement.ruleFiles.length;
    const broken = stacks.filter(({ code }) => code !== 0).map(({ stack }) => stack);
    const problems = [
      ...(looser > 0 && approvedBy === undefined
        ? [`${count(looser, "loosening")} that no owner has approved`]
        : []),
      // Its own code may make more of its data than the base branch's can; the check that runs it is what counts then.
      ...(broken.length > 0 && files.code.length === 0
        ? [`the preview fails for ${broken.join(" and ")}`]
        : []),
    ];
    return { comment: commentOn({ commit: head.sha, stacks, judgement }, KIND), problems };
  });
}

/** What `npm run review` writes; read strictly, since it has gone through a file. */
const stackReviews = z.array(z.looseObject({ stack: z.string(), code: z.int() }));

/** Runs `npm run review` there, in a process of its own: the program is loaded from there. */
async function reviewOf(checkout: string): Promise<StackReview[]> {
  const json = path.join(checkout, "..", "review.json");
  const argv = [path.join("scripts", "run.mjs"), "review", "--base", ROOT, "--json", json];
  const env = { ...process.env };
  delete env["GITHUB_STEP_SUMMARY"];
  const said = await new Promise<string>((resolve) => {
    // Its exit code tells of violations, which the review holds; without a review it is what it said that counts.
    execFile(
      process.execPath,
      argv,
      { cwd: checkout, env, maxBuffer: 64 * 1024 * 1024 },
      (_error, _out, stderr) => resolve(stderr),
    );
  });
  if (!existsSync(json)) throw new Error(`the review failed: ${said.trim()}`);
  return stackReviews.parse(JSON.parse(readFileSync(json, "utf8"))) as unknown as StackReview[];
}

function looserIn(checkout: string): string[] {
  try {
    return loosenings(loadRulebook(path.join(ROOT, "wizards")), loadRulebook(path.join(checkout, "wizards")));
  } catch (error) {
    if (!(error instanceof FleetError)) throw error;
    return ["its rules cannot be read by the base branch's code, so that nobody knows what they allow"];
  }
}
