/** The wrapper around every piece of scheduled work: one copy, a deadline, a line in the journal. */
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

const SCRIPT = new URL("../../components/scheduled/run.sh", import.meta.url).pathname;

let folder: string;
const log = () => join(folder, "log");

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "run-"));
  mkdirSync(log());
  mkdirSync(join(folder, "bin"));
  writeFileSync(
    join(folder, "bin/logger"),
    `#!/bin/sh\nprintf '%s|' "$@" >>${folder}/journal\necho >>${folder}/journal\n`,
  );
  chmodSync(join(folder, "bin/logger"), 0o755);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const journal = (): string[] =>
  existsSync(join(folder, "journal")) ? readFileSync(join(folder, "journal"), "utf8").trim().split("\n") : [];
const environment = () => ({ PATH: `${join(folder, "bin")}:/usr/bin:/bin` });

function run(shell: string, seconds = 20) {
  const { status, stdout, stderr } = spawnSync(
    "/bin/sh",
    [SCRIPT, "bezalel", "heartbeat", String(seconds), log(), "/bin/sh", "-c", shell],
    { encoding: "utf8", env: environment(), timeout: 30_000 },
  );
  return { status, output: stdout + stderr };
}

const line = (level: string, message: string): string =>
  `-t|wizard-bezalel|-p|daemon.${level}|--|heartbeat: ${message}|`;

test.each([
  ["the last line is what is said", "echo one; echo two; echo", 0, "info", "two"],
  ["nothing said is said too", "true", 0, "info", "done"],
  ["a failure is an error, with what was said", "echo why >&2; exit 3", 1, "err", "failed with code 3: why"],
  ["a word that looks like the end is none", "echo 'code 0'; exit 1", 1, "err", "failed with code 1: code 0"],
  ["nothing unprintable goes on", "printf 'a\\033[31mb\\000c\\n'", 0, "info", "a[31mbc"],
  ["and not too much of it", "head -c 5000 /dev/zero | tr '\\0' x", 0, "info", "x".repeat(400)],
])("%s", (_what, shell, status, level, message) => {
  expect(run(shell)).toEqual({ status, output: "" });
  expect(journal()).toEqual([line(level, message)]);
  expect(readdirSync(log())).toEqual([".heartbeat.lock"]);
});

test("what takes too long is ended, with what it has started, though it does not want to", () => {
  const began = Date.now();
  expect(run("trap '' TERM; sleep 25 & wait; sleep 25", 1)).toEqual({ status: 1, output: "" });
  expect(Date.now() - began).toBeLessThan(12_000);
  expect(journal()).toEqual([line("err", "was ended after 1 s")]);
});

test("what is left behind holds neither the lock nor the wrapper", () => {
  const began = Date.now();
  run("setsid sleep 8 & echo gone");
  expect(run("echo next")).toEqual({ status: 0, output: "" });
  expect(Date.now() - began).toBeLessThan(6000);
  expect(journal().at(-1)).toBe(line("info", "next"));
});

test("a second copy leaves the first alone, and says so", async () => {
  const first = spawn(
    "/bin/sh",
    [
      SCRIPT,
      "bezalel",
      "heartbeat",
      "20",
      log(),
      "/bin/sh",
      "-c",
      `touch ${folder}/begun; sleep 2; echo first`,
    ],
    { env: environment() },
  );
  const ended = new Promise((resolve) => first.on("exit", resolve));
  while (!existsSync(join(folder, "begun"))) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(run("echo second")).toEqual({ status: 0, output: "" });
  await ended;
  expect(journal()).toEqual([
    line("warning", "the run before is still at work; this one is left out"),
    line("info", "first"),
  ]);
});

test("a lock that was replaced by a link is not opened", () => {
  symlinkSync(join(folder, "target"), join(log(), ".heartbeat.lock"));
  expect(run("touch ran")).toMatchObject({ status: 1 });
  expect(existsSync(join(folder, "target"))).toBe(false);
  expect(journal()[0]).toContain("cannot be opened");
});

test("wrong usage says what is right", () => {
  const { status, stderr } = spawnSync("/bin/sh", [SCRIPT, "bezalel"], { encoding: "utf8" });
  expect({ status, stderr }).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("usage:") as string,
  });
});
