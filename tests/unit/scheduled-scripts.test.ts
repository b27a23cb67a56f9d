/** The scripts of a house's scheduled work, each on a house of its own with whatever an agent may have put there. */
import { spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname } from "node:path";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { TestHouse } from "./scheduled-fixture.ts";

const DAY = 86_400;
const now = (): number => Date.now() / 1000;
const midnight = (): number => now() - (now() % DAY);
const today = (): string => new Date().toISOString().slice(0, 10);

let house: TestHouse;
beforeEach(() => {
  house = new TestHouse();
});
afterEach(() => house.remove());

/** A file of the home that was last used so many days ago. */
function file(path: string, days: number, text = "x"): string {
  const full = house.at("home", path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, text);
  const moment = now() - days * DAY;
  utimesSync(full, moment, moment);
  return full;
}

function jobs(...all: object[]): void {
  mkdirSync(house.at("home/cron"), { recursive: true });
  writeFileSync(house.at("home/cron/jobs.json"), JSON.stringify({ jobs: all }));
}

const jobsNow = () => house.json("home/cron/jobs.json")["jobs"] as Record<string, unknown>[];

/** Answers requests in a process of its own: the scripts are waited for here without a turn of the event loop. */
describe("with a server", () => {
  let server: Server;
  let base: string;
  let answers: Record<string, [number, unknown]>;
  let asked: string[];

  beforeEach(async () => {
    answers = {};
    asked = [];
    server = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      const [status, body] = answers[request.url ?? ""] ?? [404, {}];
      response.writeHead(status, status === 302 ? { location: "/elsewhere" } : {});
      response.end(JSON.stringify(body));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  /** As `house.run`, while this process goes on answering. */
  async function run(script: string): Promise<{ status: number | null; said: string }> {
    const child = spawn("python3", ["-I", "-S", "-B", house.at(`current/scheduled/${script}.py`)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = "";
    child.stdout.on("data", (data: Buffer) => (said += data.toString()));
    return await new Promise((resolve) =>
      child.on("close", (status) => resolve({ status, said: said.trim() })),
    );
  }

  const beat = (seconds: number): void => {
    const updated_at = new Date(Date.now() - seconds * 1000).toISOString().replace("Z", "+00:00");
    file("state/gateway.heartbeat", 0, JSON.stringify({ pid: 1, updated_at }));
  };

  test("heartbeat: all is well", async () => {
    house.set({ heartbeat: { urls: [`${base}/forge?token=canary`] } }, { health: `${base}/health` });
    answers = { "/health": [200, {}], "/forge?token=canary": [401, {}] };
    beat(12);
    const host = base.replace("http://", "");
    const { status, said } = await run("heartbeat");
    expect({ status, said }).toEqual({
      status: 0,
      said: expect.stringMatching(RegExp(`^gateway ok, heartbeat 1[2-9] s old, ${host} ok$`)) as string,
    });
    expect(house.json("log/heartbeat.json")).toMatchObject({ gateway: "ok", urls: { [host]: "ok" } });
    expect(said + readFileSync(house.at("log/heartbeat.json"), "utf8")).not.toContain("canary");
    expect(statSync(house.at("log/heartbeat.json")).mode & 0o777).toBe(0o640);
  });

  test.each<[string, [number, unknown] | undefined, number, string]>([
    ["a gateway that is not well", [503, {}], 200, "gateway status 503"],
    ["one that sends elsewhere", [302, {}], 200, "gateway status 302"],
    ["a forge that is down", [200, {}], 502, "status 502"],
  ])("heartbeat: %s is a failure", async (_what, health, forge, words) => {
    house.set({ heartbeat: { urls: [`${base}/forge`] } }, { health: `${base}/health` });
    answers = { "/health": health ?? [200, {}], "/forge": [forge, {}] };
    const { status, said } = await run("heartbeat");
    expect(status).toBe(1);
    expect(said).toContain(words);
    expect(said).toContain("no heartbeat");
    expect(asked).not.toContain("GET /elsewhere");
  });

  test("heartbeat: nobody there", async () => {
    const { status, said } = await run("heartbeat");
    expect({ status, said }).toEqual({ status: 1, said: "gateway Connection refused, no heartbeat" });
  });

  test.each<[string, Record<string, [number, unknown]>, number, RegExp]>([
    [
      "a model that answers",
      { "/v1/models": [200, { data: [{ id: "qwen" }] }], "/v1/chat/completions": [200, { choices: [{}] }] },
      0,
      /^qwen ok in \d+ ms; disk \d+% free$/,
    ],
    ["an endpoint that wants a key", { "/v1/models": [401, {}] }, 0, /^qwen ok, and wants a key;/],
    ["another model", { "/v1/models": [200, { data: [{ id: "other" }] }] }, 1, /^qwen is not served there;/],
    [
      "a model that does not answer",
      { "/v1/models": [200, { data: [] }], "/v1/chat/completions": [500, {}] },
      1,
      /^qwen does not answer, status 500;/,
    ],
    [
      "an answer of another form",
      { "/v1/models": [200, { data: [1] }] },
      1,
      /^qwen gives an answer of another form;/,
    ],
  ])("heavy heartbeat: %s", async (_what, given, status, said) => {
    answers = given;
    house.set({}, { local: [{ url: `${base}/v1`, model: "qwen" }] });
    expect(await run("heavy-heartbeat")).toEqual({ status, said: expect.stringMatching(said) as string });
    expect(house.json("log/heavy-heartbeat.json")).toHaveProperty("models.qwen");
  });

  test("heavy heartbeat: nobody there", async () => {
    house.set({}, { local: [{ url: "http://127.0.0.1:1/v1", model: "qwen" }] });
    const { status, said } = await run("heavy-heartbeat");
    expect(status).toBe(1);
    expect(said).toMatch(/^qwen 127\.0\.0\.1:1 gives no answer: Connection refused; disk/);
  });
});

describe("orphan clean-up", () => {
  const systemctl = (answer: string): Record<string, string> => {
    mkdirSync(house.at("bin"));
    writeFileSync(
      house.at("bin/systemctl"),
      `#!/bin/sh\n[ "$4" = hermes-bezalel.service ] || exit 1\n${answer}\n`,
    );
    chmodSync(house.at("bin/systemctl"), 0o755);
    return { PATH: `${house.at("bin")}:${process.env["PATH"] ?? ""}` };
  };

  test("which processes are orphans", () => {
    const cases: [string, number, number, number, string, boolean][] = [
      ["a forgotten tool of the gateway", 10, 1, 0, "/system.slice/hermes-bezalel.service", true],
      ["left behind by cron", 11, 1, 0, "/machine/system.slice/cron.service", true],
      ["the gateway", 12, 1, 0, "/system.slice/hermes-bezalel.service", false],
      ["one whose parent waits", 13, 12, 0, "/system.slice/hermes-bezalel.service", false],
      ["a young one", 14, 1, 90_000, "/system.slice/hermes-bezalel.service", false],
      ["a login session", 15, 1, 0, "/user.slice/user-1001.slice/session-3.scope", false],
      ["another house's", 16, 1, 0, "/system.slice/hermes-bezalel-two.service", false],
      ["one that only ends alike", 17, 1, 0, "/system.slice/xhermes-bezalel.service", false],
    ];
    const all = cases.map(
      ([, pid, parent, started, group]) =>
        `it.Process(${pid}, ${parent}, ${started} * it.os.sysconf("SC_CLK_TCK"), "${group}")`,
    );
    const found = house.python(
      "orphan-cleanup",
      `print(json.dumps([p.pid for p in it.orphans([${all.join()}], "hermes-bezalel.service", 12, 100_000, 86_400)]))`,
    );
    expect(found).toEqual(cases.filter(([, , , , , orphan]) => orphan).map(([, pid]) => pid));
  });

  test("a process is found with its parent and age, asked to end, then made to", async () => {
    const stubborn = spawn("/bin/sh", ["-c", "trap '' TERM; echo up; while :; do sleep 1; done"]);
    await new Promise((resolve) => stubborn.stdout.once("data", resolve));
    const ended = new Promise((resolve) => stubborn.on("exit", (_code, signal) => resolve(signal)));
    const result = house.python(
      "orphan-cleanup",
      `it.PATIENCE = 1
found = [p for p in it.processes() if p.pid == ${stubborn.pid}]
age = it.uptime() - found[0].started / it.os.sysconf("SC_CLK_TCK")
other = it.Process(found[0].pid, 1, found[0].started + 1, "")
print(json.dumps([len(found), found[0].parent, 0 <= age < 60, it.end(other), it.end(found[0])]))`,
    );
    // Another process that had the number before is not meant, so nothing is sent and it counts as ended.
    expect(result).toEqual([1, process.pid, true, true, true]);
    expect(await ended).toBe("SIGKILL");
  });

  test("locks: git's and those of ended processes, old ones nobody has open", async () => {
    const old = 3;
    const goes = [
      file("work/.git/index.lock", old, "partly written"),
      file("work/.git/refs/heads/main.lock", old, ""),
      file("tool/run.lock", old, "4194305\n"),
    ];
    const stays = [
      file("work/.git/HEAD.lock", 0),
      file("work/uv.lock", old, "version = 1"),
      file("work/empty.lock", old, ""),
      file("tool/alive.lock", old, `${process.pid}`),
      file("tool/pid", old, "4194305"),
    ];
    const held = file("work/.git/held.lock", old);
    const outside = house.at("log/.git");
    mkdirSync(outside);
    writeFileSync(`${outside}/index.lock`, "");
    utimesSync(`${outside}/index.lock`, 1, 1);
    symlinkSync(house.at("log"), house.at("home/elsewhere"));
    const holder = spawn("/bin/sh", ["-c", `exec 3<${held}; echo up; exec sleep 20`]);
    await new Promise((resolve) => holder.stdout.once("data", resolve));

    const { status, said } = house.run("orphan-cleanup", systemctl("echo 0"));
    holder.kill("SIGKILL");
    expect({ status, said }).toEqual({ status: 0, said: "0 processes ended, 3 locks removed" });
    expect(goes.filter((path) => existsSync(path))).toEqual([]);
    expect([...stays, held, `${outside}/index.lock`].filter((path) => !existsSync(path))).toEqual([]);
  });

  test("if systemd does not say which process is the gateway's, nothing is ended or removed", () => {
    const lock = file("work/.git/index.lock", 3);
    const { status, said } = house.run("orphan-cleanup", systemctl("exit 1"));
    expect(status).toBe(1);
    expect(said).toBe("systemctl cannot say which process is that of hermes-bezalel.service");
    expect(existsSync(lock)).toBe(true);
  });
});

describe("daily reset", () => {
  test("what is old goes, once a day; what is not stays, and links are not followed", () => {
    const goes = [
      file(".cache/pip/a", 20),
      file("cache/b", 20),
      file("logs/agent.log.1", 40),
      file("cron/.jobs_x.tmp", 2),
    ];
    const stays = [
      file(".cache/new", 1),
      file("logs/agent.log", 40),
      file("logs/agent.log.2", 20),
      file("logs/curator/old.log.1", 40),
      file("cron/.jobs.lock", 40),
      file("cron/output/x.tmp", 40),
      file("work/.cache/mine", 40),
    ];
    const outside = house.at("log/old");
    writeFileSync(outside, "");
    utimesSync(outside, 1, 1);
    symlinkSync(house.at("log"), house.at("home/.cache/elsewhere"));
    expect(house.run("daily-reset")).toMatchObject({
      status: 0,
      said: expect.stringMatching(/^4 files removed/) as string,
    });
    expect(goes.filter((path) => existsSync(path))).toEqual([]);
    expect([...stays, outside].filter((path) => !existsSync(path))).toEqual([]);

    const late = file(".cache/late", 20);
    expect(house.run("daily-reset").said).toBe(`done already for ${today()}`);
    expect(existsSync(late)).toBe(true);
    writeFileSync(house.at("log/daily-reset.json"), JSON.stringify({ day: "2026-01-31" }));
    expect(house.run("daily-reset").said).toMatch(/^1 files removed/);
    expect(existsSync(late)).toBe(false);
  });

  test("a folder that is a link leads to what is not ours, and hides nothing of the rest", () => {
    const outside = house.at("log/old");
    writeFileSync(outside, "");
    utimesSync(outside, 1, 1);
    symlinkSync(house.at("log"), house.at("home/.cache"));
    file("logs/agent.log.1", 40);
    expect(house.run("daily-reset").said).toMatch(/^1 files removed/);
    expect(existsSync(outside)).toBe(true);
  });

  test("an empty home", () => {
    expect(house.run("daily-reset").said).toBe("0 files removed, 0 bytes");
  });
});

describe("token budget", () => {
  const agents = {
    id: "a",
    name: "of the agent",
    prompt: "x",
    schedule: { kind: "interval", minutes: 5 },
    next_run_at: "2026-01-31T12:00:00+00:00",
  };
  const byHand = { id: "h", name: "by hand", enabled: false, state: "paused", paused_reason: "holiday" };
  const script = { id: "s", name: "script", script: "x.sh", no_agent: true };
  const limit = (dailyTokens: number): void => house.set({ tokenBudget: { dailyTokens } });

  beforeEach(() => {
    house.makeTables();
    limit(100);
  });

  test("every kind of token of the day counts, reasoning as part of the output", () => {
    const tokens = {
      input_tokens: 1,
      output_tokens: 20,
      cache_read_tokens: 300,
      cache_write_tokens: 4000,
      reasoning_tokens: 15,
    };
    house.use("s1", midnight() + 1, tokens);
    house.use("s2", midnight() + 1, { input_tokens: 50_000 });
    house.use("before", midnight() - 10, { input_tokens: 7 }, midnight() - 5);
    limit(1_000_000);
    expect(house.run("token-budget").said).toBe(`54321 of 1000000 tokens used on ${today()}`);
  });

  test("of a session from before midnight only what has come since counts", () => {
    house.use("old", midnight() - 5000, { input_tokens: 1000 });
    expect(house.run("token-budget").said).toMatch(/^0 of 100/);
    house.use("old", midnight() - 5000, { input_tokens: 1040 });
    expect(house.run("token-budget").said).toMatch(/^40 of 100/);
    // The next day begins where the last look of the day before ended.
    const kept = house.json("log/token-budget.json");
    writeFileSync(house.at("log/token-budget.json"), JSON.stringify({ ...kept, day: "2026-01-31" }));
    house.use("old", midnight() - 5000, { input_tokens: 1045 });
    expect(house.run("token-budget").said).toMatch(/^5 of 100/);
  });

  test("deleting a session gives nothing back", () => {
    house.use("s1", midnight() + 1, { input_tokens: 60 });
    house.run("token-budget");
    house.sql("DELETE FROM session_model_usage;");
    house.use("s2", midnight() + 1, { input_tokens: 30 });
    expect(house.run("token-budget").said).toMatch(/^90 of 100/);
    expect(house.run("token-budget").said).toMatch(/^90 of 100/);
  });

  test("at the limit all jobs that ask a model wait, and after midnight those and no others go on", () => {
    jobs(agents, byHand, script);
    house.use("s1", midnight() + 1, { input_tokens: 100 });
    expect(house.run("token-budget").said).toBe(
      `100 of 100 tokens used on ${today()}; 1 jobs paused until midnight UTC`,
    );
    expect(jobsNow()).toEqual([
      {
        ...agents,
        enabled: false,
        state: "paused",
        paused_at: expect.any(String) as string,
        paused_reason: `token budget of ${today()}`,
      },
      byHand,
      script,
    ]);
    const { ino } = statSync(house.at("home/cron/jobs.json"));
    expect(house.run("token-budget").said).toBe(`100 of 100 tokens used on ${today()}`);
    expect(statSync(house.at("home/cron/jobs.json")).ino).toBe(ino);

    const kept = house.json("log/token-budget.json");
    writeFileSync(house.at("log/token-budget.json"), JSON.stringify({ ...kept, day: "2026-01-31" }));
    house.sql(
      `UPDATE session_model_usage SET first_seen = ${midnight() - 9}, last_seen = ${midnight() - 5};`,
    );
    expect(house.run("token-budget").said).toMatch(/^0 of 100 .* 1 jobs resumed$/);
    expect(jobsNow()).toEqual([
      {
        ...agents,
        enabled: true,
        state: "scheduled",
        paused_at: null,
        paused_reason: null,
        next_run_at: null,
      },
      byHand,
      script,
    ]);
  });

  test("a job that runs once keeps its time", () => {
    const once = { ...agents, schedule: { kind: "once", run_at: "2026-01-31T12:00:00+00:00" } };
    jobs({ ...once, enabled: false, state: "paused", paused_reason: "token budget of 2026-01-30" });
    house.run("token-budget");
    expect(jobsNow()[0]).toMatchObject({ enabled: true, next_run_at: agents.next_run_at });
  });

  test("what an agent resumes is paused again, and a higher limit lets it go on", () => {
    jobs(agents);
    house.use("s1", midnight() + 1, { input_tokens: 100 });
    house.run("token-budget");
    jobs(agents);
    expect(house.run("token-budget").said).toContain("1 jobs paused");
    limit(101);
    expect(house.run("token-budget").said).toContain("1 jobs resumed");
  });

  test("no database, no jobs: nothing used, nothing made", () => {
    const bare = new TestHouse();
    try {
      expect(bare.run("token-budget").said).toMatch(/^0 of 50000000/);
      expect(readdirSync(bare.at("home"))).toEqual([]);
    } finally {
      bare.remove();
    }
  });

  test.each<[string, () => void, RegExp]>([
    [
      "a database that is a link",
      () => symlinkSync("/etc/passwd", house.at("home/state.db")),
      /state\.db is no regular file/,
    ],
    [
      "no database in it",
      () => writeFileSync(house.at("home/state.db"), "x".repeat(5000)),
      /state\.db cannot be read/,
    ],
    ["no such table", () => house.sql("CREATE TABLE other (x);"), /no such table/],
  ])("%s: nothing is paused, and the line says why", (_what, make, why) => {
    const other = house;
    house = new TestHouse();
    other.remove();
    jobs(agents);
    make();
    expect(house.run("token-budget")).toMatchObject({
      status: 1,
      stderr: "",
      said: expect.stringMatching(why) as string,
    });
    expect(jobsNow()).toEqual([agents]);
  });
});

describe("flush of continuity", () => {
  const add = (id: string, title: string, started: number, more = ""): string =>
    `INSERT INTO sessions (id, source, title, started_at, message_count, system_prompt, ended_at, end_reason)
     VALUES ('${id}', 'telegram', '${title}', ${started}, 7, 'canary', ${more === "" ? "NULL, NULL" : `${now()}, '${more}'`});`;
  const note = (): string => readFileSync(house.at("home/daily-notes", `${today()}.md`), "utf8");

  test("today's sessions and jobs, in a file of the day that only its owner reads", () => {
    house.makeTables();
    house.sql(
      add("s1", "Build the gate", midnight() + 60),
      add("s2", "Long\u0007 talk\n# not a heading", midnight() - 9000, "idle"),
      add("s3", "Yesterday", midnight() - 9000),
    );
    house.use("s2", midnight() - 9000, { input_tokens: 1 }, midnight() + 120);
    jobs(
      { id: "1", name: "report", state: "paused", next_run_at: null, last_status: "ok", prompt: "canary" },
      {},
    );
    expect(house.run("flush-continuity")).toMatchObject({
      status: 0,
      said: "2 sessions and 2 jobs noted, 0 old notes removed",
    });
    expect(note()).toBe(
      [
        `# ${today()}: bezalel`,
        "",
        "Written by the house, in UTC; what you write here is lost.",
        "",
        "## Sessions",
        "",
        "- 00:02 **Long talk # not a heading** (`s2`, telegram), 7 messages, ended: idle",
        "- 00:01 **Build the gate** (`s1`, telegram), 7 messages, open",
        "",
        "## Jobs",
        "",
        "- **report**: paused, next not known, last ok",
        "- ****: scheduled, next not known, last never",
        "",
      ].join("\n"),
    );
    expect(statSync(house.at("home/daily-notes", `${today()}.md`)).mode & 0o777).toBe(0o600);
  });

  test("old notes go, and what is no note stays", () => {
    const goes = file("daily-notes/2020-01-31.md", 0);
    const stays = [file("daily-notes/2020-01-31.txt", 0), file("daily-notes/mine.md", 0)];
    expect(house.run("flush-continuity").said).toBe("0 sessions and 0 jobs noted, 1 old notes removed");
    expect(existsSync(goes)).toBe(false);
    expect(stays.every((path) => existsSync(path))).toBe(true);
    expect(note()).toContain("None today.");
  });

  test("neither a folder nor a note that is a link is written through", () => {
    symlinkSync(house.at("log"), house.at("home/daily-notes"));
    expect(house.run("flush-continuity")).toMatchObject({ status: 1, said: "daily-notes is no folder" });
    expect(readdirSync(house.at("log"))).toEqual([]);

    const other = new TestHouse();
    try {
      mkdirSync(other.at("home/daily-notes"));
      writeFileSync(other.at("log/target"), "");
      symlinkSync(other.at("log/target"), other.at("home/daily-notes", `${today()}.md`));
      expect(other.run("flush-continuity").status).toBe(0);
      expect(readFileSync(other.at("log/target"), "utf8")).toBe("");
    } finally {
      other.remove();
    }
  });
});
