/** Drift as issues of a real forge, from what the real command prints. */
import { appendFileSync, writeFileSync } from "node:fs";
import path from "node:path";

import { afterAll, beforeAll, expect, it } from "vitest";

import { startGitea, type Account, type Gitea } from "./gitea.ts";
import { forgedCheckout, type ForgedCheckout } from "./repository.ts";

let gitea: Gitea;
let checkout: ForgedCheckout;
let watch: Account;

beforeAll(async () => {
  gitea = await startGitea();
  watch = await gitea.user("watch");
  checkout = await forgedCheckout(gitea, watch, "houses");
  const up = await checkout.work.run(["up"]);
  expect(up.code, up.stderr).toBe(0);
});
afterAll(async () => {
  checkout?.cleanup();
  await gitea?.stop();
});

const house = (...parts: string[]): string =>
  path.join(checkout.work.hostRoot("forge"), "srv", "wizards", "bezalel", ...parts);

/** What the drift workflow runs. */
async function look(): Promise<void> {
  const { stdout } = await checkout.work.run(["drift", "--json"]);
  const file = path.join(checkout.work.dir, "drift.json");
  writeFileSync(file, stdout);
  const told = await checkout.run(watch, ["drift-issues", file]);
  expect(told.code, told.stderr).toBe(0);
}

interface Issue {
  number: number;
  title: string;
  body: string;
  updated_at: string;
}
const issues = (state: "open" | "closed"): Promise<Issue[]> =>
  gitea.call(watch, "GET", `repos/${checkout.repository.fullName}/issues?state=${state}`);

it("opens one issue for a house that has drifted, keeps it up to date, and closes it when the house is clean", async () => {
  await look();
  expect(await issues("open")).toEqual([]);

  appendFileSync(house("current", "config.yaml"), "# by hand\n");
  await look();
  const [opened, ...others] = await issues("open");
  expect(others).toEqual([]);
  expect(opened).toMatchObject({ title: "Drift: bezalel" });
  expect(opened?.body).toContain("golden-state: config.yaml content: (on the host: sha256");

  // The same once more is nothing new.
  await look();
  expect(await issues("open")).toEqual([opened]);

  appendFileSync(house("current", "SOUL.md"), "by hand\n");
  await look();
  const [changed] = await issues("open");
  expect(changed?.number).toBe(opened?.number);
  expect(changed?.body).toContain("SOUL.md content");

  const up = await checkout.work.run(["up"]);
  expect(up.code, up.stderr).toBe(0);
  await look();
  expect(await issues("open")).toEqual([]);
  expect((await issues("closed")).map(({ number }) => number)).toEqual([opened?.number]);
});

it("says what is wrong with what it is given", async () => {
  const file = path.join(checkout.work.dir, "nothing.json");
  writeFileSync(file, "");
  const { code, stderr } = await checkout.run(watch, ["drift-issues", file]);
  expect(code).toBe(1);
  expect(stderr).toContain("nothing.json holds no JSON: npm run drift did not come to an end");
});
