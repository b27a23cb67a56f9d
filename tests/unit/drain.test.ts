/** What a drain does in a home, and takes back; the gateway's part is in tests/hosts/moving.test.ts. */
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { drainCommands } from "../../components/drain/command-lines.ts";
import { PYTHON } from "./scheduled-fixture.ts";

const COMPONENTS = path.resolve(import.meta.dirname, "../../components");
let house: string;
const home = (...names: string[]): string => path.join(house, "home", ...names);
beforeEach(() => {
  house = mkdtempSync(path.join(tmpdir(), "drain-"));
  mkdirSync(home("cron"), { recursive: true });
  for (const folder of ["drain", "jobs"])
    cpSync(path.join(COMPONENTS, folder), path.join(house, "current", folder), { recursive: true });
});
afterEach(() => rmSync(house, { recursive: true, force: true }));

function drain(act: "begin" | "look" | "end"): { code: number | null; said: unknown; why: string } {
  const [, ...args] = drainCommands(house)[act];
  const { status, stdout, stderr } = spawnSync(PYTHON, args, { encoding: "utf8" });
  return { code: status, said: status === 0 ? JSON.parse(stdout) : undefined, why: stderr.trim() };
}
const jobs = (): Record<string, unknown>[] =>
  (JSON.parse(readFileSync(home("cron/jobs.json"), "utf8")) as { jobs: never[] }).jobs;

describe("a drain", () => {
  const others = [
    { id: "b", enabled: false, state: "paused", paused_reason: "token budget of 2026-01-31" },
    { id: "c", enabled: false, state: "paused", paused_reason: "by hand" },
  ];
  beforeEach(() => {
    const own = [
      { id: "a", enabled: true, state: "scheduled", next_run_at: "2026-01-31T00:00:00Z" },
      { id: "s", enabled: true, state: "scheduled", no_agent: true },
    ];
    writeFileSync(home("cron/jobs.json"), JSON.stringify({ jobs: [...own, ...others] }));
  });

  it("pauses all jobs, scripts too, and asks the gateway; its end takes back just that", () => {
    expect(drain("begin").said).toEqual({ paused: 2 });
    expect(JSON.parse(readFileSync(home(".drain_request.json"), "utf8"))).toMatchObject({ action: "drain" });
    expect(jobs().map(({ enabled, paused_reason }) => [enabled, paused_reason])).toEqual([
      [false, "drained by an operator"],
      [false, "drained by an operator"],
      [false, "token budget of 2026-01-31"],
      [false, "by hand"],
    ]);
    expect(drain("begin").said).toEqual({ paused: 0 });
    expect(drain("end").said).toEqual({ resumed: 2 });
    expect(existsSync(home(".drain_request.json"))).toBe(false);
    expect(jobs().map(({ enabled }) => enabled)).toEqual([true, true, false, false]);
    expect(jobs().slice(2)).toEqual(others);
    // Not all at once: when each is due, the harness works out anew.
    expect(jobs()[0]).toMatchObject({ state: "scheduled", next_run_at: null });
    expect(drain("end").said).toEqual({ resumed: 0 });
  });

  it("pauses and asks, or does neither; its end lets no new turns in where jobs cannot go on", () => {
    const whole = readFileSync(home("cron/jobs.json"), "utf8");
    const asked = (): boolean => existsSync(home(".drain_request.json"));
    const broken = { code: 1, why: "cron/jobs.json is not JSON" };
    writeFileSync(home("cron/jobs.json"), "{");
    expect(drain("begin")).toMatchObject(broken);
    expect(asked()).toBe(false);
    writeFileSync(home("cron/jobs.json"), whole);
    expect(drain("begin").code).toBe(0);
    writeFileSync(home("cron/jobs.json"), "{");
    for (const act of ["begin", "end"] as const) {
      expect(drain(act)).toMatchObject(broken);
      expect(asked()).toBe(true);
    }
  });

  it("is seen by what the gateway says, however it lies", () => {
    const look = (text: string): unknown => {
      writeFileSync(home("gateway_state.json"), text);
      return drain("look").said;
    };
    expect(drain("look").said).toEqual({ draining: null, active: null });
    expect(look('{"gateway_state": "draining", "active_agents": 2}')).toEqual({ draining: true, active: 2 });
    expect(look('{"gateway_state": "running", "active_agents": 0}')).toEqual({ draining: false, active: 0 });
    for (const lie of ["", "[]", "{", '{"gateway_state": 7, "active_agents": -1}', '{"active_agents": 1e99}'])
      expect(look(lie)).toMatchObject({ active: null });
  });

  it("follows no link that is planted", () => {
    const outside = path.join(house, "outside");
    writeFileSync(outside, "untouched");
    symlinkSync(outside, home(".drain_request.json"));
    expect(drain("begin").code).toBe(0);
    expect(readFileSync(outside, "utf8")).toBe("untouched");
    rmSync(home("cron"), { recursive: true });
    symlinkSync("/etc", home("cron"));
    expect(drain("begin")).toMatchObject({ code: 1, why: "cron is no folder" });
  });
});
