/** A key that may only look: what its forced command lets through, with the real client on the other side. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { mergeJobs } from "../../components/jobs/command-lines.ts";
import { IN_FORCE } from "../../components/metadata/guard.ts";
import { factScript, noFacts, parseFacts, type FactRequest } from "../../provider/host/facts.ts";
import { ShellProcess } from "../../provider/host/shell-process.ts";
import { planScript } from "../../provider/host/steps.ts";
import { observerProgram } from "../../scripts/observer/program.ts";

const LIVE = { prefix: "", owners: true };
const HOUSE = "/srv/wizards/ezra";
const { compare, findings, apply } = mergeJobs(HOUSE);

const full: FactRequest = {
  paths: [`${HOUSE}/current/.env`, "/etc/it's here", "/etc/$(id)", "/etc/new\nline"],
  unopened: [`${HOUSE}/home/SOUL.md`],
  units: ["hermes-ezra.service", "wizard-home-ezra.service"],
  folders: [`${HOUSE}/releases`, `${HOUSE}/pending`],
  texts: [`${HOUSE}/rejected`, `${HOUSE}/revoked`, "/var/lib/wizard-houses/ezra/deadman_active"],
  questions: [
    ...[compare, findings].map((argv) => ({ user: "ezra", argv })),
    { user: "root", argv: IN_FORCE },
  ],
  accounts: ["ezra"],
  packages: ["curl", "libc6.1-dev"],
  harnesses: ["0.19.0-0123456789ab", "0.20.1-ba9876543210"],
};
const script = (request: Partial<FactRequest>): string => factScript({ ...noFacts, ...request }, LIVE);

let place: string;
let program: string;
beforeAll(() => {
  place = mkdtempSync(path.join(os.tmpdir(), "observer-"));
  program = path.join(place, "wizard-houses-look");
  writeFileSync(program, observerProgram());
  writeFileSync(
    path.join(place, "judge.py"),
    `import importlib.machinery, importlib.util, json, sys
loader = importlib.machinery.SourceFileLoader("look", sys.argv[1])
look = importlib.util.module_from_spec(importlib.util.spec_from_loader("look", loader))
sys.dont_write_bytecode = True
loader.exec_module(look)
print(json.dumps([look.re.fullmatch(look.GRAMMAR, one) is not None for one in json.load(sys.stdin)]))
`,
  );
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

/** Whether the grammar takes each of them. */
function taken(scripts: readonly string[]): boolean[] {
  const input = JSON.stringify(scripts);
  return JSON.parse(
    execFileSync("python3", ["-I", path.join(place, "judge.py"), program], { input, encoding: "utf8" }),
  ) as boolean[];
}

const counted = (text: string): string => text.replace(/^hashed=\d{1,6}$/m, "hashed=");

describe("the grammar", () => {
  it("takes whatever the provider asks", () => {
    const alone = (Object.keys(full) as (keyof FactRequest)[]).map((kind) => script({ [kind]: full[kind] }));
    const all = [script(full), script({}), ...alone];
    expect(taken(all)).toEqual(all.map(() => true));
  });

  it.each<[string, string]>([
    ["a script of an operator's", "id"],
    ["nothing", ""],
    [
      "a change",
      planScript({ lock: `${HOUSE}/.lock`, steps: [{ do: "remove-if-empty", path: "/srv/x" }] }, LIVE).text,
    ],
    ["one more line", `${script(full)}\nid`],
    ["one line before", `id\n${script(full)}`],
    ["a folder that is no house's", script({ folders: ["/root/.ssh"] })],
    ["the contents of a file", script({ texts: ["/etc/shadow"] })],
    [
      "a way out of where contents may be read",
      script({ texts: ["/var/lib/wizard-houses/../../../etc/shadow"] }),
    ],
    ["one step out of there", script({ texts: ["/var/lib/wizard-houses/../secret"] })],
    ["another question", script({ questions: [{ user: "ezra", argv: ["/usr/bin/id"] }] })],
    [
      "the question about a packet filter with other words",
      script({ questions: [{ user: "root", argv: [...IN_FORCE.slice(0, 2), "id", ...IN_FORCE.slice(3)] }] }),
    ],
    ["a question that changes something", script({ questions: [{ user: "ezra", argv: apply }] })],
    ["an account that is an option", script({ accounts: ["--service=x"] })],
    ["a unit that is an option", script({ units: ["--root=/tmp"] })],
  ])("does not take %s", (_name, text) => {
    expect(taken([text])).toEqual([false]);
  });

  it("takes no script that differs anywhere but within a word", () => {
    const whole = script(full);
    const quoted = [...whole.matchAll(/'(?:[^']|'\\'')*'/g)].map(({ index, 0: word }) => [
      index,
      index + word.length,
    ]);
    const outside = [...whole]
      .map((_, at) => at)
      .filter((at) => !quoted.some(([from = 0, to = 0]) => at >= from && at < to));
    const mutants = fc.sample(
      fc.record({
        at: fc.constantFrom(...outside),
        put: fc.constantFrom(";id;", "$(id)", "`id`", "\n", "|", "&", ">", "'", "\\", "x", ""),
        drop: fc.boolean(),
      }),
      { numRuns: 3000, seed: 1 },
    );
    const changed = mutants
      .map(({ at, put, drop }) => whole.slice(0, at) + put + whole.slice(drop ? at + 1 : at))
      // Another number of paths that are opened is another question, and no other command.
      .filter((text) => counted(text) !== counted(whole));
    expect(taken(changed).filter(Boolean)).toEqual([]);
  });
});

