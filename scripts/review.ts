/**
 * `npm run review -- --base <checkout>`: what this checkout changes for the houses, compared with the base branch's, and
 * what the policy packs of both say, on stacks that need no host, no login and no key. Prints Markdown.
 */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

import { EngineUnavailableError, ensureEngine } from "../toolchain/engine.ts";
import { UsageError } from "./arguments.ts";
import { ensurePackages } from "./install.mjs";
import { commentOn } from "./review/comment.ts";
import { commitOf } from "./review/git.ts";
import { hostAddresses, withoutConnections } from "./review/redact.ts";
import { BaseFailed, reviewStacks } from "./review/stacks.ts";
import { say } from "./session.ts";
import { ROOT } from "./stack.ts";

export async function main(args: readonly string[]): Promise<number> {
  try {
    const { base, json } = readArguments(args);
    await ensurePackages(base, say);
    const engine = await ensureEngine({
      seenFile: path.join(ROOT, "node_modules", ".cache", "pulumi-engine"),
      progress: say,
    });
    const hosts = { ...hostAddresses(base), ...hostAddresses(ROOT) };
    const stacks = (await reviewStacks(engine, { base, head: ROOT })).map((stack) =>
      withoutConnections(stack, hosts),
    );
    if (json !== undefined) writeFileSync(json, JSON.stringify(stacks));
    const markdown = commentOn({ commit: await commitOf(ROOT), stacks }, "review");
    const summary = process.env["GITHUB_STEP_SUMMARY"];
    if (summary) writeFileSync(summary, markdown, { flag: "a" });
    process.stdout.write(markdown);
    return Math.max(...stacks.map(({ code }) => code));
  } catch (error) {
    if (!(
      error instanceof UsageError ||
      error instanceof BaseFailed ||
      error instanceof EngineUnavailableError
    ))
      throw error;
    say(error.message);
    return 1;
  }
}

interface ReviewArguments {
  base: string;
  /** Where the review goes as data. */
  json: string | undefined;
}

function readArguments(args: readonly string[]): ReviewArguments {
  const read = { base: undefined as string | undefined, json: undefined as string | undefined };
  for (let at = 0; at < args.length; at += 2) {
    const [option, value] = [args[at] ?? "", args[at + 1]];
    if ((option !== "--base" && option !== "--json") || value === undefined) {
      const got = [option, ...(value === undefined ? ["nothing"] : [])].join(" with ");
      throw new UsageError(
        `got ${got}; allowed: --base <checkout of the base branch>, --json <file to write>`,
      );
    }
    read[option === "--base" ? "base" : "json"] = path.resolve(value);
  }
  const { base, json } = read;
  if (base === undefined) throw new UsageError("--base <checkout of the base branch> is missing");
  try {
    readFileSync(path.join(base, "Pulumi.yaml"));
  } catch (error) {
    throw new UsageError(`--base ${base} is no checkout of this project: ${(error as Error).message}`);
  }
  return { base, json };
}
