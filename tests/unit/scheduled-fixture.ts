/** A house in a temporary folder, with the release's scripts where a host has them, to run scheduled work in. */
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { scheduledSettingsFile } from "../../components/scheduled/entries.ts";
import type { ScheduledSettings } from "../../fleet/model.ts";
import { SCHEDULED_DEFAULTS } from "../../fleet/scheduled.ts";

const COMPONENTS = new URL("../../components", import.meta.url).pathname;

/** The interpreter itself: what `python3` names may be a slow wrapper. */
export const PYTHON = execFileSync("python3", ["-c", "import sys; print(sys.executable)"], {
  encoding: "utf8",
}).trim();

/** Tables of the harness (hermes-agent 0.19, `hermes_state.py`), as far as they are read. */
const TABLES = `
CREATE TABLE sessions (
    id TEXT PRIMARY KEY, source TEXT NOT NULL, title TEXT, started_at REAL NOT NULL, ended_at REAL, end_reason TEXT,
    message_count INTEGER DEFAULT 0, system_prompt TEXT);
CREATE TABLE session_model_usage (
    session_id TEXT NOT NULL, model TEXT NOT NULL, billing_provider TEXT NOT NULL DEFAULT '',
    billing_base_url TEXT NOT NULL DEFAULT '', billing_mode TEXT NOT NULL DEFAULT '', task TEXT NOT NULL DEFAULT '',
    api_call_count INTEGER NOT NULL DEFAULT 0, input_tokens INTEGER NOT NULL DEFAULT 0,
    output_tokens INTEGER NOT NULL DEFAULT 0, cache_read_tokens INTEGER NOT NULL DEFAULT 0,
    cache_write_tokens INTEGER NOT NULL DEFAULT 0, reasoning_tokens INTEGER NOT NULL DEFAULT 0,
    first_seen REAL, last_seen REAL,
    PRIMARY KEY (session_id, model, billing_provider, billing_base_url, billing_mode, task));`;

export class TestHouse {
  readonly path = mkdtempSync(join(tmpdir(), "scheduled-"));

  constructor() {
    for (const folder of ["home", "log", "current"]) mkdirSync(join(this.path, folder));
    for (const folder of ["scheduled", "jobs"])
      cpSync(join(COMPONENTS, folder), this.at("current", folder), { recursive: true });
    this.set({});
  }

  at(...names: string[]): string {
    return join(this.path, ...names);
  }

  /** Writes the settings, with `changes` over the defaults. */
  set(
    changes: { [Name in keyof ScheduledSettings]?: Partial<ScheduledSettings[Name]> },
    house: { health?: string; local?: { url: string; model: string }[] } = {},
  ): void {
    const settings = Object.fromEntries(
      Object.entries(SCHEDULED_DEFAULTS).map(([name, one]) => [
        name,
        { ...one, ...changes[name as keyof ScheduledSettings] },
      ]),
    ) as unknown as ScheduledSettings;
    const text = scheduledSettingsFile(
      {
        ...{ house: "bezalel", path: this.path, user: "wizard-bezalel" },
        health: house.health ?? "http://127.0.0.1:1/health",
        providers: (house.local ?? []).map(({ url, model }) => ({ provider: "custom", model, baseUrl: url })),
      },
      settings,
    );
    writeFileSync(this.at("current/scheduled/settings.json"), text);
  }

  /** Runs a script as its cron entry does, without the wrapper. */
  run(
    script: string,
    env: Record<string, string> = {},
  ): { status: number | null; said: string; stderr: string } {
    const { status, stdout, stderr } = spawnSync(
      PYTHON,
      ["-I", "-S", "-B", this.at(`current/scheduled/${script}.py`)],
      { encoding: "utf8", timeout: 60_000, env: { PATH: process.env["PATH"], ...env } },
    );
    return { status, said: stdout.trim(), stderr };
  }

  /** What Python code prints as JSON that has the script at hand as `it`. */
  python(script: string, code: string): unknown {
    const path = JSON.stringify(this.at(`current/scheduled/${script}.py`));
    const load = `import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("it", ${path})
it = sys.modules["it"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(it)
${code}`;
    return JSON.parse(execFileSync(PYTHON, ["-I", "-S", "-B", "-c", load], { encoding: "utf8" }));
  }

  sql(...statements: string[]): void {
    const code =
      "import sqlite3,sys\nc=sqlite3.connect(sys.argv[1])\nfor s in sys.argv[2:]: c.executescript(s)\nc.commit()";
    execFileSync(PYTHON, ["-I", "-S", "-c", code, this.at("home/state.db"), ...statements]);
  }

  makeTables(): void {
    this.sql(TABLES);
  }

  /** Puts a row of usage in the place of the session's earlier one. */
  use(
    session: string,
    firstSeen: number,
    tokens: Record<string, number>,
    lastSeen = Date.now() / 1000,
  ): void {
    const names = ["session_id", "model", "first_seen", "last_seen", ...Object.keys(tokens)];
    const values = [`'${session}'`, "'kimi-k2.5'", firstSeen, lastSeen, ...Object.values(tokens)];
    this.sql(`INSERT OR REPLACE INTO session_model_usage (${names.join()}) VALUES (${values.join()});`);
  }

  json(...names: string[]): Record<string, unknown> {
    return JSON.parse(readFileSync(this.at(...names), "utf8")) as Record<string, unknown>;
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