describe("the program", () => {
  const client = (): ShellProcess =>
    new ShellProcess({
      program: "python3",
      args: ["-IB", program],
      env: { PATH: process.env["PATH"] ?? "" },
      signal: "SIGTERM",
    });
  const run = (shell: ShellProcess, text: string, payload?: Buffer) =>
    shell.run({
      script: text,
      deadline: 20,
      signal: new AbortController().signal,
      ...(payload && { payload }),
    });

  it("answers one script after another as a host does", async () => {
    const shell = client();
    for (const file of ["/etc/passwd", "/nowhere"]) {
      const request = { ...noFacts, paths: [file] };
      const { code, stdout } = await run(shell, factScript(request, LIVE));
      expect(code).toBe(0);
      const kind = parseFacts(request, LIVE, stdout).paths.get(file)?.kind;
      expect(kind).toBe(existsSync(file) ? "file" : "absent");
    }
    shell.kill();
  });

  it("runs nothing else, and says so", async () => {
    const shell = client();
    const made = path.join(place, "made");
    const { code, stdout, stderr } = await run(shell, `touch ${made}`);
    expect([code, stdout.toString(), stderr.trim()]).toEqual([
      77,
      "",
      "this key may only look, and this script does something else",
    ]);
    expect(existsSync(made)).toBe(false);
    shell.kill();
  });

  it("takes what comes behind a script for no script", async () => {
    const shell = client();
    const made = path.join(place, "made");
    await run(shell, "cat", Buffer.from(`touch ${made}\n`)).catch(() => undefined);
    shell.kill();
    await shell.ended;
    expect(existsSync(made)).toBe(false);
  });

  it("asks no program that somebody but root can change", async () => {
    const venv = path.join(place, "current", "harness");
    mkdirSync(path.join(venv, "bin"), { recursive: true });
    const made = path.join(place, "made");
    writeFileSync(path.join(venv, "bin", "python"), `#!/bin/sh\ntouch ${made}\n`, { mode: 0o777 });
    const argv = mergeJobs(place).compare;
    const shell = client();
    const { code, stderr } = await run(shell, script({ questions: [{ user: "nobody", argv }] }));
    expect(code).toBe(77);
    expect(stderr).toContain("is asked with a program that somebody but root can change");
    expect(existsSync(made)).toBe(false);
    shell.kill();
  });

  it("says of a house that is not there that it is not, whatever else is asked", async () => {
    const house = "/srv/of-nobody/ezra";
    const request = {
      ...noFacts,
      paths: [`${house}/current`],
      questions: [{ user: "nobody", argv: mergeJobs(house).compare }],
    };
    const shell = client();
    const { code, stdout, stderr } = await run(shell, factScript(request, LIVE));
    expect(code, stderr).toBe(0);
    expect(parseFacts(request, LIVE, stdout).paths.get(`${house}/current`)?.kind).toBe("absent");
    shell.kill();
  });

  it("asks as no account but the house's own, and never as root", async () => {
    const shell = client();
    const as = (user: string, house: string) =>
      run(shell, script({ questions: [{ user, argv: mergeJobs(house).compare }] }));
    expect((await as("root", "/srv/of-nobody/ezra")).stderr).toContain("somebody else than its own user");
    shell.kill();
  });
});
