/** Our jobs in a file that the agent and its gateway write as well: what is changed there, what never is. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const SCRIPT = new URL("../../components/jobs/merge-jobs.py", import.meta.url).pathname;
/** The interpreter itself: what `python3` names may be a slow wrapper. */
const PYTHON = execFileSync("python3", ["-c", "import sys; print(sys.executable)"], {
  encoding: "utf8",
}).trim();

type Job = Record<string, unknown>;
interface Answer {
  jobs: { id: string; name: string; problem: string; fields: string[] }[];
  more: number;
}

let folder: string;
const home = () => join(folder, "home");
const file = () => join(home(), "cron/jobs.json");

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "merge-jobs-"));
  mkdirSync(join(home(), "cron"), { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const id = (name: string, house = "bezalel"): string =>
  createHash("sha256").update(`${house}\0${name}`).digest("hex").slice(0, 12);

function job(name: string, more: Job = {}): Job {
  const schedule = { kind: "interval", minutes: 60, display: "every 60m" };
  return { id: id(name), name, prompt: `do ${name}`, schedule, skills: [], script: null, ...more };
}

const AGENTS: Job = {
  id: "0123456789ab",
  name: "of the agent",
  prompt: "mine",
  schedule: {},
  odd: [1, null],
};

function wanted(...jobs: Job[]): string {
  const path = join(folder, "jobs.json");
  writeFileSync(path, JSON.stringify({ house: "bezalel", jobs }));
  return path;
}

function there(...jobs: unknown[]): void {
  writeFileSync(file(), JSON.stringify({ jobs, updated_at: "2026-01-31T12:00:00+00:00" }));
}

const jobs = (): Job[] => (JSON.parse(readFileSync(file(), "utf8")) as { jobs: Job[] }).jobs;

function call(command: string, path: string, at = home()) {
  const { status, stdout, stderr } = spawnSync(PYTHON, ["-I", "-S", "-B", SCRIPT, command, path, at], {
    encoding: "utf8",
    timeout: 60_000,
  });
  return { status, stdout, stderr };
}

function run(command: "apply" | "compare" | "withdraw", path: string): Answer {
  const { status, stdout, stderr } = call(command, path);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout.trim().split("\n")).toHaveLength(1);
  return JSON.parse(stdout) as Answer;
}

const problems = ({ jobs: found }: Answer): string[] =>
  found.map(({ name, problem, fields }) => [name, problem, ...fields].join(" "));

describe("apply", () => {
  test("where nothing was: every job, with what the harness keeps in a new one, for the owner's eyes only", () => {
    rmSync(join(home(), "cron"), { recursive: true });
    expect(problems(run("apply", wanted(job("a"), job("b"))))).toEqual(["a missing", "b missing"]);
    expect(jobs()).toMatchObject([job("a"), job("b")]);
    expect(jobs()[0]).toMatchObject({
      enabled: true,
      state: "scheduled",
      next_run_at: null,
      last_run_at: null,
      repeat: { times: null, completed: 0 },
    });
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    expect(statSync(join(home(), "cron")).mode & 0o777).toBe(0o700);
  });

  test("no job wanted and no folder there: nothing is made", () => {
    rmSync(join(home(), "cron"), { recursive: true });
    expect(run("apply", wanted()).jobs).toEqual([]);
    expect(readdirSync(home())).toEqual([]);
  });

  test("a second run writes nothing", () => {
    there(AGENTS);
    const release = wanted(job("a"));
    run("apply", release);
    const { ino, mtimeMs } = statSync(file());
    expect(run("apply", release).jobs).toEqual([]);
    expect(statSync(file())).toMatchObject({ ino, mtimeMs });
  });

  test("declared fields become as declared; run-time fields, other fields and other jobs stay", () => {
    const runtime = {
      next_run_at: "2026-02-01T00:00:00+00:00",
      last_status: "ok",
      repeat: { times: null, completed: 7 },
      fire_claim: "x",
    };
    there(AGENTS, job("a", { ...runtime, prompt: "changed" }), "no record at all");
    expect(problems(run("apply", wanted(job("a"))))).toEqual(["a differs prompt"]);
    expect(jobs()).toEqual([AGENTS, { ...job("a"), ...runtime }, "no record at all"]);
  });

  test("with another schedule the time of the next run is worked out anew", () => {
    there(job("a", { next_run_at: "2026-02-01T00:00:00+00:00", last_run_at: "2026-01-31T00:00:00+00:00" }));
    const schedule = { kind: "cron", expr: "0 9 * * *", display: "0 9 * * *" };
    expect(problems(run("apply", wanted(job("a", { schedule }))))).toEqual(["a differs schedule"]);
    expect(jobs()[0]).toMatchObject({
      schedule,
      next_run_at: null,
      last_run_at: "2026-01-31T00:00:00+00:00",
    });
  });

  test("a pause is neither a difference nor undone, not even by another change", () => {
    const pause = {
      enabled: false,
      state: "paused",
      paused_at: "2026-01-31T12:00:00+00:00",
      paused_reason: "by hand",
    };
    there(job("a", pause));
    expect(run("compare", wanted(job("a"))).jobs).toEqual([]);
    run("apply", wanted(job("a", { prompt: "new" })));
    expect(jobs()).toEqual([job("a", { ...pause, prompt: "new" })]);
  });

  test("a job that a release had and none wants any more goes; those of others with the same words stay", () => {
    const twin = { ...job("old"), id: "ffffffffffff" };
    const neighbours = { ...job("old"), id: id("old", "ezra") };
    there(job("old"), twin, neighbours, AGENTS);
    expect(problems(run("apply", wanted()))).toEqual(["old unwanted"]);
    expect(jobs()).toEqual([twin, neighbours, AGENTS]);
  });

  test("a job that was renamed is called by its name again, and a copy of it goes", () => {
    there(job("a", { name: "other" }), AGENTS, job("a"));
    expect(problems(run("apply", wanted(job("a"))))).toEqual(["a differs name", "a twice"]);
    expect(jobs()).toEqual([job("a"), AGENTS]);
  });

  test("a bare list of jobs, a byte order mark and bare control characters are read as the harness reads them", () => {
    writeFileSync(file(), `\ufeff[{"id": "0123456789ab", "name": "tab\there"}]`);
    run("apply", wanted(job("a")));
    expect(jobs()).toMatchObject([{ name: "tab\there" }, { name: "a" }]);
  });

  test("whatever the agent's jobs are, they stay byte for byte, and one run is enough", () => {
    const anyJob = fc.oneof(
      fc.json().map((text) => JSON.parse(text) as unknown),
      fc.record({ id: fc.constantFrom(id("a"), id("b"), "x"), name: fc.constantFrom("a", "b", "c") }),
    );
    fc.assert(
      fc.property(fc.array(anyJob, { maxLength: 5 }), (found) => {
        there(...found);
        const release = wanted(job("a"));
        const ours = (one: unknown) =>
          typeof one === "object" &&
          one !== null &&
          "id" in one &&
          (one.id === id("a") || ("name" in one && one.name === "b" && one.id === id("b")));
        const others = (all: unknown[]) => all.filter((one) => !ours(one));
        const before = others(JSON.parse(JSON.stringify(found)) as unknown[]);
        run("apply", release);
        expect(others(jobs())).toEqual(before);
        expect(run("compare", release).jobs).toEqual([]);
      }),
      { numRuns: 15 },
    );
  });
});

describe("compare", () => {
  test("names of jobs and fields, nothing of what stands in them, and no trace of having looked", () => {
    there(job("a", { prompt: "canary-1", deliver: "canary-2" }), job("old"), AGENTS);
    const before = readdirSync(join(home(), "cron"));
    const { status, stdout } = call(
      "compare",
      wanted(job("a", { prompt: "canary-3", deliver: "local" }), job("b")),
    );
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      jobs: [
        { id: id("a"), name: "a", problem: "differs", fields: ["prompt", "deliver"] },
        { id: id("b"), name: "b", problem: "missing", fields: [] },
        { id: id("old"), name: "old", problem: "unwanted", fields: [] },
      ],
      more: 0,
    });
    expect(stdout).not.toContain("canary");
    expect(readdirSync(join(home(), "cron"))).toEqual(before);
  });

  test("neither folder nor file: every job is missing", () => {
    rmSync(join(home(), "cron"), { recursive: true });
    expect(problems(run("compare", wanted(job("a"))))).toEqual(["a missing"]);
  });

  test("the answer is bounded and printable however many jobs an agent forges", () => {
    const name = (index: number) => `\u001b[31m${index}${"x".repeat(3000)}`;
    there(...Array.from({ length: 1000 }, (_, index) => job(name(index))));
    const { stdout } = call("compare", wanted());
    expect(stdout.length).toBeLessThan(65_536);
    expect(stdout).not.toMatch(/\\u00|\u001b/);
    expect((JSON.parse(stdout) as Answer).more).toBe(800);
  });
});

