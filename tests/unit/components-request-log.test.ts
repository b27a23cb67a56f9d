/** The exporter itself, on a database with the harness's table (hermes-agent 0.19, `hermes_state.py`). */
import { execFileSync, spawnSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const SCRIPT = new URL("../../components/request-log/request-log.py", import.meta.url).pathname;
/** The interpreter itself: what `python3` names may be a slow wrapper. */
const PYTHON = execFileSync("python3", ["-c", "import sys; print(sys.executable)"], {
  encoding: "utf8",
}).trim();
const TABLE = `
CREATE TABLE session_model_usage (
    session_id TEXT NOT NULL, model TEXT NOT NULL, billing_provider TEXT NOT NULL DEFAULT '',
    billing_base_url TEXT NOT NULL DEFAULT '', billing_mode TEXT NOT NULL DEFAULT '', task TEXT NOT NULL DEFAULT '',
    api_call_count INTEGER NOT NULL DEFAULT 0, input_tokens INTEGER NOT NULL DEFAULT 0,
    output_tokens INTEGER NOT NULL DEFAULT 0, cache_read_tokens INTEGER NOT NULL DEFAULT 0,
    cache_write_tokens INTEGER NOT NULL DEFAULT 0, reasoning_tokens INTEGER NOT NULL DEFAULT 0,
    estimated_cost_usd REAL NOT NULL DEFAULT 0, actual_cost_usd REAL NOT NULL DEFAULT 0, cost_status TEXT,
    cost_source TEXT, first_seen REAL, last_seen REAL,
    PRIMARY KEY (session_id, model, billing_provider, billing_base_url, billing_mode, task)
)`;
/** 2026-01-31 12:00 UTC. */
const NOON = 1769860800;

let folder: string;
const database = () => join(folder, "state.db");
const log = (suffix = "") => join(folder, "log", `requests.jsonl${suffix}`);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "request-log-"));
  mkdirSync(join(folder, "log"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function sql(...statements: string[]): void {
  const code =
    "import sqlite3,sys\nc=sqlite3.connect(sys.argv[1])\nfor s in sys.argv[2:]: c.execute(s)\nc.commit()";
  execFileSync(PYTHON, ["-I", "-S", "-c", code, database(), ...statements]);
}

function addRow(
  session: string,
  lastSeen: number | string,
  more: Record<string, string | number> = {},
): string {
  const row = {
    session_id: session,
    model: "kimi-k2.5",
    billing_provider: "kimi-coding",
    last_seen: lastSeen,
    ...more,
  };
  const values = Object.values(row).map((value) =>
    typeof value === "number" ? String(value) : `'${value}'`,
  );
  return `INSERT OR REPLACE INTO session_model_usage (${Object.keys(row).join()}) VALUES (${values.join()})`;
}

function run({ maxBytes = 1_000_000, keep = 2, script = SCRIPT } = {}) {
  const flags = [
    "--home",
    folder,
    "--log",
    join(folder, "log"),
    "--max-bytes",
    String(maxBytes),
    "--keep",
    String(keep),
  ];
  return spawnSync(PYTHON, ["-I", "-S", script, ...flags], { encoding: "utf8", env: { TZ: "UTC" } });
}

function sessions(path = log()): unknown[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").trim().split("\n");
  return lines.map((line) => (JSON.parse(line) as { session: unknown }).session);
}

describe("request log", () => {
  test("one line per row, with counts and without URLs or text of the conversation", () => {
    sql(
      TABLE,
      addRow("s1", NOON, {
        ...{
          api_call_count: 3,
          input_tokens: 10,
          output_tokens: 20,
          cache_read_tokens: 1,
          cache_write_tokens: 2,
        },
        ...{ reasoning_tokens: 4, estimated_cost_usd: 0.5, cost_status: "estimated", task: "vision" },
        billing_base_url: "https://user:canary@api.example",
      }),
    );
    expect(run()).toMatchObject({ status: 0, stderr: "" });
    expect(JSON.parse(readFileSync(log(), "utf8"))).toEqual({
      ...{
        kind: "usage",
        status: "ok",
        time: "2026-01-31T12:00:00Z",
        session: "s1",
        provider: "kimi-coding",
        model: "kimi-k2.5",
        task: "vision",
      },
      ...{ calls: 3, cost_usd: 0.5, cost_status: "estimated" },
      tokens: { input: 10, output: 20, cache_read: 1, cache_write: 2, reasoning: 4 },
    });
    const all = readdirSync(join(folder, "log")).map((name) =>
      readFileSync(join(folder, "log", name), "utf8"),
    );
    expect(all.join()).not.toContain("canary");
  });

  test("a second run adds what changed since, and nothing else", () => {
    sql(TABLE, addRow("s1", NOON), addRow("s2", NOON + 1));
    run();
    run();
    expect(sessions()).toEqual(["s1", "s2"]);
    sql(addRow("s1", NOON + 2), addRow("s3", NOON + 2));
    run();
    expect(sessions()).toEqual(["s1", "s2", "s1", "s3"]);
  });

  test("rows seen at the very same moment are told apart", () => {
    sql(TABLE, addRow("s1", NOON));
    run();
    sql(addRow("s2", NOON));
    run();
    expect(sessions()).toEqual(["s1", "s2"]);
  });

  test("a row from the future does not hide what follows", () => {
    sql(TABLE, addRow("forged", 99_999_999_999), addRow("s1", NOON));
    run();
    sql(addRow("s2", NOON + 5));
    run();
    expect(sessions()).toEqual(["s1", "s2"]);
  });

  test("what the harness would not write is passed over", () => {
    sql(
      TABLE,
      `INSERT INTO session_model_usage (session_id, model, last_seen) VALUES (x'00ff', 'm', ${NOON})`,
      addRow("x".repeat(201), NOON),
      addRow("when", "yesterday"),
      addRow("s1", NOON, { input_tokens: -5, output_tokens: "many" }),
    );
    expect(run()).toMatchObject({ status: 0, stderr: "" });
    expect(sessions()).toEqual(["s1"]);
    expect(readFileSync(log(), "utf8")).toContain('"input": 0, "output": 0');
  });

  test("a log that would grow too large rotates first; old files are bounded and lines stay whole", () => {
    sql(TABLE);
    for (let number = 1; number <= 5; number++) {
      sql(addRow(`s${number}`, NOON + number));
      run({ maxBytes: 300, keep: 2 });
    }
    expect([sessions(), sessions(log(".1")), sessions(log(".2"))]).toEqual([["s5"], ["s4"], ["s3"]]);
    expect(readdirSync(join(folder, "log")).filter((name) => name.startsWith("requests"))).toHaveLength(3);
  });

  test("keeping nothing still bounds the log", () => {
    sql(TABLE, addRow("s1", NOON));
    run({ maxBytes: 300, keep: 0 });
    sql(addRow("s2", NOON + 1));
    run({ maxBytes: 300, keep: 0 });
    expect(sessions()).toEqual(["s2"]);
  });

  test("a damaged position starts over: a line twice is better than one lost", () => {
    sql(TABLE, addRow("s1", NOON));
    run();
    writeFileSync(join(folder, "log", "position.json"), "[1,");
    run();
    expect(sessions()).toEqual(["s1", "s1"]);
  });

  test("a position from before agent.log was read is gone on from", () => {
    sql(TABLE, addRow("s1", NOON), addRow("s2", NOON + 1));
    writeFileSync(
      join(folder, "log", "position.json"),
      JSON.stringify([NOON, "s1", "kimi-k2.5", "kimi-coding", ""]),
    );
    run();
    expect(sessions()).toEqual(["s2"]);
  });

  test("no database yet: nothing to do", () => {
    expect(run()).toMatchObject({ status: 0, stderr: "" });
    expect(existsSync(log())).toBe(false);
  });

  test("a database that is a link is not followed", () => {
    sql(TABLE, addRow("s1", NOON));
    execFileSync("mv", [database(), join(folder, "other.db")]);
    symlinkSync(join(folder, "other.db"), database());
    expect(run().status).toBe(0);
    expect(existsSync(log())).toBe(false);
  });

  test("a log that was replaced by a link is not written through", () => {
    sql(TABLE, addRow("s1", NOON));
    writeFileSync(join(folder, "target"), "");
    symlinkSync(join(folder, "target"), log());
    expect(run().status).not.toBe(0);
    expect(readFileSync(join(folder, "target"), "utf8")).toBe("");
  });

  test("no such table, or no database at all in the file, is an error that says so", () => {
    sql("CREATE TABLE other (x)");
    expect(run()).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("no such table: session_model_usage") as string,
    });
    writeFileSync(database(), "this is no database".repeat(1000));
    expect(run()).toMatchObject({ status: 1, stderr: expect.stringContaining("cannot be read") as string });
  });

  test("a view in place of the table, built to run for ever, is cut off by the row limit or the clock", () => {
    sql(
      `CREATE VIEW session_model_usage AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)
       SELECT 'evil' || x AS session_id, 'm' AS model, '' AS billing_provider, '' AS task, 1 AS api_call_count,
         1 AS input_tokens, 1 AS output_tokens, 1 AS cache_read_tokens, 1 AS cache_write_tokens,
         1 AS reasoning_tokens, 0 AS actual_cost_usd, 0 AS estimated_cost_usd, '' AS cost_status, ${NOON} AS last_seen
       FROM n`,
    );
    // The clock is the script's own limit, shortened so that the test need not wait a minute.
    const hurried = readFileSync(SCRIPT, "utf8").replace("MAX_SECONDS = 60", "MAX_SECONDS = 1");
    expect(hurried).toContain("MAX_SECONDS = 1\n");
    const script = join(folder, "hurried.py");
    writeFileSync(script, hurried);
    const flags = ["--home", folder, "--log", join(folder, "log"), "--max-bytes", "1000", "--keep", "1"];
    const { signal, status } = spawnSync(PYTHON, ["-I", "-S", script, ...flags], { timeout: 8000 });
    expect([signal, status]).not.toEqual(["SIGTERM", null]);
    expect(existsSync(log())).toBe(false);
  });
});

