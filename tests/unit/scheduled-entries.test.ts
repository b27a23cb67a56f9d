/** Cron entries of scheduled work, and that the documentation says of them what is so. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { mergeJobs } from "../../components/jobs/command-lines.ts";
import {
  scheduledEntries,
  scheduledFiles,
  scheduledSettingsFile,
  SETTINGS_FILE,
} from "../../components/scheduled/entries.ts";
import { cronProblems } from "../../fleet/cron.ts";
import { loadFleet } from "../../fleet/index.ts";
import { reachProblems } from "../../fleet/reach.ts";
import { SCHEDULED_DEFAULTS, SCHEDULED_NAMES, scheduledSettings } from "../../fleet/scheduled.ts";
import { house } from "./components-fixture.ts";

const ROOT = join(import.meta.dirname, "../..");
const document = readFileSync(join(ROOT, "docs/scheduled-work.md"), "utf8");
const told = {
  ...{ house: house.name, path: house.path, user: house.user },
  ...{ health: "http://127.0.0.1:8643/health", providers: house.providers },
};
const entries = scheduledEntries(told, SCHEDULED_DEFAULTS);

describe("entries", () => {
  test("one as an example, whole", () => {
    const scripts = "/srv/wizards/bezalel/current/scheduled";
    expect(entries.find(({ name }) => name === "token-budget")).toEqual({
      name: "token-budget",
      schedule: "*/15 * * * *",
      user: "wizard-bezalel",
      command: [
        ...["/bin/sh", `${scripts}/run.sh`, "bezalel", "token-budget", "120", "/srv/wizards/bezalel/log"],
        ...[
          "/srv/wizards/bezalel/current/harness/bin/python",
          "-I",
          "-S",
          "-B",
          `${scripts}/token-budget.py`,
        ],
      ],
    });
  });

  test("each runs as the house's user, is one that cron takes, and runs nothing the agent can change", () => {
    expect(entries).toHaveLength(SCHEDULED_NAMES.length);
    for (const entry of entries) {
      expect(entry.user).toBe(house.user);
      expect(cronProblems(entry)).toEqual([]);
      expect(reachProblems(entry, { user: house.user, folders: [`${house.path}/home`] })).toEqual([]);
    }
  });

  test("what is not enabled has none", () => {
    const { heartbeat } = SCHEDULED_DEFAULTS;
    const settings = { ...SCHEDULED_DEFAULTS, heartbeat: { ...heartbeat, enabled: false } };
    expect(scheduledEntries(told, settings).map(({ name }) => name)).toEqual(
      entries.map(({ name }) => name).filter((name) => name !== "heartbeat"),
    );
  });

  test("every script beside them is delivered, and nothing else", () => {
    const beside = readdirSync(join(ROOT, "components/scheduled")).filter((name) => /\.(py|sh)$/.test(name));
    expect(scheduledFiles()).toEqual(beside.map((name) => `scheduled/${name}`).sort());
    expect(SETTINGS_FILE.startsWith("scheduled/")).toBe(true);
  });

  test("of the chain only what is on this machine is told to the scripts, and no key", () => {
    const settings = JSON.parse(scheduledSettingsFile(told, SCHEDULED_DEFAULTS)) as Record<string, unknown>;
    expect(settings["local"]).toEqual([{ url: "http://127.0.0.1:8081/v1", model: "qwen3-8b" }]);
    expect(Object.keys(settings)).toEqual([
      ...["house", "path", "health", "local"],
      ...entries.map(({ name }) => name),
    ]);
  });
});

test("settings: a house's over the fleet's over the defaults, key by key", () => {
  const settings = scheduledSettings(
    { tokenBudget: { dailyTokens: 5, timeout: 60 }, heartbeat: undefined },
    { tokenBudget: { dailyTokens: 7, timeout: undefined } },
  );
  expect(settings).toEqual({
    ...SCHEDULED_DEFAULTS,
    tokenBudget: { ...SCHEDULED_DEFAULTS.tokenBudget, dailyTokens: 7, timeout: 60 },
  });
});

test("the command lines for a house's own jobs", () => {
  const harness = "/srv/x/current/harness/bin/python";
  const script = [harness, "-I", "-S", "-B", "/srv/x/current/jobs/merge-jobs.py"];
  expect(mergeJobs("/srv/x")).toEqual({
    apply: [...script, "apply", "/srv/x/current/jobs.json", "/srv/x/home"],
    compare: [...script, "compare", "/srv/x/current/jobs.json", "/srv/x/home"],
    findings: [...script, "findings", "/srv/x/current/jobs/banned.json", "/srv/x/home"],
    withdraw: [...script, "withdraw", "/srv/x/current/jobs.json", "/srv/x/home"],
  });
});

describe("docs/scheduled-work.md", () => {
  /** Cells of the rows below a heading, without the markup of code. */
  const table = (heading: string): string[][] => {
    const lines = document
      .slice(document.indexOf(`## ${heading}\n`))
      .split("\n")
      .slice(1);
    const first = lines.findIndex((line) => line.startsWith("|"));
    const length = lines.slice(first).findIndex((line) => !line.startsWith("|"));
    return lines.slice(first + 2, first + length).map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.replaceAll("`", "").trim()),
    );
  };

  test("the table names every piece of work with its schedule and deadline", () => {
    expect(table("What runs").map(([name, schedule, deadline]) => [name, schedule, deadline])).toEqual(
      entries.map(({ name, schedule, command }) => [name, schedule, `${command[4] ?? ""} s`]),
    );
  });

  test("and says of it what its script says at the top", () => {
    for (const [name = "", , , reads = "", writes = "", failure = ""] of table("What runs")) {
      const head = readFileSync(join(ROOT, `components/scheduled/${name}.py`), "utf8").split('"""')[1] ?? "";
      for (const [word, cell] of [
        ["Reads", reads],
        ["Writes", writes],
        ["Fails", failure],
      ] as const) {
        const said =
          RegExp(`^${word} +((?:.|\\n {2,})*)`, "m").exec(head)?.[1]?.replace(/\s+/g, " ").trim() ?? "";
        expect(said, `${name}: ${word}`).not.toBe("");
        for (const path of cell.match(/<(?:home|house)>[\w./-]*|[a-z]+Tokens|[a-z-]+\.json\b/g) ?? [])
          expect(said, `${name}: ${word}`).toContain(path);
      }
    }
  });

  test("every setting with its default", () => {
    const rows = table("Settings").map(([setting, standard]) => `${setting ?? ""}: ${standard ?? ""}`);
    const own = SCHEDULED_NAMES.flatMap((name) =>
      Object.entries(SCHEDULED_DEFAULTS[name])
        .filter(([key]) => !["enabled", "schedule", "timeout"].includes(key))
        .map(([key, value]) => `${name}.${key}: ${Array.isArray(value) ? "[]" : String(value)}`),
    );
    expect(rows.filter((row) => /^\w+\.\w+:/.test(row))).toEqual(own);
  });
});

test("the three wizards have all of it", () => {
  const { houses } = loadFleet(join(ROOT, "wizards"));
  expect(houses.map(({ name }) => name).sort()).toEqual(["allegro", "bezalel", "ezra"]);
  for (const { scheduled } of houses)
    expect(SCHEDULED_NAMES.every((name) => scheduled[name].enabled)).toBe(true);
});