describe("the script of a job", () => {
  const release = (text: string): string => {
    mkdirSync(join(folder, "scripts"), { recursive: true });
    writeFileSync(join(folder, "scripts/x.sh"), text);
    return wanted(job("a", { script: "x.sh", no_agent: true }));
  };
  const script = () => join(home(), "scripts/x.sh");

  test("comes to where the gateway runs scripts, once, and is put right when it was changed", () => {
    const path = release("echo 1\n");
    expect(problems(run("compare", path))).toEqual(["a differs scripts/x.sh", "a missing"]);
    expect(existsSync(join(home(), "scripts"))).toBe(false);
    expect(problems(run("apply", path))).toEqual(["a differs scripts/x.sh", "a missing"]);
    expect(readFileSync(script(), "utf8")).toBe("echo 1\n");
    expect(statSync(script()).mode & 0o777).toBe(0o700);
    expect(run("apply", path).jobs).toEqual([]);
    writeFileSync(script(), "echo 1\necho canary\n");
    expect(problems(run("compare", path))).toEqual(["a differs scripts/x.sh"]);
    expect(problems(run("apply", release("echo 2\n")))).toEqual(["a differs scripts/x.sh"]);
    expect(readFileSync(script(), "utf8")).toBe("echo 2\n");
  });

  test("is not written through a link, and a link or pipe in its place is a difference", () => {
    mkdirSync(join(home(), "scripts"));
    const target = join(folder, "target");
    writeFileSync(target, "");
    symlinkSync(target, script());
    expect(problems(run("compare", release("echo 1\n")))).toContain("a differs scripts/x.sh");
    run("apply", release("echo 1\n"));
    expect(readFileSync(target, "utf8")).toBe("");
    expect(statSync(script()).isFile()).toBe(true);
    rmSync(script());
    execFileSync("mkfifo", [script()]);
    expect(problems(run("compare", release("echo 1\n")))).toEqual(["a differs scripts/x.sh"]);
  });

  test("a folder that is a link is refused before any job is touched", () => {
    symlinkSync(folder, join(home(), "scripts"));
    expect(call("apply", release("echo 1\n"))).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("scripts is no folder") as string,
    });
    expect(existsSync(file())).toBe(false);
  });
});