describe("the harness's own log", () => {
  const agentLog = (suffix = "") => join(folder, "logs", `agent.log${suffix}`);
  const answered = (number: number): string =>
    `2026-01-31 12:00:00,123 INFO [s${number}] agent.conversation_loop: API call #3: model=kimi-k2.5 provider=kimi-coding in=10 out=20 total=30 latency=1.2s cache=4/10 (40%)\n`;
  const failed =
    "2026-01-31 12:00:01,123 WARNING [s1] agent.conversation_loop: API call failed (attempt 1/3) error_type=RateLimitError thread=Main Thread:1 provider=gemini base_url=https://u:canary@x.example model=gemini-3 summary=HTTP 429: canary of a prompt\n";
  const rotate = (): void => {
    for (let index = 5; index > 0; index--)
      if (existsSync(agentLog(`.${index}`))) renameSync(agentLog(`.${index}`), agentLog(`.${index + 1}`));
    renameSync(agentLog(), agentLog(".1"));
  };
  const records = (): Record<string, unknown>[] =>
    readFileSync(log(), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  beforeEach(() => mkdirSync(join(folder, "logs")));

  test("one line per call, answered or not, with nothing of what was said", () => {
    writeFileSync(
      agentLog(),
      `${answered(1)}2026-01-31 12:00:01,000 INFO [s1] gateway.run: canary: API call #1 of a user\nTraceback canary\n${failed}`,
    );
    expect(run()).toMatchObject({ status: 0, stderr: "" });
    expect(records()).toEqual([
      {
        ...{ kind: "request", time: "2026-01-31T12:00:00Z", session: "s1", provider: "kimi-coding" },
        ...{ model: "kimi-k2.5", tokens: { input: 10, output: 20 }, status: "ok", seconds: 1.2 },
      },
      {
        ...{
          kind: "request",
          time: "2026-01-31T12:00:01Z",
          session: "s1",
          provider: "gemini",
          model: "gemini-3",
        },
        ...{ tokens: { input: 0, output: 0 }, status: "error", error: "RateLimitError", attempt: 1 },
      },
    ]);
    expect(readFileSync(log(), "utf8")).not.toContain("canary");
  });

  test("is gone on from where the last run was, also behind a rotation, and a line that is not finished waits", () => {
    writeFileSync(agentLog(), answered(1) + answered(2).slice(0, 40));
    run();
    run();
    expect(sessions()).toEqual(["s1"]);
    appendFileSync(agentLog(), answered(2).slice(40) + answered(3));
    rotate();
    writeFileSync(agentLog(), `2026-01-31 13:00:00,000 INFO x: second\n${answered(4)}`);
    rotate();
    writeFileSync(agentLog(), `2026-01-31 14:00:00,000 INFO x: third\n${answered(5)}`);
    run();
    run();
    expect(sessions()).toEqual(["s1", "s2", "s3", "s4", "s5"]);
  });

  test("a file that was cut off is read anew", () => {
    writeFileSync(agentLog(), answered(1) + answered(2));
    run();
    writeFileSync(agentLog(), answered(1));
    run();
    expect(sessions()).toEqual(["s1", "s2", "s1"]);
  });

  test.each([
    ["a link", () => symlinkSync("/etc/passwd", agentLog())],
    ["a pipe", () => execFileSync("mkfifo", [agentLog()])],
    ["an endless line", () => execFileSync("truncate", ["-s", "80M", agentLog()])],
  ])("%s in its place is passed over, and the database is read all the same", (_what, make) => {
    sql(TABLE, addRow("s1", NOON));
    make();
    expect(run()).toMatchObject({ status: 0, stderr: "" });
    expect(sessions()).toEqual(["s1"]);
  });

  test("a database that cannot be read keeps nothing of it back", () => {
    writeFileSync(agentLog(), answered(1));
    writeFileSync(database(), "this is no database".repeat(1000));
    expect(run().status).toBe(1);
    expect(run().status).toBe(1);
    expect(sessions()).toEqual(["s1"]);
  });

  /** Runs through a day: every hour some calls, agent.log rotates seven times, ours as often as it has to. */
  function day(script?: string): { written: number; found: string[] } {
    let written = 0;
    for (let hour = 0; hour < 24; hour++) {
      if (hour % 3 === 2) rotate();
      const calls = Array.from({ length: 200 }, () => answered(++written));
      appendFileSync(
        agentLog(),
        `2026-01-31 ${hour}:00:00,000 INFO x: hour ${hour}\n${calls.slice(0, 100).join("")}`,
      );
      if (hour % 4 === 3) {
        rotate();
        writeFileSync(agentLog(), `2026-01-31 ${hour}:30:00,000 INFO x: hour ${hour}, second half\n`);
      }
      appendFileSync(agentLog(), calls.slice(100).join(""));
      run({ maxBytes: 50_000, keep: 100, ...(script === undefined ? {} : { script }) });
    }
    const files = readdirSync(join(folder, "log")).filter((name) => name.startsWith("requests.jsonl"));
    expect(files.length).toBeGreaterThan(15);
    for (const name of files) {
      const { size, mode } = statSync(join(folder, "log", name));
      expect(size).toBeLessThanOrEqual(50_000);
      expect(mode & 0o777).toBe(0o640);
    }
    const oldestFirst = files.sort((a, b) => Number(b.slice(15)) - Number(a.slice(15)));
    return { written, found: oldestFirst.flatMap((name) => sessions(join(folder, "log", name)) as string[]) };
  }

  test("a day's worth rotates without losing a line, and none stands there twice", () => {
    const { written, found } = day();
    expect(found).toEqual(Array.from({ length: written }, (_, index) => `s${index + 1}`));
  });

  test("which a reader that forgets rotated files would not manage", () => {
    const forgetful = join(folder, "forgetful.py");
    const text = readFileSync(SCRIPT, "utf8").replace("ROTATED = 20", "ROTATED = 0");
    expect(text).toContain("ROTATED = 0\n");
    writeFileSync(forgetful, text);
    const { written, found } = day(forgetful);
    expect(found.length).toBeLessThan(written);
  });

  test("all files together stay within their bound", () => {
    for (let batch = 0; batch < 6; batch++) {
      appendFileSync(agentLog(), Array.from({ length: 300 }, (_, index) => answered(index)).join(""));
      run({ maxBytes: 10_000, keep: 3 });
    }
    const sizes = readdirSync(join(folder, "log"))
      .filter((name) => name.startsWith("requests.jsonl"))
      .map((name) => statSync(join(folder, "log", name)).size);
    expect(sizes).toHaveLength(4);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(10_000);
  });
});
