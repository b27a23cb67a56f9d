/** The shell functions around a switch, by a real shell; `systemctl` and `systemd-run` are doubles that succeed. */
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { LONGEST } from "../../provider/host/deadline.ts";
import { shellText } from "../../provider/host/shell.ts";
import { stepFunctions } from "../../provider/host/steps.ts";

const RELEASE = "0123456789abcdef";
const BOOT = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();

let root: string;
const house = (...names: string[]): string => join(root, "house", ...names);
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "revert-functions-"));
  mkdirSync(house("pending"), { recursive: true });
  writeFileSync(house("pending/revert.sh"), "");
  writeFileSync(house(`pending/release-${RELEASE}`), "");
  mkdirSync(join(root, "bin"));
  for (const double of ["systemctl", "systemd-run"])
    writeFileSync(join(root, "bin", double), "#!/bin/sh\n", { mode: 0o755 });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function run(lines: string): { status: number | null; stdout: string; stderr: string } {
  const functions = stepFunctions([], { prefix: "", owners: true }, ["units", "arm"]);
  const input = ["set -eu", ...functions, "timer=t", shellText("revert"), `house='${house()}'`, lines].join(
    "\n",
  );
  const PATH = `${join(root, "bin")}:${process.env["PATH"]}`;
  const { status, stdout, stderr } = spawnSync("/bin/sh", ["-s"], { input, encoding: "utf8", env: { PATH } });
  return { status, stdout, stderr };
}
const leftOf = (until: string): number => {
  writeFileSync(house("pending/until"), until);
  return Number(run('left_of "$house"').stdout);
};

describe("how long the timer leaves a release alone", () => {
  it("is counted in seconds of this boot", () => {
    expect(run('watch_for "$house" 120; left_of "$house"').stdout).toMatch(/^1(20|19)\n$/);
  });

  it.each([
    ["those of another boot, however many", "99999999 11111111-2222-3333-4444-555555555555\n"],
    ["none that can be read", ""],
    ["words", `soon ${BOOT.slice(1)}\n`],
  ])("is over for %s", (_, until) => {
    expect(leftOf(until)).toBeLessThan(0);
  });
});

it("the timer waits for whoever switches as long as that may take", () => {
  expect(shellText("revert")).toContain(`take_lock "$1/.lock" ${LONGEST} 73`);
});

describe("without any room on the disk", () => {
  it("a house goes back although nobody can write down from what", () => {
    symlinkSync("/dev/full", house("rejected"));
    expect(run(`reject "$house" ${RELEASE} timer; echo goes back`)).toMatchObject({
      status: 0,
      stdout: "goes back\n",
    });
  });

  it("nothing is switched, and nothing waits for a timer that there is not", () => {
    symlinkSync("/dev/full", house("pending/until"));
    const { status, stderr } = run('arm "$house" t 120; echo switches');
    expect([status, stderr]).toEqual([86, expect.stringContaining("nothing is switched")]);
    expect(existsSync(house("pending"))).toBe(false);
  });
});

describe("a first switch that was cut before anything was in force", () => {
  it("is forgotten", () => {
    expect(run('forget_pending "$house" t').status).toBe(0);
    expect(existsSync(house("pending"))).toBe(false);
  });

  it("is not where something came into force meanwhile: the way back stays", () => {
    symlinkSync(`releases/${RELEASE}`, house("current"));
    expect(run('forget_pending "$house" t')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("meanwhile") as string,
    });
    expect(existsSync(house(`pending/release-${RELEASE}`))).toBe(true);
  });
});
