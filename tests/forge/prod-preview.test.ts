/** The preview of a real stack: for a reviewed commit at an operator's word, and for nobody else. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";

import { afterAll, beforeAll, expect, it } from "vitest";

import { makeEngineHome } from "../engine/engine-home.ts";
import type { CommandResult } from "../engine/workspace.ts";
import { startGitea, type Account, type Gitea } from "./gitea.ts";
import { forgedCheckout, git, pullRequest, type ForgedCheckout, type PullRequest } from "./repository.ts";

const PASSPHRASE = "passphrase-of-the-real-fleet";

let gitea: Gitea;
let operator: Account;
let checkout: ForgedCheckout;
let pull: PullRequest;
let belongings: string;
const own = (...parts: string[]): string => path.join(belongings, ...parts);
const run = (...args: string[]): Promise<CommandResult> =>
  checkout.run(operator, [...args, "-s", "stage"], {
    HOME: own("home"),
    PULUMI_HOME: own("pulumi"),
    PULUMI_CREDENTIALS_PATH: "",
    PULUMI_BACKEND_URL: pathToFileURL(own("state")).href,
    PULUMI_CONFIG_PASSPHRASE: PASSPHRASE,
    POLICY_OWNERS: "operator",
  });

beforeAll(async () => {
  gitea = await startGitea();
  operator = await gitea.user("operator");
  belongings = mkdtempSync(path.join(os.tmpdir(), "wizard-houses-operator-"));
  for (const name of ["home", "state"]) mkdirSync(own(name));
  await makeEngineHome(own("pulumi"));
  checkout = await forgedCheckout(gitea, operator, "houses");
  const { dir } = checkout.work;
  const settings = ["environment: prod", "transport: local", `root: ${own("hosts")}`, 'placeholders: "true"'];
  writeFileSync(
    path.join(dir, "Pulumi.stage.yaml"),
    `config:\n${settings.map((line) => `  wizard-houses:${line}\n`).join("")}`,
  );
  const made = await run("pulumi", "stack", "init", "stage", "--no-select");
  expect(made.code, made.stderr).toBe(0);
  git(dir, "add", "Pulumi.stage.yaml");
  git(dir, "commit", "--quiet", "--message=A stage");
  git(dir, "push", "--quiet", "origin", "main");
  const up = await run("up", "--yes");
  expect(up.code, up.stderr).toBe(0);
  const wizard = await gitea.user("wizard");
  pull = await pullRequest(gitea, checkout.repository, wizard, {
    branch: "later",
    change: (folder) => {
      const file = path.join(folder, "wizards", "fleet.yaml");
      writeFileSync(file, readFileSync(file, "utf8").replace("grace: 300", "grace: 400"));
      // Its own code is what is previewed: a house more would be as good.
      const program = path.join(folder, "index.ts");
      writeFileSync(program, `${readFileSync(program, "utf8")}\nconsole.warn("new code ran");\n`);
    },
  });
});
afterAll(async () => {
  pull?.cleanup();
  checkout?.cleanup();
  rmSync(belongings, { recursive: true, force: true });
  await gitea?.stop();
});

interface Comment {
  id: number;
  body: string;
}
const comments = (): Promise<Comment[]> =>
  gitea.call(operator, "GET", `repos/${checkout.repository.fullName}/issues/${pull.number}/comments`);
const state = (): string =>
  readFileSync(own("state", ".pulumi", "stacks", "wizard-houses", "stage.json"), "utf8");

it("tells of the protected branch's own commit without touching anything", async () => {
  const before = state();
  const { code, stdout } = await run("prod-preview");
  expect(code).toBe(0);
  expect(stdout).toContain("- `stage`: no house changes, no restart, policies hold, no drift");
  expect(state()).toBe(before);
});

it("refuses a pull request that no owner has approved: its code would run with the stack's passphrase", async () => {
  const { code, stdout, stderr } = await run("prod-preview", "--pull-request", String(pull.number));
  expect(code).toBe(1);
  expect(stderr).toContain("has no approving review by one of POLICY_OWNERS (operator)");
  expect(stdout + stderr).not.toContain("new code ran");
  expect(await comments()).toEqual([]);
});

it("comments on one that an owner has approved, once, and tells no secret", async () => {
  const review = { event: "APPROVED", body: "read", commit_id: pull.head() };
  await gitea.call(
    operator,
    "POST",
    `repos/${checkout.repository.fullName}/pulls/${pull.number}/reviews`,
    review,
  );
  const told: Comment[][] = [];
  for (const look of [[], ["--look"]]) {
    const { code, stdout, stderr } = await run(
      "prod-preview",
      ...look,
      "--pull-request",
      String(pull.number),
    );
    expect(code, stdout + stderr).toBe(0);
    expect(stdout + stderr).not.toContain(PASSPHRASE);
    told.push(await comments());
  }
  const [first, second] = told;
  expect(first).toHaveLength(1);
  expect(second?.map(({ id }) => id)).toEqual(first?.map(({ id }) => id));
  expect(first?.[0]?.body).toContain("- `ezra` update: `deadman/deadman.conf`");
  expect(first?.[0]?.body).toContain("<!-- wizard-houses: preview of stage -->");
});

it("names what it is given and what it takes", async () => {
  const { code, stderr } = await run("prod-preview", "--pull-request", "latest");
  expect(code).toBe(1);
  expect(stderr).toContain(
    'got "--pull-request latest"; allowed: --stack <stack>, --look, --pull-request <number>',
  );
});
