/** A checkout of this project whose `origin` is a repository of a real forge, and pull requests against it. */
import { execFileSync } from "node:child_process";
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { makeWorkspace, type CommandResult, type Workspace } from "../engine/workspace.ts";
import type { Account, Gitea, Repository } from "./gitea.ts";

export interface ForgedCheckout {
  work: Workspace;
  repository: Repository;
  /** Runs one of the npm commands as a workflow of the repository would, with the account's token. */
  run(account: Account, args: readonly string[], env?: NodeJS.ProcessEnv): Promise<CommandResult>;
  cleanup(): void;
}

/** git, as somebody, without a question and without anybody's configuration. */
export function git(folder: string, ...args: string[]): string {
  const who = ["-c", "user.name=Test", "-c", "user.email=test@forge.test", "-c", "commit.gpgsign=false"];
  return execFileSync("git", [...who, ...args], {
    cwd: folder,
    encoding: "utf8",
    stdio: "pipe",
    env: {
      PATH: process.env["PATH"],
      HOME: folder,
      GIT_CONFIG_GLOBAL: "/dev/null",
      GIT_TERMINAL_PROMPT: "0",
    },
  }).trim();
}

/** The URL with which an account may push. */
export function remoteOf({ cloneUrl }: Repository, { name, token }: Account): string {
  const url = new URL(cloneUrl);
  url.username = name;
  url.password = token;
  return url.href;
}

/** Pushes this checkout, as it is now, as the repository's `main`. */
export async function forgedCheckout(gitea: Gitea, owner: Account, name: string): Promise<ForgedCheckout> {
  const repository = await gitea.repository(owner, name);
  const work = makeWorkspace();
  git(work.dir, "init", "--quiet", "--initial-branch=main");
  // A link here, where a user has a folder.
  appendFileSync(path.join(work.dir, ".git", "info", "exclude"), "node_modules\n");
  git(work.dir, "add", "--all");
  git(work.dir, "commit", "--quiet", "--message=The fleet");
  git(work.dir, "remote", "add", "origin", remoteOf(repository, owner));
  git(work.dir, "push", "--quiet", "--force", "origin", "main");
  return {
    work,
    repository,
    run: (account, args, env) =>
      work.run(args, {
        env: {
          GITHUB_API_URL: `${gitea.url}/api/v1`,
          GITHUB_REPOSITORY: repository.fullName,
          GITHUB_REF_NAME: "main",
          FORGE_TOKEN: account.token,
          ...env,
        },
      }),
    cleanup: () => work.cleanup(),
  };
}

export interface PullRequest {
  number: number;
  /** The commit it is at. */
  head(): string;
  /** Changes files in its branch and pushes them. */
  push(change: (folder: string) => void): void;
  cleanup(): void;
}

/** Opens a pull request from a fork, which the author has or gets, or from a branch of the repository itself. */
export async function pullRequest(
  gitea: Gitea,
  repository: Repository,
  author: Account,
  options: { branch: string; change: (folder: string) => void; fork?: boolean },
): Promise<PullRequest> {
  const { branch, change, fork = true } = options;
  const from = fork ? await forkOf(gitea, repository, author) : repository;
  const folder = mkdtempSync(path.join(os.tmpdir(), "pull-"));
  git(folder, "clone", "--quiet", remoteOf(repository, author), ".");
  git(folder, "checkout", "--quiet", "-b", branch);
  const push = (edit: (folder: string) => void): void => {
    edit(folder);
    git(folder, "commit", "--quiet", "--all", "--message=A change");
    git(folder, "push", "--quiet", remoteOf(from, author), branch);
  };
  push(change);
  const made = await gitea.call<{ number: number }>(author, "POST", `repos/${repository.fullName}/pulls`, {
    title: branch,
    base: "main",
    head: fork ? `${author.name}:${branch}` : branch,
  });
  return {
    number: made.number,
    push,
    head: () => git(folder, "rev-parse", "HEAD"),
    cleanup: () => rmSync(folder, { recursive: true, force: true }),
  };
}

async function forkOf(gitea: Gitea, { fullName, name }: Repository, owner: Account): Promise<Repository> {
  const place = `${owner.name}/${name}`;
  const existing = await gitea
    .call<{ clone_url: string }>(owner, "GET", `repos/${place}`)
    .catch(() => undefined);
  const fork =
    existing ?? (await gitea.call<{ clone_url: string }>(owner, "POST", `repos/${fullName}/forks`, {}));
  return { owner: owner.name, name, fullName: place, cloneUrl: fork.clone_url };
}
