/** The bench itself: its reckoning, and one short run of all tools on real machines. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { differences, expectedFingerprint } from "../../bench/fingerprint.ts";
import { verdicts, type Figures } from "../../bench/goals.ts";
import { CASES, readOptions, TOOLS, type CaseName, type ToolName } from "../../bench/options.ts";
import { mustRun, run, type Outcome } from "../../bench/process.ts";
import { markdownReport, textReport } from "../../bench/report.ts";
import { median, type Result } from "../../bench/result.ts";
import { complaint as complaintOfAnsible } from "../../bench/tools/ansible.ts";
import { complaint as complaintOfOurs } from "../../bench/tools/ours.ts";
import { complaint as complaintOfPyinfra } from "../../bench/tools/pyinfra.ts";
import type { WantedHouse } from "../../bench/wanted.ts";

const ROOT = path.resolve(import.meta.dirname, "..", "..");

describe("arguments", () => {
  test("defaults", () => {
    expect(readOptions(["--houses", "100"])).toEqual({
      houses: 100,
      machines: 30,
      runs: 5,
      fewer: {},
      tools: [...TOOLS],
      cases: [...CASES],
      memory: [...TOOLS],
      json: undefined,
      markdown: undefined,
      profile: false,
    });
    expect(readOptions(["--houses=3", "--profile"])).toMatchObject({ houses: 3, machines: 3, profile: true });
  });

  test("tools and cases keep their order", () => {
    const { tools, cases, memory } = readOptions([
      ...["--houses", "1", "--tools", "ssh,ours", "--cases=apply,check"],
    ]);
    expect({ tools, cases, memory }).toEqual({
      tools: ["ours", "ssh"],
      cases: ["check", "apply"],
      memory: ["ours", "ssh"],
    });
    expect(readOptions(["--houses", "1", "--memory", "ssh,ours"]).memory).toEqual(["ours", "ssh"]);
  });

  test("of slow tools fewer runs", () => {
    const { fewer } = readOptions(["--houses", "1", "--fewer", "ansible=1,mitogen=2"]);
    expect(fewer).toEqual({ ansible: 1, mitogen: 2 });
  });

  test.each([
    [["--machines", "2"], /--houses must be a whole number from 1 to 1000/],
    [["--houses", "0"], /--houses must be a whole number from 1 to 1000, got "0"/],
    [["--houses", "2", "--machines", "3"], /--machines must be a whole number from 1 to 2/],
    [["--houses", "2", "--tools", "chef"], /--tools does not know chef; allowed: ours,ansible/],
    [["--houses", "2", "--fewer", "ansible=6"], /--fewer must be a whole number from 1 to 5, got "6"/],
    [["--houses", "2", "--fewer", "chef=1"], /--fewer does not know chef/],
    [["--houses", "2", "--memory", "chef"], /--memory does not know chef; allowed: ours,ansible/],
    [["--houses", "2", "--fast"], /bench does not know "--fast"/],
    [["--houses", "2", "--json"], /--json needs a value/],
  ])("%j is refused", (args, message) => {
    expect(() => readOptions(args)).toThrow(message);
  });
});

test("medians", () => {
  expect(median([])).toBe(null);
  expect(median([3, 1, 2])).toBe(2);
  expect(median([10, 1, 2, 3])).toBe(2.5);
});

describe("goals", () => {
  const nothing = Object.fromEntries(TOOLS.map((tool) => [tool, null])) as Record<ToolName, null>;
  const figures = (houses: number, check: Partial<Record<ToolName, number>>): Figures => ({
    houses,
    machines: houses,
    cases: { check: { ...nothing, ...check } },
    sessions: {},
    memory: {},
  });

  test("are met or missed by the figures", () => {
    const met = verdicts(figures(30, { ours: 2, ansible: 70, pyinfra: 3 }));
    expect(met).toEqual([
      { goal: "check: at least 35x faster than ansible", reached: "35.0x", met: true },
      { goal: "check: at least 1.6x faster than pyinfra", reached: "1.5x", met: false },
    ]);
  });

  test("that need a figure nobody has are not told", () => {
    expect(verdicts(figures(30, { ansible: 70 }))).toEqual([]);
  });

  test("of 100 houses are others", () => {
    expect(verdicts(figures(100, { ours: 2, ssh: 1 }))).toEqual([
      { goal: "check: at most 1.6x bare ssh", reached: "2.0x", met: false },
    ]);
  });
});

describe("the comparison of machines", () => {
  const house: WantedHouse = {
    name: "w001",
    host: "m1",
    path: "/srv/w001",
    packages: ["curl"],
    account: { name: "agent", home: "/srv/w001/home", shell: "/bin/false", comment: "an agent" },
    release: "0123456789abcdef",
    folders: [{ path: "/srv/w001", mode: "0750", owner: "root", group: "agent" }],
    files: [{ path: "/srv/w001/a", mode: "0640", owner: "root", group: "agent", content: "text\n" }],
    current: { path: "/srv/w001/current", target: "releases/1" },
    links: [{ path: "/etc/cron.d/a", target: "../../srv/w001/a" }],
    unit: "a.service",
    health: "http://127.0.0.1:1/health",
  };
  const wanted = expectedFingerprint([house]);

  test("finds equal what is equal", () => {
    expect(differences(wanted, { ...wanted, "path /elsewhere": "absent" })).toEqual([]);
  });

  test.each(Object.keys(wanted))("notices another %s", (thing) => {
    expect(differences(wanted, { ...wanted, [thing]: "absent" })).toEqual([
      `${thing}: absent, wanted ${wanted[thing]}`,
    ]);
  });

  test("covers every kind of thing", () => {
    expect(wanted).toEqual({
      "path /srv/w001": "folder 0750 root agent",
      "path /srv/w001/a":
        "file 0640 root agent b9e68e1bea3e5b19ca6b2f98b73a54b73daafaa250484902e09982e07a12e733",
      "path /srv/w001/current": "link to releases/1",
      "path /etc/cron.d/a": "link to ../../srv/w001/a",
      "package curl": "installed",
      "account agent": "group agent home /srv/w001/home shell /bin/false comment an agent",
      "unit a.service": "active, health 200",
    });
  });
});

describe("a run that does not count is recognised", () => {
  const recap = (...changed: number[]): string =>
    changed.map((count, index) => `w00${index} : ok=12   changed=${count}    unreachable=0\n`).join("");

  test("of Ansible by its recap", () => {
    expect(complaintOfAnsible("check", { stdout: recap(0, 0) })).toBe(undefined);
    expect(complaintOfAnsible("apply", { stdout: recap(0, 1) })).toBe("it changed 1 of 2 houses, not 0");
    expect(complaintOfAnsible("change", { stdout: recap(3, 0) })).toBe("it changed 1 of 2 houses, not 2");
    expect(complaintOfAnsible("change", { stdout: recap(3, 9) })).toBe(undefined);
    expect(complaintOfAnsible("check", { stdout: "" })).toBe("it says nothing of any host");
  });

  test("of pyinfra by its tables", () => {
    const dry = (cell: string): string =>
      `\n    Operation      Change      Conditional Change\n    Link           -           -\n    Gateway runs   ${cell}   -  \n\n    Detected`;
    expect(complaintOfPyinfra("check", { stderr: dry("-       ") })).toBe(undefined);
    expect(complaintOfPyinfra("check", { stderr: dry("1 (m1)  ") })).toBe(
      "it would change something: Gateway runs,1 (m1),-",
    );
    expect(complaintOfPyinfra("check", { stderr: "" })).toBe("it prints no table of operations");
    const wet = (success: string): string =>
      `    Operation     Hosts   Success   Error   No Change\n    File          2       ${success}         -       -\n    Grand total   2       ${success}         -       -\n\n`;
    expect(complaintOfPyinfra("apply", { stderr: wet("-") })).toBe(undefined);
    expect(complaintOfPyinfra("apply", { stderr: wet("2") })).toBe("it changed 2 things");
    expect(complaintOfPyinfra("change", { stderr: wet("2") })).toBe(undefined);
    expect(complaintOfPyinfra("change", { stderr: wet("-") })).toBe("it changed nothing");
    expect(complaintOfPyinfra("change", { stderr: "" })).toBe("it prints no table of results");
  });

  test("of our own by the summary of `up`", () => {
    const summary = (line: string): string => `Resources:\n    ${line}\n    31 unchanged\n`;
    expect(complaintOfOurs("apply", { stdout: "Resources:\n    32 unchanged\n" })).toBe(undefined);
    expect(complaintOfOurs("apply", { stdout: summary("~ 1 updated") })).toBe(
      "it changed something: ~ 1 updated",
    );
    expect(complaintOfOurs("change", { stdout: summary("~ 1 updated") })).toBe(undefined);
  });
});

describe("a short run", () => {
  const ran: readonly CaseName[] = ["converge", "check", "change"];
  const sampled: readonly ToolName[] = ["ours", "pyinfra", "ssh"];
  const dir = mkdtempSync(path.join(os.tmpdir(), "bench-test-"));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  let outcome: Outcome;
  let result: Result;
  beforeAll(async () => {
    const json = path.join(dir, "result.json");
    // Of another run of each, Ansible's would be most of the time.
    const options = `--houses 3 --machines 2 --runs 1 --cases ${ran.join(",")} --memory ${sampled.join(",")} --json ${json}`;
    const argv: [string, ...string[]] = [process.execPath, "scripts/run.mjs", "bench", ...options.split(" ")];
    outcome = await run({ argv, cwd: ROOT });
    if (outcome.code === 0) result = JSON.parse(readFileSync(json, "utf8")) as Result;
    // Half of it is Ansible's, and the other files' machines want the processor too.
  }, 1_800_000);

  test("ends well", () => {
    expect(outcome, outcome.stderr.slice(-4000)).toMatchObject({ code: 0 });
  });

  test("has a figure for every tool and case, and null where there is none", () => {
    const shape = Object.fromEntries(
      ran.map((name) => [
        name,
        Object.fromEntries(
          TOOLS.map((tool) => [
            tool,
            tool === "ssh" && name !== "check" ? null : (expect.any(Number) as unknown),
          ]),
        ),
      ]),
    ) as unknown;
    expect(result).toMatchObject({ houses: 3, machines: 2, runs: 1, failures: [] });
    for (const figure of ["cases", "processor", "connections", "sessions", "bytes"] as const) {
      expect(result[figure], figure).toEqual(shape);
    }
  });

  test("the machines are equal after all tools, and a changed byte would have been noticed", () => {
    expect(result.control).toEqual({ equal: true, notices: true });
  });

  test("counts what really travelled", () => {
    const check = (figure: "connections" | "bytes", tool: ToolName): number =>
      result[figure].check?.[tool] ?? 0;
    // Bare ssh dials each machine once.
    expect(check("connections", "ssh")).toBe(2);
    for (const tool of TOOLS) {
      expect(check("connections", tool), tool).toBeGreaterThanOrEqual(2);
      expect(check("bytes", tool), tool).toBeGreaterThan(10_000);
    }
    const peak = (name: CaseName, tool: ToolName): number => result.memory[name]?.[tool] ?? 0;
    for (const tool of TOOLS) expect(peak("check", tool) > 0, tool).toBe(sampled.includes(tool));
    // A Node process alone is larger, and all of them together are smaller than this machine.
    expect(peak("check", "ours")).toBeGreaterThan(30e6);
    expect(peak("check", "ours")).toBeLessThan(2e9);
  });

  test("is told as text and as Markdown", () => {
    expect(textReport(result)).toContain("3 houses on 2 machines");
    expect(textReport({ ...result, fewer: { ssh: 1 } })).toContain("of each tool (ssh: 1), taking turns");
    expect(markdownReport(result)).toMatch(/\| check \|( [0-9.]+ \|){5}\n/);
    expect(markdownReport(result)).toContain("To repeat: `npm run bench -- --houses 3 --machines 2");
  });
});

test("a tool that fails makes the bench fail", async () => {
  await expect(mustRun({ argv: ["/bin/sh", "-c", "echo words; exit 3"] })).rejects.toThrow(
    /ended with 3:\nwords/,
  );
  const { code, stderr } = await run({
    argv: [process.execPath, "scripts/run.mjs", "bench", "--houses", "none"],
    cwd: ROOT,
  });
  expect(code).toBe(1);
  expect(stderr).toContain('--houses must be a whole number from 1 to 1000, got "none"');
});