describe("withdraw", () => {
  const release = (text: string): string => {
    const path = wanted(job("a", { script: "x.sh" }), job("b"));
    mkdirSync(join(folder, "scripts"), { recursive: true });
    writeFileSync(join(folder, "scripts/x.sh"), text);
    return path;
  };
  const script = () => join(home(), "scripts/x.sh");

  test("takes out ours, those of earlier releases too, and leaves the agent's as they are", () => {
    const path = release("echo 1\n");
    run("apply", path);
    there(AGENTS, ...jobs(), job("of an earlier release"), job("of another house", { id: id("x", "ezra") }));
    const others = [AGENTS, jobs().at(-1)];
    expect(problems(run("withdraw", path))).toEqual([
      "a unwanted",
      "b unwanted",
      "of an earlier release unwanted",
    ]);
    expect(jobs()).toEqual(others);
    expect(existsSync(script())).toBe(false);
    const written = statSync(file()).mtimeMs;
    expect(problems(run("withdraw", path))).toEqual([]);
    expect(statSync(file()).mtimeMs).toBe(written);
  });

  test("leaves a script that the agent has changed, and one that a job of its own runs", () => {
    const path = release("echo 1\n");
    run("apply", path);
    there({ ...AGENTS, script: "x.sh" }, { ...AGENTS, script: ["odd"] }, ...jobs());
    run("withdraw", path);
    expect(readFileSync(script(), "utf8")).toBe("echo 1\n");
    there();
    writeFileSync(script(), "echo changed\n");
    run("withdraw", path);
    expect(readFileSync(script(), "utf8")).toBe("echo changed\n");
  });

  test("makes nothing where the gateway has never been", () => {
    rmSync(join(home(), "cron"), { recursive: true });
    expect(problems(run("withdraw", release("echo 1\n")))).toEqual([]);
    expect(readdirSync(home())).toEqual([]);
  });
});

const hostile: [string, () => void, RegExp][] = [
  ["a link in place of the file", () => symlinkSync("/etc/passwd", file()), /jobs\.json is no regular file/],
  ["a pipe", () => execFileSync("mkfifo", [file()]), /jobs\.json is no regular file/],
  ["a folder", () => mkdirSync(file()), /jobs\.json is no regular file/],
  ["an endless file", () => execFileSync("truncate", ["-s", "20M", file()]), /larger than 16777216 bytes/],
  ["no JSON", () => writeFileSync(file(), '{"jobs": [canary'), /cron\/jobs\.json is not JSON/],
  ["JSON without a list", () => writeFileSync(file(), '{"jobs": {}}'), /holds no list of jobs/],
  ["bottomless JSON", () => writeFileSync(file(), "[".repeat(200_000)), /is not JSON/],
  ["a number too long", () => writeFileSync(file(), `[${"9".repeat(5000)}]`), /is not JSON/],
  ["no UTF-8", () => writeFileSync(file(), Buffer.from([0x22, 0xff, 0x22])), /is not JSON/],
  [
    "a link in place of the folder",
    () => {
      rmSync(join(home(), "cron"), { recursive: true });
      symlinkSync("/etc", join(home(), "cron"));
    },
    /cron is no folder/,
  ],
];

