/** What a real Gitea hands to the jobs of our workflows: who gets the repository's secrets, and who does not. */
import { appendFileSync } from "node:fs";
import path from "node:path";

import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { parse } from "yaml";

import { startGitea, type Account, type Gitea } from "./gitea.ts";
import { forgedCheckout, git, pullRequest, type ForgedCheckout, type PullRequest } from "./repository.ts";
import { registerRunner, type Task } from "./runner.ts";

const CANARY = "canary-that-no-pull-request-gets";

let gitea: Gitea;
let operator: Account;
let wizard: Account;
let checkout: ForgedCheckout;
let fetchTasks: () => Promise<Task[]>;
const pulls: PullRequest[] = [];

beforeAll(async () => {
  gitea = await startGitea();
  operator = await gitea.user("operator");
  wizard = await gitea.user("wizard");
  checkout = await forgedCheckout(gitea, operator, "houses");
  const repo = `repos/${checkout.repository.fullName}`;
  for (const name of ["PULUMI_CONFIG_PASSPHRASE", "OBSERVER_SSH_KEY"])
    await gitea.call(operator, "PUT", `${repo}/actions/secrets/${name}`, { data: CANARY });
  // The harder case: somebody who may write here, whose jobs Gitea starts without asking.
  await gitea.call(operator, "PUT", `${repo}/collaborators/wizard`, { permission: "write" });
  fetchTasks = await registerRunner(gitea, checkout.repository);
  await fetchTasks();
});
afterAll(async () => {
  for (const pull of pulls) pull.cleanup();
  checkout?.cleanup();
  await gitea?.stop();
});

const jobsOf = ({ workflow }: Task): string[] =>
  Object.keys((parse(workflow) as { jobs: Record<string, unknown> }).jobs);

async function tasksOf(branch: string, fork: boolean, change: (folder: string) => void): Promise<Task[]> {
  pulls.push(await pullRequest(gitea, checkout.repository, wizard, { branch, fork, change }));
  return await waitFor("pull_request", 2);
}

/** Jobs of an event, when there are so many. */
async function waitFor(event: string, count: number): Promise<Task[]> {
  const tasks: Task[] = [];
  await vi.waitFor(
    async () => {
      tasks.push(...(await fetchTasks()).filter((task) => task.event === event));
      if (tasks.length < count) throw new Error(`${tasks.length} jobs of ${event}, wanted ${count}`);
    },
    { timeout: 30_000, interval: 200 },
  );
  return tasks;
}

/** As an attacker would: a step that prints its environment, in a workflow that asks for every secret. */
const printsAll = (folder: string): void =>
  appendFileSync(
    path.join(folder, ".github", "workflows", "pull-request.yaml"),
    "      - run: env\n        env: { ALL: '${{ toJSON(secrets) }}' }\n",
  );

describe("a pull request from a fork", () => {
  let tasks: Task[];
  beforeAll(async () => {
    tasks = await tasksOf("prints", true, printsAll);
  });

  it("runs our jobs, which Gitea takes from the same files as GitHub", () => {
    expect(tasks.flatMap(jobsOf).sort()).toEqual(["check", "preview"]);
  });

  it("gets no secret, whatever its workflow asks for", () => {
    for (const task of tasks) {
      expect(Object.keys(task.secrets).sort()).toEqual(["GITEA_TOKEN", "GITHUB_TOKEN"]);
      expect(JSON.stringify(task)).not.toContain(CANARY);
    }
  });

  it("gets a token that cannot write", async () => {
    const token = tasks[0]?.secrets["GITEA_TOKEN"] ?? "";
    const issues = `repos/${checkout.repository.fullName}/issues`;
    await expect(gitea.call({ token }, "POST", issues, { title: "from a job" })).rejects.toThrow(/HTTP 40\d/);
  });
});

it("a push to the protected branch gets them: what keeps them from a fork is no accident", async () => {
  git(checkout.work.dir, "commit", "--quiet", "--allow-empty", "--message=Merged");
  git(checkout.work.dir, "push", "--quiet", "origin", "main");
  const pushed = await waitFor("push", 1);
  expect(pushed.map((task) => (parse(task.workflow) as { name: string }).name)).toEqual(["prod preview"]);
  expect(pushed[0]?.secrets["PULUMI_CONFIG_PASSPHRASE"]).toBe(CANARY);
});

it("a branch of the repository itself gets them too: nobody but operators may push one", async () => {
  const tasks = await tasksOf("own", false, (folder) => appendFileSync(path.join(folder, "README.md"), "\n"));
  expect(tasks.flatMap(jobsOf).sort()).toEqual(["check", "preview"]);
  // Should Gitea learn to keep them from branches, docs/pull-requests.md can ask for less.
  for (const task of tasks) expect(task.secrets["PULUMI_CONFIG_PASSPHRASE"]).toBe(CANARY);
});
