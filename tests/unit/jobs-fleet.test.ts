/** Jobs and scheduled work as house.yaml says them: what the fleet refuses when it loads, what a release has of them. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeEach, expect, test } from "vitest";
import { parseDocument } from "yaml";

import { FleetError, loadFleet, renderHouse } from "../../fleet/index.ts";
import { jobId, lifecycleCommand } from "../../fleet/jobs.ts";

const scratch = mkdtempSync(join(tmpdir(), "jobs-fleet-"));
let wizards: string;

beforeEach(() => {
  wizards = join(mkdtempSync(join(scratch, "t-")), "wizards");
  cpSync(join(import.meta.dirname, "../../wizards"), wizards, { recursive: true });
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function set(file: string, path: (string | number)[], value: unknown): void {
  const document = parseDocument(readFileSync(join(wizards, file), "utf8"));
  document.setIn(path, value);
  writeFileSync(join(wizards, file), document.toString());
}

const ezra = (path: (string | number)[], value: unknown): void => set("ezra/house.yaml", path, value);

function problems(): string[] {
  try {
    loadFleet(wizards);
    return [];
  } catch (error) {
    if (!(error instanceof FleetError)) throw error;
    return error.problems.map(
      ({ file, path, message, allowed }) => `${file} ${path} ${message} | ${allowed}`,
    );
  }
}

const job = { name: "x", prompt: "do x", schedule: { every: 60 } };
const chain = "gemini, kimi-coding, openrouter, custom";

test.each<[string, unknown, string, string]>([
  [
    "a schedule that is text",
    { ...job, schedule: "every 60m" },
    "schedule",
    "has the wrong type | {every: <minutes>}",
  ],
  [
    "one of names",
    { ...job, schedule: { cron: "0 9 * JAN MON" } },
    "schedule",
    "{every: <minutes>} or {cron:",
  ],
  [
    "both kinds at once",
    { ...job, schedule: { every: 5, cron: "* * * * *" } },
    "schedule",
    "{every: <minutes>}",
  ],
  [
    "a provider without a model",
    { ...job, provider: "gemini" },
    "model",
    "is missing | both provider and model, or neither",
  ],
  [
    "a model without a provider",
    { ...job, model: "kimi-k2.5" },
    "provider",
    "is missing | both provider and model, or neither",
  ],
  [
    "a provider outside the chain",
    { ...job, provider: "deepseek", model: "deepseek-chat" },
    "provider",
    `is not in the house's chain | ${chain}`,
  ],
  [
    "a banned model",
    { ...job, provider: "openrouter", model: "anthropic/claude-x" },
    "model",
    "banned family anthropic",
  ],
  ["no prompt", { ...job, prompt: "" }, "prompt", "is missing | what the agent is to do"],
  [
    "no agent and no script",
    { ...job, noAgent: true },
    "script",
    "is missing | the script that a job without an agent runs",
  ],
  ["a script elsewhere", { ...job, script: "../x.sh" }, "script", "the name of a file in scripts/"],
  ["a script of another kind", { ...job, script: "x.js" }, "script", "ending in .sh or .py"],
  [
    "a command against the gateway",
    { ...job, prompt: "then run hermes gateway restart" },
    "prompt",
    "holds a command against the gateway itself",
  ],
  [
    "delivery to nowhere",
    { ...job, deliver: "local,pigeon:1" },
    "deliver",
    "is nowhere the harness delivers to",
  ],
  [
    "delivery to whoever asked: nobody did",
    { ...job, deliver: "origin" },
    "deliver",
    "is nowhere the harness delivers to",
  ],
])("%s is refused", (_what, value, path, message) => {
  ezra(["jobs", 2], value);
  const found = problems();
  expect(found).toHaveLength(1);
  expect(found[0]).toContain(`wizards/ezra/house.yaml jobs[2].${path}`);
  expect(found[0]).toContain(message);
});

test("a script that is not there is refused by its file, one with a command against the gateway by its text", () => {
  ezra(["jobs", 2], { ...job, script: "x.sh" });
  expect(problems().join()).toContain("wizards/ezra/scripts/x.sh");
  mkdirSync(join(wizards, "ezra/scripts"));
  writeFileSync(join(wizards, "ezra/scripts/x.sh"), "systemctl --now restart hermes-gateway\n");
  expect(problems()).toEqual([
    expect.stringContaining("jobs[2].script holds a command against the gateway") as string,
  ]);
});

test("jobs as the harness is to have them", () => {
  mkdirSync(join(wizards, "ezra/scripts"));
  writeFileSync(join(wizards, "ezra/scripts/x.sh"), "echo x\n");
  ezra(
    ["jobs"],
    [
      { ...job, deliver: "telegram:-100:5, local", provider: "custom", model: "qwen3-8b" },
      { name: "y", schedule: { cron: "0 9 * * 1" }, script: "x.sh", noAgent: true },
    ],
  );
  const fleet = loadFleet(wizards);
  const house = fleet.houses.find(({ name }) => name === "ezra")!;
  const { files } = renderHouse(fleet, house, "prod");
  expect(files["scripts/x.sh"]).toBe("echo x\n");
  expect(JSON.parse(files["banned.json"] ?? "")).toEqual(fleet.banned);
  const common = {
    skills: [],
    ...{
      provider_snapshot: null,
      model_snapshot: null,
      context_from: null,
      enabled_toolsets: null,
      workdir: null,
    },
  };
  // Nothing that the harness keeps itself: whether a job is enabled is not ours to say once it is there.
  expect(JSON.parse(files["jobs.json"] ?? "")).toEqual({
    house: "ezra",
    jobs: [
      {
        ...common,
        ...{ id: jobId("ezra", "x"), name: "x", prompt: "do x", provider: "custom", model: "qwen3-8b" },
        ...{ base_url: "http://127.0.0.1:8081/v1", script: null, no_agent: false },
        ...{
          schedule: { kind: "interval", minutes: 60, display: "every 60m" },
          schedule_display: "every 60m",
        },
        deliver: "telegram:-100:5, local",
      },
      {
        ...common,
        ...{
          id: jobId("ezra", "y"),
          name: "y",
          prompt: "",
          provider: "gemini",
          model: "gemini-3-flash-preview",
        },
        ...{ base_url: null, script: "x.sh", no_agent: true },
        ...{
          schedule: { kind: "cron", expr: "0 9 * * 1", display: "0 9 * * 1" },
          schedule_display: "0 9 * * 1",
        },
        deliver: "local",
      },
    ],
  });
});

test("an id is that of a house and a name, and of no other two", () => {
  expect(jobId("ezra", "x")).toMatch(/^[0-9a-f]{12}$/);
  expect(new Set([jobId("a", "bc"), jobId("ab", "c"), jobId("a", "b"), jobId("b", "a")]).size).toBe(4);
});

test.each([
  ["hermes  gateway stop", true],
  ["HERMES GATEWAY RESTART", true],
  ["systemctl --user restart hermes-gateway", true],
  ["launchctl kickstart ai.hermes.gateway", true],
  ["pkill -f 'hermes.*gateway'", true],
  ["kill $(pgrep gateway) # hermes", true],
  ["hermes gateway start", false],
  ["systemctl status hermes-gateway", false],
  ["how API gateways restart and stop", false],
  ["systemctl restart nginx\nhermes-gateway", false],
])("%j is a command against the gateway: %s", (text, expected) => {
  expect(lifecycleCommand(text) !== undefined).toBe(expected);
});

test.each<[string, (string | number)[], unknown, string]>([
  ["an unknown piece of work", ["scheduled", "gardening"], {}, "scheduled.gardening is no known key"],
  [
    "an unknown setting",
    ["scheduled", "heartbeat"],
    { speed: 1 },
    "scheduled.heartbeat.speed is no known key",
  ],
  [
    "a schedule that is none",
    ["scheduled", "dailyReset"],
    { schedule: "61 * * * *" },
    "scheduled.dailyReset.schedule has no valid minute",
  ],
  [
    "one at boot only",
    ["scheduled", "heartbeat"],
    { schedule: "@reboot" },
    "is no schedule of repeated work",
  ],
  ["no deadline", ["scheduled", "tokenBudget"], { timeout: 0 }, "a whole number from 5 to 3600"],
  ["no budget", ["scheduled", "tokenBudget"], { dailyTokens: 0 }, "a whole number from 1 to"],
  [
    "a URL with a password",
    ["scheduled", "heartbeat"],
    { urls: ["https://u:p@x.example"] },
    "without user and password",
  ],
])("%s is refused", (_what, path, value, message) => {
  ezra(path, value);
  expect(problems().join("\n")).toContain(message);
});

test("a schedule of the fleet's is checked as well, and a house's goes before it", () => {
  set("fleet.yaml", ["defaults", "scheduled"], { heartbeat: { schedule: "every minute" } });
  expect(problems().join()).toContain(
    "wizards/fleet.yaml defaults.scheduled.heartbeat.schedule is no schedule",
  );
  set("fleet.yaml", ["defaults", "scheduled"], { heartbeat: { schedule: "*/2 * * * *", timeout: 9 } });
  ezra(["scheduled"], { heartbeat: { timeout: 8 } });
  const { heartbeat } = loadFleet(wizards).houses.find(({ name }) => name === "ezra")!.scheduled;
  expect(heartbeat).toEqual({ enabled: true, schedule: "*/2 * * * *", timeout: 8, urls: [] });
});

test("a cron entry that would run what the agent can change is refused where it stands", () => {
  ezra(["cron", 1], {
    name: "sync",
    schedule: "0 * * * *",
    command: ["/bin/sh", "/srv/wizards/ezra/home/sync.sh"],
  });
  expect(problems()).toEqual([
    expect.stringContaining(
      "wizards/ezra/house.yaml cron[1].command[1] would run, outside the sandbox, what the agent can change",
    ) as string,
  ]);
});
