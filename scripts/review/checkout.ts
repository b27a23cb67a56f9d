/** Temporary checkouts of what a pull request would make of the base branch, which is this checkout's own commit. */
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { ensurePackages } from "../install.mjs";
import { say } from "../session.ts";
import { ROOT } from "../stack.ts";
import { git } from "./git.ts";

/**
 * Fetches a pull request and returns the tree that merging it would make; undefined where that takes a human. Throws when
 * the pull request is not at the given commit any more.
 */
export async function mergedTree(number: number, commit: string): Promise<string | undefined> {
  const ref = `refs/reviews/${number}`;
  await git(ROOT, "fetch", "--quiet", "--no-tags", "origin", `+refs/pull/${number}/head:${ref}`);
  if ((await git(ROOT, "rev-parse", ref)) !== commit)
    throw new Error("it has been changed just now; the next run looks at it");
  try {
    return (await git(ROOT, "merge-tree", "--write-tree", "HEAD", ref)).split("\n")[0];
  } catch (error) {
    // git says 1 for conflicts, and more for what went wrong.
    if ((error as { code?: unknown }).code === 1) return undefined;
    throw error;
  }
}

/** This checkout's own commit with the data of a tree: code of the tree is neither there nor run. */
export async function withDataOf<Result>(
  tree: string,
  work: (checkout: string) => Promise<Result>,
): Promise<Result> {
  return await inWorktree(async (checkout) => {
    await git(checkout, "restore", `--source=${tree}`, "--worktree", "--", "wizards");
    sharePackages(checkout);
    return await work(checkout);
  });
}

/** All of a tree, its code included: only for what a human has read and approved. */
export async function withAllOf<Result>(
  tree: string,
  work: (checkout: string) => Promise<Result>,
): Promise<Result> {
  return await inWorktree(async (checkout) => {
    await git(checkout, "restore", `--source=${tree}`, "--worktree", "--", ".");
    const lock = (folder: string): string => readFileSync(path.join(folder, "package-lock.json"), "utf8");
    if (lock(checkout) === lock(ROOT)) sharePackages(checkout);
    else await ensurePackages(checkout, say);
    return await work(checkout);
  });
}

const sharePackages = (checkout: string): void =>
  symlinkSync(path.join(ROOT, "node_modules"), path.join(checkout, "node_modules"));

async function inWorktree<Result>(work: (checkout: string) => Promise<Result>): Promise<Result> {
  const place = mkdtempSync(path.join(os.tmpdir(), "merged-"));
  const checkout = path.join(place, "checkout");
  try {
    await git(ROOT, "worktree", "add", "--quiet", "--detach", checkout, "HEAD");
    return await work(checkout);
  } finally {
    if (existsSync(checkout)) await git(ROOT, "worktree", "remove", "--force", checkout);
    rmSync(place, { recursive: true, force: true });
  }
}
