/**
 * `npm run prod-preview -- --stack <stack> [--pull-request <number>]`: what an update would do to the real fleet, as
 * Markdown, on the pull request as a comment. It goes by the stack's state and reaches no host, so that it needs no key to
 * any; `--look` reads the hosts too.
 *
 * With a pull request its own code runs with this stack's passphrase. That is why it wants an owner's approval of the
 * very commit, and why nothing but an operator's word starts it.
 */
import { writeFileSync } from "node:fs";
import path from "node:path";

import { EngineUnavailableError, ensureEngine } from "../toolchain/engine.ts";
import { DEFAULT_STACK, UsageError, parseArguments } from "./arguments.ts";
import { withoutLog } from "./engine-home.ts";
import { runOperation } from "./engine-run.ts";
import type { EngineEvent } from "./events.ts";
import { forgeFrom } from "./forge/access.ts";
import { ForgeError } from "./forge/client.ts";
import { keepComment } from "./forge/keep-comment.ts";
import { mergedTree, withAllOf } from "./review/checkout.ts";
import { commentOn, markerOf } from "./review/comment.ts";
import { commitOf } from "./review/git.ts";
import { approverOf, ownersFrom } from "./review/judgement.ts";
import { stackReview, type StackReview } from "./review/plan.ts";
import { hostAddresses, withoutConnections } from "./review/redact.ts";
import { say } from "./session.ts";
import { configProblems } from "./stack-config.ts";
import { ROOT, engineEnvironment } from "./stack.ts";

interface Wanted {
  stack: string;
  look: boolean;
  /** Absent for this checkout as it is. */
  pullRequest: number | undefined;
}

export async function main(args: readonly string[]): Promise<number> {
  try {
    const wanted = readArguments(args);
    const problems = configProblems(ROOT, wanted.stack, process.env);
    problems.forEach(say);
    if (problems.length > 0) return 1;
    return wanted.pullRequest === undefined
      ? conclude(await previewOf(wanted, ROOT), await commitOf(ROOT))
      : await previewPull(wanted, wanted.pullRequest);
  } catch (error) {
    const expected = [UsageError, ForgeError, EngineUnavailableError].some((kind) => error instanceof kind);
    if (!expected) throw error;
    say((error as Error).message);
    return 1;
  }
}

async function previewPull(wanted: Wanted, number: number): Promise<number> {
  const owners = ownersFrom(process.env["POLICY_OWNERS"]);
  const forge = forgeFrom(process.env);
  const { head, user } = await forge.pull(number);
  const approver = approverOf(await forge.reviews(number), head.sha, user.login, owners);
  if (approver === undefined) {
    throw new UsageError(
      `#${number} at ${head.sha} has no approving review by one of POLICY_OWNERS (${owners.join(", ") || "which names no one"}); ` +
        "its code would run with this stack's passphrase, so that somebody must have read it",
    );
  }
  const tree = await mergedTree(number, head.sha);
  if (tree === undefined) throw new UsageError(`#${number} conflicts with this branch`);
  const review = await withAllOf(tree, (checkout) => previewOf(wanted, checkout));
  const kind = `preview of ${wanted.stack}`;
  await keepComment(forge, number, markerOf(kind), commentOn({ commit: head.sha, stacks: [review] }, kind));
  return conclude(review, head.sha);
}

async function previewOf({ stack, look }: Wanted, checkout: string): Promise<StackReview> {
  const engine = await ensureEngine({
    seenFile: path.join(ROOT, "node_modules", ".cache", "pulumi-engine"),
    progress: say,
  });
  const env = withoutLog(engineEnvironment(stack, process.env));
  const options = ["--stack", stack, `--refresh=${look}`, "--non-interactive", "--color=never"];
  const run = async (
    folder: string,
    packs: readonly string[],
  ): Promise<{ code: number; events: EngineEvent[]; said: string }> => {
    let said = "";
    const judged = packs.flatMap((pack) => ["--policy-pack", path.join(pack, "policies")]);
    const call = { engine, stack, env, checkout: folder };
    const result = await runOperation(call, ["preview", ...options, ...judged], {
      onStderr: (text) => (said += text),
    });
    return { ...result, said };
  };
  // What differs without the change has drifted, which only a look at the hosts can tell.
  const before = look && checkout !== ROOT ? (await run(ROOT, [])).events : undefined;
  const { code, events, said } = await run(checkout, [...new Set([checkout, ROOT])]);
  const review = stackReview(stack, events, before);
  const failed = code !== 0 && review.code === 0;
  const message = said.trim() || `the engine ended with code ${code}`;
  const told: StackReview = failed ? { ...review, code: 1, failures: [{ house: "", message }] } : review;
  return withoutConnections(told, { ...hostAddresses(ROOT), ...hostAddresses(checkout) });
}

function conclude(review: StackReview, commit: string): number {
  const markdown = commentOn({ commit, stacks: [review] }, `preview of ${review.stack}`);
  const summary = process.env["GITHUB_STEP_SUMMARY"];
  if (summary) writeFileSync(summary, markdown, { flag: "a" });
  process.stdout.write(markdown);
  return review.code;
}

function readArguments(args: readonly string[]): Wanted {
  const { stack, rest } = parseArguments(args);
  const wanted: Wanted = { stack, look: false, pullRequest: undefined };
  for (let at = 0; at < rest.length; at++) {
    const [option, value = ""] = [rest[at], rest[at + 1]];
    if (option === "--look") wanted.look = true;
    else if (option === "--pull-request" && /^[1-9]\d{0,8}$/.test(value)) {
      wanted.pullRequest = Number(value);
      at += 1;
    } else {
      throw new UsageError(
        `got ${JSON.stringify(rest.slice(at).join(" "))}; allowed: --stack <stack>, --look, --pull-request <number>`,
      );
    }
  }
  if (stack === DEFAULT_STACK)
    throw new UsageError(`--stack is ${DEFAULT_STACK}; allowed: a stack of the real fleet, e.g. prod`);
  return wanted;
}