describe.each(hostile)("%s", (_what, make, message) => {
  test.each(["apply", "compare", "withdraw"] as const)(
    "%s refuses in a line, and changes nothing",
    (command) => {
      make();
      const list = () =>
        execFileSync("find", [folder, "-not", "-name", ".jobs.lock", "-printf", "%p %y %s %m\n"], {
          encoding: "utf8",
        });
      const release = wanted(job("a"));
      const before = list();
      const { status, stdout, stderr } = call(command, release);
      expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
      expect(stderr).toMatch(message);
      expect(stderr.trim().split("\n")).toHaveLength(1);
      expect(stderr).not.toContain("canary");
      expect(list()).toBe(before);
    },
  );
});

describe("the lock", () => {
  /** The script with a shorter wait, so that a test need not take as long. */
  function hurried(): string {
    const copy = join(folder, "jobs");
    execFileSync("cp", ["-r", join(SCRIPT, ".."), copy]);
    const store = join(copy, "store.py");
    const text = readFileSync(store, "utf8").replace("LOCK_SECONDS = 15", "LOCK_SECONDS = 1");
    expect(text).toContain("LOCK_SECONDS = 1\n");
    writeFileSync(store, text);
    return join(copy, "merge-jobs.py");
  }

  test("that is held for ever is waited for, then told of; nothing is written without it", async () => {
    there(AGENTS);
    const holder = spawn("flock", [join(home(), "cron/.jobs.lock"), "sh", "-c", "echo held; exec sleep 30"]);
    await new Promise((resolve) => holder.stdout.once("data", resolve));
    const arguments_ = ["-I", "-S", "-B", hurried(), "apply", wanted(job("a")), home()];
    const { status, stderr } = spawnSync(PYTHON, arguments_, { encoding: "utf8" });
    holder.kill("SIGKILL");
    expect(status).toBe(1);
    expect(stderr).toContain("cron/.jobs.lock was held by another process for 1 s");
    expect(jobs()).toEqual([AGENTS]);
  });

  test.each([
    ["a link", () => symlinkSync(join(folder, "target"), join(home(), "cron/.jobs.lock"))],
    ["a pipe", () => execFileSync("mkfifo", [join(home(), "cron/.jobs.lock")])],
  ])("%s in its place is refused", (_what, make) => {
    make();
    expect(call("apply", wanted(job("a")))).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("cron/.jobs.lock is no regular file") as string,
    });
    expect(existsSync(join(folder, "target"))).toBe(false);
  });

  test("taken in turns, no write of many is lost", async () => {
    there();
    const releases = ["a", "b", "c", "d"].map((name) => {
      const path = join(folder, `${name}.json`);
      writeFileSync(path, JSON.stringify({ house: name, jobs: [{ ...job("one"), id: id("one", name) }] }));
      return path;
    });
    await Promise.all(
      releases.map(
        (path) =>
          new Promise((resolve) =>
            spawn(PYTHON, ["-I", "-S", "-B", SCRIPT, "apply", path, home()]).on("exit", resolve),
          ),
      ),
    );
    expect(
      jobs()
        .map((one) => one["id"])
        .sort(),
    ).toEqual(["a", "b", "c", "d"].map((name) => id("one", name)).sort());
  });
});

test("a release whose ids do not follow from its names is refused", () => {
  expect(call("apply", wanted(job("a", { id: "0123456789ab" })))).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("ids that do not follow from its names: a") as string,
  });
});

test("a home of another account is refused, whoever asks", () => {
  expect(call("compare", wanted(), "/proc/1/root/nowhere")).toMatchObject({ status: 1 });
  const other = join(folder, "other");
  mkdirSync(other);
  if (process.getuid?.() === 0) execFileSync("chown", ["nobody", other]);
  else chmodSync(other, 0);
  expect(call("apply", wanted(job("a")), other).status).toBe(1);
  expect(call("apply", wanted(job("a")), other).stderr).toMatch(
    /belongs to another account|cannot be opened/,
  );
});

test("wrong usage says what is right", () => {
  expect(call("merge", "x")).toMatchObject({
    status: 2,
    stderr: "usage: merge-jobs.py apply|compare|withdraw|findings <file> <home>\n",
  });
});
