/** What a pull request is told by a real forge: comment, status and what an approval is worth. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { startGitea, type Account, type Gitea } from "./gitea.ts";
import { forgedCheckout, pullRequest, type ForgedCheckout, type PullRequest } from "./repository.ts";

let gitea: Gitea;
let checkout: ForgedCheckout;
let operator: Account;
let judge: Account;
let wizard: Account;
const pulls: PullRequest[] = [];

beforeAll(async () => {
  gitea = await startGitea();
  operator = await gitea.user("operator");
  judge = await gitea.user("judge", ["write:repository", "write:issue", "read:user"]);
  wizard = await gitea.user("wizard");
  checkout = await forgedCheckout(gitea, operator, "houses");
  await gitea.call(operator, "PUT", `${repo()}/collaborators/judge`, { permission: "write" });
});
afterAll(async () => {
  for (const pull of pulls) pull.cleanup();
  checkout?.cleanup();
  await gitea?.stop();
});

const repo = (): string => `repos/${checkout.repository.fullName}`;
const CANARY = "canary-of-the-judge";

async function propose(branch: string, change: (folder: string) => void): Promise<PullRequest> {
  const pull = await pullRequest(gitea, checkout.repository, wizard, { branch, change });
  pulls.push(pull);
  return pull;
}

async function judged(pull: PullRequest): Promise<void> {
  const { code, stdout, stderr } = await checkout.run(judge, ["judge", String(pull.number)], {
    POLICY_OWNERS: "operator",
    AN_OPERATORS_OWN: CANARY,
  });
  expect(code, stdout + stderr).toBe(0);
}

interface Comment {
  id: number;
  body: string;
  user: { login: string };
  updated_at: string;
}
const comments = ({ number }: PullRequest): Promise<Comment[]> =>
  gitea.call(operator, "GET", `${repo()}/issues/${number}/comments`);

async function comment(pull: PullRequest): Promise<Comment> {
  const own = (await comments(pull)).filter(({ user }) => user.login === "judge");
  expect(own).toHaveLength(1);
  return own[0]!;
}

async function status(pull: PullRequest): Promise<{ state: string; description: string }> {
  const all = await gitea.call<{ statuses: { status: string; context: string; description: string }[] }>(
    operator,
    "GET",
    `${repo()}/commits/${pull.head()}/status`,
  );
  const own = all.statuses.find(({ context }) => context === "wizard-houses/review");
  return { state: own?.status ?? "none", description: own?.description ?? "" };
}

function edit(folder: string, file: string, from: string, to: string): void {
  const text = readFileSync(path.join(folder, file), "utf8");
  expect(text).toContain(from);
  writeFileSync(path.join(folder, file), text.replace(from, to));
}

describe("a change of data", () => {
  let pull: PullRequest;
  beforeAll(async () => {
    pull = await propose("later", (folder) => edit(folder, "wizards/fleet.yaml", "grace: 300", "grace: 400"));
    await gitea.call(wizard, "POST", `${repo()}/issues/${pull.number}/comments`, {
      body: "I was here first <!-- wizard-houses: review -->",
    });
    await judged(pull);
  });

  it("is told house by house, the summary first, and may go in", async () => {
    const { body } = await comment(pull);
    expect(body.split("\n")[0]).toMatch(
      /^- `dev`: \*\*2 changes of houses and hosts\*\*, no restart, policies hold, no drift/,
    );
    expect(body).toContain("- `ezra` update: `deadman/deadman.conf`");
    expect(body).toContain("### `fixture`");
    expect(body).not.toContain("`bezalel`");
    expect(await status(pull)).toEqual({ state: "success", description: "nothing stands against it" });
  });

  it("says nothing of secrets, nor of how hosts are reached", async () => {
    const all = JSON.stringify(await comments(pull));
    expect(all).not.toContain(CANARY);
    expect(all).not.toContain(judge.token);
    expect(all).not.toContain("203.0.113.");
  });

  it("is told once: the second look finds nothing to say", async () => {
    const before = await comment(pull);
    await judged(pull);
    expect(await comment(pull)).toEqual(before);
  });

  it("is told anew in the same place when it changes", async () => {
    const before = await comment(pull);
    pull.push((folder) => edit(folder, "wizards/fleet.yaml", "grace: 400", "grace: 300"));
    await judged(pull);
    const after = await comment(pull);
    expect(after.id).toBe(before.id);
    expect(after.body).toContain("no house changes");
    // The stranger's comment with the same marker is still theirs.
    expect((await comments(pull)).find(({ user }) => user.login === "wizard")?.body).toContain("first");
  });
});

describe("a loosening", () => {
  let pull: PullRequest;
  const approve = (account: Account): Promise<unknown> =>
    gitea.call(account, "POST", `${repo()}/pulls/${pull.number}/reviews`, {
      event: "APPROVED",
      body: "read",
      commit_id: pull.head(),
    });

  beforeAll(async () => {
    pull = await propose("claude", (folder) => {
      edit(
        folder,
        "wizards/fleet.yaml",
        'models: ["anthropic/*", "anthropic.*", "*claude*"]',
        'models: ["anthropic/*"]',
      );
      edit(folder, "wizards/ezra/house.yaml", "model: kimi-k2.5", "model: claude-like");
    });
    await judged(pull);
  });

  it("is the comment's first line, and the check fails, by the base branch's list too", async () => {
    const { body } = await comment(pull);
    expect(body.split("\n")[0]).toBe(
      '**Looser than the base branch:** `banned: anthropic no longer bans models "anthropic.*"` and 1 more',
    );
    expect(body).toContain("Not approved: it needs an approving review of this very commit by `operator`.");
    expect(body).toContain("policy violations:");
    expect(body).toMatch(/ezra: banned-provider: .*claude-like/);
    const { state, description } = await status(pull);
    expect(state).toBe("failure");
    expect(description).toContain("2 loosenings that no owner has approved");
  });

  it("is not approved by somebody who is no owner", async () => {
    const stranger = await gitea.user("stranger");
    await approve(stranger);
    await judged(pull);
    expect((await status(pull)).description).toContain("2 loosenings that no owner has approved");
  });

  it("is approved by an owner, for that very commit and no later one", async () => {
    await approve(operator);
    await judged(pull);
    expect((await comment(pull)).body).toContain("Approved by `operator`.");
    expect((await status(pull)).description).toBe("the preview fails for dev and fixture");
    pull.push((folder) => edit(folder, "wizards/ezra/house.yaml", "model: claude-like", "model: kimi-k2.5"));
    await judged(pull);
    expect((await status(pull)).description).toBe("2 loosenings that no owner has approved");
  });
});

it("code of a pull request is named and not run, and what decides is a loosening", async () => {
  const pull = await propose("code", (folder) => {
    edit(
      folder,
      "index.ts",
      "async function makeFleet() {",
      `throw new Error("${CANARY} ran");\nasync function makeFleet() {`,
    );
    edit(folder, "policies/rule.ts", "mandatory", "advisory");
  });
  await judged(pull);
  const { body } = await comment(pull);
  expect(body.split("\n")[0]).toBe(
    "**Looser than the base branch:** `changes policies/rule.ts, which decides what is allowed`",
  );
  expect(body).toContain("This also changes 2 files of code.");
  expect(body).not.toContain(CANARY);
  expect((await status(pull)).state).toBe("failure");
});
