import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { type DataFolder, dataFolder, MAX_ALIASES, parseYaml, readText, readYaml } from "../../fleet/yaml.ts";

describe("parsing", () => {
  const problems = (text: string) => {
    const result = parseYaml("f.yaml", text);
    return result.ok ? [] : result.problems;
  };

  test("gives plain data and the line of every value", () => {
    const result = parseYaml("f.yaml", "a: 1\nb:\n  - x: 1\n    y: [p, q]\n");
    if (!result.ok) throw new Error("refused");
    expect(result.value.value).toEqual({ a: 1, b: [{ x: 1, y: ["p", "q"] }] });
    const { line } = result.value;
    expect([
      line(["b"]),
      line(["b", 0, "y"]),
      line(["b", 0, "y", 1]),
      line(["b", 0, "missing"]),
      line([]),
    ]).toEqual([2, 4, 4, 3, 1]);
  });

  test("an empty file is null", () => {
    expect(parseYaml("f.yaml", "# nothing\n")).toMatchObject({ ok: true, value: { value: null } });
  });

  test.each([
    ["a duplicate key", "a: 1\nb: 2\na: 3", 3, "the same key stands twice"],
    ["a tag", "a: !python/object x", 1, "has a tag"],
    ["a tag of YAML's own", "a: !!binary aGk=", 1, "has a tag"],
    ["a merge key", "base: {x: 1}\n<<: {a: 1}", 2, "is a merge key"],
    ["a cycle", "a: &x\n  b: *x", 2, "refers to what it stands in"],
    ["an unknown anchor", "a: 1\nb: *nope", 2, "refers to an anchor that does not stand before it"],
    ["a bomb of nested aliases", "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]", 3, "itself holds aliases"],
    [
      "too many aliases",
      `a: &a [x]\n${Array.from({ length: MAX_ALIASES + 1 }, (_, i) => `k${i}: *a`).join("\n")}`,
      MAX_ALIASES + 2,
      "has too many aliases",
    ],
    ["depth", `${"[".repeat(100)}${"]".repeat(100)}`, 1, "is nested too deeply"],
    ["an absurd depth", "[".repeat(200_000), 1, ""],
    ["two documents", "a: 1\n---\nb: 2", 2, "more than one document"],
    ["a directive", "%YAML 1.1\n---\na: on", 3, "has a %YAML directive"],
    ["a tab", "a:\n\tb: 1", 2, "tab"],
    ["an open bracket", "a: [1, 2", 1, "a bracket before it is not closed"],
    ["a key that would reach the prototype", "__proto__: {x: 1}", 1, "is not a usable key"],
  ])("refuses %s", (_what, text, line, message) => {
    const [first] = problems(text);
    expect(first).toMatchObject({ file: "f.yaml", line });
    expect(first?.message).toContain(message);
  });

  test("one slip is a handful of problems, not hundreds", () => {
    expect(problems("[".repeat(1000)).length).toBeLessThanOrEqual(5);
  });

  test("a syntax error quotes nothing of the file", () => {
    expect(
      JSON.stringify(problems("api_key: sk-canary-1234567890 : x\n*sk-canary-1234567890")),
    ).not.toContain("canary");
  });
});

describe("reading", () => {
  let directory: string;
  let folder: DataFolder;
  const place = (name: string): string => join(directory, name);

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "fleet-yaml-"));
    const result = dataFolder(directory);
    if (!result.ok) throw new Error("no folder");
    folder = { ...result.value, label: "wizards" };
    writeFileSync(place("good.yaml"), "a: 1");
    writeFileSync(place("large.yaml"), "");
    truncateSync(place("large.yaml"), 10_000_000);
    writeFileSync(place("latin1.yaml"), Buffer.from([0x61, 0x3a, 0x20, 0xe9]));
    symlinkSync("good.yaml", place("inside.yaml"));
    symlinkSync("/etc/passwd", place("outside.yaml"));
    execFileSync("mkfifo", [place("fifo.yaml")]);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  test("a file, and a link that stays inside", () => {
    expect(readYaml(folder, "good.yaml")).toMatchObject({ ok: true, value: { value: { a: 1 } } });
    expect(readYaml(folder, "inside.yaml")).toMatchObject({ ok: true, value: { value: { a: 1 } } });
  });

  test.each([
    ["none.yaml", "the file is missing"],
    ["large.yaml", "is too large"],
    ["latin1.yaml", "is not UTF-8"],
    ["outside.yaml", "leads out of wizards/"],
    ["fifo.yaml", "is not a regular file"],
    ["../escape.yaml", "the file is missing"],
  ])("%s: %s", (name, message) => {
    const result = readText(folder, name);
    expect(result).toMatchObject({ ok: false, problems: [{ file: `wizards/${name}`, path: "" }] });
    expect(result.ok ? "" : result.problems[0]?.message).toContain(message);
  });

  test("a folder that is not there", () => {
    expect(dataFolder(place("nowhere"))).toMatchObject({ ok: false, problems: [{ file: "nowhere" }] });
  });
});
