import { execFileSync } from "node:child_process";

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { type CronEntry, cronProblems, renderCronFile } from "../../fleet/cron.ts";
import { shellQuote } from "../../fleet/shell.ts";

const entry: CronEntry = {
  name: "clean up",
  schedule: "*/5 0-6,22 1 * 1-5",
  user: "wizard-ezra",
  command: ["/usr/bin/find", "/tmp", "-name", "*.log"],
};

test.each([
  "* * * * *",
  "0 0 1 1 0",
  "*/15 * * * *",
  "1-10/3,20,30-40 0-23 1,15,31 1-12 0-7",
  "0 4 * jan sun",
  "0 4 * DEC Mon",
  "0  4 * * *",
  "@hourly",
  "@reboot",
])("schedule %s is accepted", (schedule) => {
  expect(cronProblems({ ...entry, schedule })).toEqual([]);
});

test.each([
  ["60 * * * *", "minute"],
  ["* 24 * * *", "hour"],
  ["* * 0 * *", "day of month"],
  ["* * 32 * *", "day of month"],
  ["* * * 13 *", "month"],
  ["* * * * 8", "day of week"],
  ["*/0 * * * *", "minute"],
  ["5/10 * * * *", "minute"],
  ["10-5 * * * *", "minute"],
  ["-1 * * * *", "minute"],
  ["1, * * * *", "minute"],
  ["* * * jan-mar *", "month"],
  ["* * * foo *", "month"],
  ["* * * *", "schedule"],
  ["* * * * * *", "schedule"],
  ["@weeky", "schedule"],
  ["", "schedule"],
  ["* * * * *\n* * * * * root rm", "schedule"],
  ["*\t* * * *", "schedule"],
])("schedule %j is refused: %s", (schedule, message) => {
  const [problem] = cronProblems({ ...entry, schedule });
  expect(problem).toMatchObject({ path: ["schedule"] });
  expect(problem?.message).toContain(message);
  expect(problem?.allowed).not.toBe("");
});

test.each<[string, Partial<CronEntry>, (string | number)[]]>([
  ["a user with blanks", { user: "root rm" }, ["user"]],
  ["a user with capitals", { user: "Root" }, ["user"]],
  ["an empty user", { user: "" }, ["user"]],
  ["a name with a newline", { name: "a\n* * * * * root rm" }, ["name"]],
  ["no command", { command: [] }, ["command"]],
  ["a relative program", { command: ["find"] }, ["command", 0]],
  ["a program with ..", { command: ["/usr/../bin/sh"] }, ["command", 0]],
  ["a percent sign", { command: ["/bin/date", "+%F"] }, ["command", 1]],
  ["a newline", { command: ["/bin/echo", "a\nb"] }, ["command", 1]],
  ["a NUL", { command: ["/bin/echo", "a\0b"] }, ["command", 1]],
  ["a line cron cuts off", { command: ["/bin/echo", "x".repeat(1000)] }, ["command"]],
])("%s is refused", (_what, change, path) => {
  expect(cronProblems({ ...entry, ...change }).map((problem) => problem.path)).toContainEqual(path);
});

describe("rendering", () => {
  test("one line per entry, below its name", () => {
    expect(
      renderCronFile(
        [entry, { ...entry, name: "two", schedule: "@daily", command: ["/bin/true"] }],
        "Made by wizards/.",
      ),
    ).toBe(
      [
        "# Made by wizards/.",
        "SHELL=/bin/sh",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "",
        "# clean up",
        "*/5 0-6,22 1 * 1-5 wizard-ezra '/usr/bin/find' '/tmp' '-name' '*.log'",
        "",
        "# two",
        "@daily wizard-ezra '/bin/true'",
        "",
      ].join("\n"),
    );
  });

  test("no entries still make a file", () => {
    expect(renderCronFile([])).toMatch(/^SHELL=.*\nPATH=.*\n$/);
  });

  test("a header cannot smuggle in a line", () => {
    expect(renderCronFile([], "a\n* * * * * root rm")).toContain("# * * * * * root rm\n");
  });

  test("what has a problem is not rendered", () => {
    expect(() => renderCronFile([{ ...entry, user: "a b" }])).toThrow(/clean up: user/);
    expect(() => renderCronFile([entry, entry])).toThrow(/share a name/);
  });
});

test("shell syntax in an argument stays an argument", () => {
  const words = fc.array(fc.string({ unit: fc.constantFrom(..."a'\"$`\\;|&<>(){}[]*?!#~ \t\n%=-") }), {
    maxLength: 3,
  });
  fc.assert(
    fc.property(words, (list) => {
      const script = `printf '%s\\0' ${["x", ...list].map(shellQuote).join(" ")}`;
      expect(execFileSync("/bin/sh", ["-c", script], { encoding: "utf8" })).toBe(
        ["x", ...list].map((word) => `${word}\0`).join(""),
      );
    }),
    { numRuns: 60 },
  );
  expect(() => shellQuote("a\0b")).toThrow(/NUL/);
});
