/** The workflow files: linted, held to what they may do, and each step's shell run. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";

import { ensureGoTool } from "../../toolchain/go-tools.ts";
import { processInfo } from "../../toolchain/process-info.ts";
import { VERSIONS } from "../../toolchain/versions.ts";

const ROOT = path.resolve(import.meta.dirname, "..", "..");
const FOLDER = path.join(ROOT, ".github", "workflows");

interface StepOfJob {
  name?: string;
  uses?: string;
  with?: Record<string, unknown>;
  run?: string;
  env?: Record<string, string>;
  "working-directory"?: string;
}
interface Job {
  if?: string;
  environment?: string;
  permissions?: unknown;
  "timeout-minutes"?: number;
  steps: StepOfJob[];
}
interface Workflow {
  on: Record<string, { branches?: string[] } | null>;
  permissions: Record<string, string>;
  jobs: Record<string, Job>;
}

const files = readdirSync(FOLDER);
const text = (file: string): string => readFileSync(path.join(FOLDER, file), "utf8");
const workflow = (file: string): Workflow => parse(text(file)) as Workflow;
const jobs = (file: string): [string, Job][] => Object.entries(workflow(file).jobs);

let actionlint: string;
beforeAll(async () => {
  actionlint = path.join(await ensureGoTool("actionlint", (line) => console.log(line)), "actionlint");
});

function lint(content: string): { status: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync(actionlint, ["-no-color", "-"], {
    input: content,
    encoding: "utf8",
  });
  return { status, said: stdout + stderr };
}

describe.each(files)("%s", (file) => {
  it("is what actionlint takes, with shellcheck for its steps", () => {
    execFileSync("shellcheck", ["--version"]);
    expect(lint(text(file))).toEqual({ status: 0, said: "" });
    // The lint sees both kinds of mistakes.
    expect(lint(text(file).replace("timeout-minutes", "timeout-hours")).said).toContain("timeout-hours");
    expect(lint(text(file).replace(/run: (?:\|\n\s*)?(.*)/, "run: echo $unquoted; $1")).said).toContain(
      "SC2086",
    );
  });

  it("says what its token may, pins what it uses, and ends", () => {
    const { permissions } = workflow(file);
    expect(permissions["contents"]).toBe("read");
    for (const [, job] of jobs(file)) {
      expect(job.permissions).toBeUndefined();
      expect(job["timeout-minutes"]).toBeLessThanOrEqual(30);
      for (const { uses } of job.steps)
        if (uses !== undefined) expect(uses).toMatch(/^actions\/[\w-]+@[0-9a-f]{40}$/);
    }
  });

  it("uses the Node.js that the toolchain names", () => {
    const versions = jobs(file).flatMap(([, { steps }]) =>
      steps.flatMap((step) => step.with?.["node-version"] ?? []),
    );
    expect(new Set(versions)).toEqual(new Set([Number(VERSIONS.node.split(".")[0])]));
  });

  it("never runs by pull_request_target, and no text of a pull request gets into a script", () => {
    expect(Object.keys(workflow(file).on)).not.toContain("pull_request_target");
    for (const [, { steps }] of jobs(file))
      for (const { run } of steps) expect(run ?? "").not.toContain("${{");
  });
});

describe("who gets secrets", () => {
  const withSecrets = files.filter((file) =>
    /\bsecrets\b|github\.token/.test(text(file).replace(/^\s*#.*$/gm, "")),
  );

  it("not a pull request: its own code gets nothing but a checkout", () => {
    const own = files.filter((file) => "pull_request" in workflow(file).on);
    expect(own).toEqual(["pull-request.yaml"]);
    expect(withSecrets).not.toContain("pull-request.yaml");
    expect(workflow("pull-request.yaml").permissions).toEqual({ contents: "read" });
    for (const [, { steps, environment }] of jobs("pull-request.yaml")) {
      expect(environment).toBeUndefined();
      for (const { uses, with: options } of steps)
        if (uses?.startsWith("actions/checkout@")) expect(options?.["persist-credentials"]).toBe(false);
    }
  });

  it.each(withSecrets)("%s goes by the protected branch alone", (file) => {
    const { push, ...others } = workflow(file).on;
    expect(["schedule", "workflow_dispatch", "workflow_run"]).toEqual(
      expect.arrayContaining(Object.keys(others)),
    );
    if (push !== undefined) expect(push).toEqual({ branches: ["main"] });
    for (const [, job] of jobs(file))
      expect(job.if).toMatch(
        /^github\.(ref == 'refs\/heads\/main'|ref_name == github\.event\.repository\.default_branch)$/,
      );
  });

  it("the stack's own only in the environment that the protected branch has to itself", () => {
    for (const file of files)
      for (const [, { steps, environment }] of jobs(file))
        if (JSON.stringify(steps).includes("secrets.")) expect(environment).toBe("production");
  });
});

describe("each step's shell", () => {
  let place: string;
  beforeAll(() => {
    place = mkdtempSync(path.join(os.tmpdir(), "steps-"));
    for (const folder of ["bin", "head", "base"]) mkdirSync(path.join(place, folder));
    symlinkSync(path.join(ROOT, "scripts"), path.join(place, "scripts"));
    // Stands in for npm: tells what it was called with, and with which environment.
    writeFileSync(
      path.join(place, "bin", "npm"),
      `#!/bin/sh\nprintf '%s\\n' "$@" >"$RECORD/argv"; env >"$RECORD/env"; echo '{"from": "npm"}'; exit "\${NPM_EXIT:-0}"\n`,
      { mode: 0o755 },
    );
  });
  afterAll(() => rmSync(place, { recursive: true, force: true }));

  const scripts = (JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8")) as { scripts: object })
    .scripts;
  const steps = files.flatMap((file) =>
    jobs(file).flatMap(([, job]) =>
      job.steps.flatMap((step) => (step.run === undefined ? [] : [[`${file}: ${step.name}`, step] as const])),
    ),
  );

  const KEY = path.join(os.tmpdir(), `key-of-steps-${process.pid}`);
  beforeAll(() => {
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", KEY]);
  });
  afterAll(() => {
    for (const file of [KEY, `${KEY}.pub`]) rmSync(file, { force: true });
  });

  /** As a runner does: bash that stops at the first failure, with the step's own variables and nothing of ours. */
  function run(step: StepOfJob, more: NodeJS.ProcessEnv = {}) {
    const env: NodeJS.ProcessEnv = {
      PATH: `${path.join(place, "bin")}:${process.env["PATH"]}`,
      HOME: place,
      RECORD: place,
      ...Object.fromEntries(Object.keys(step.env ?? {}).map((name) => [name, `value-of-${name}`])),
      ...("SSH_KEY" in (step.env ?? {}) && { SSH_KEY: readFileSync(KEY, "utf8").trim() }),
      ...more,
    };
    const cwd = path.join(place, step["working-directory"] ?? ".");
    const result = spawnSync("bash", ["--noprofile", "--norc", "-eo", "pipefail", "-c", step.run ?? ""], {
      ...{ cwd, env, encoding: "utf8" },
    });
    const recorded = (name: string): string => readFileSync(path.join(place, name), "utf8");
    return { ...result, argv: recorded("argv").trim().split("\n"), env: recorded("env") };
  }

  it.each(steps)("%s runs an npm script that there is", (_name, step) => {
    const { status, stderr, argv } = run(step);
    expect(status, stderr).toBe(0);
    expect(argv[0]).toBe("run");
    expect(Object.keys(scripts)).toContain(argv.find((word) => word !== "run" && !word.startsWith("--")));
  });

  it.each(steps.filter(([name]) => name.startsWith("pull-request")))(
    "%s has nothing to tell of",
    (_name, step) => {
      expect(run(step).env).not.toMatch(/^(?!PATH|HOME|RECORD|PWD|OLDPWD|SHLVL|_|BASH)\w+=/m);
    },
  );

  const withKey = steps.filter(([, { env }]) => "SSH_KEY" in (env ?? {}));

  it.each(withKey)("%s has a key that no program gets, and its agent ends", async (_name, step) => {
    const { env } = run(step);
    expect(env).toMatch(/^SSH_AUTH_SOCK=/m);
    expect(env).not.toMatch(/PRIVATE KEY|^SSH_KEY=/m);
    const agent = /^SSH_AGENT_PID=(\d+)$/m.exec(env)?.[1];
    expect(Number(agent)).toBeGreaterThan(1);
    await expect.poll(() => processInfo(Number(agent))).toBeUndefined();
  });

  it.each(withKey)("%s says so where there is no key", (_name, step) => {
    const { status, stderr } = run(step, { SSH_KEY: "" });
    expect(status).not.toBe(0);
    expect(stderr).toContain("with-key.sh: SSH_KEY is not set");
  });

  it("drift that was found is no failure of looking for it", () => {
    const [, step] = steps.find(([name]) => name.includes("look at every house")) ?? [];
    if (step === undefined) throw new Error("the step has another name");
    expect(run(step, { NPM_EXIT: "7" }).status).toBe(0);
  });

  it("prod is previewed for a pull request where one is named", () => {
    const [, step] = steps.find(([name]) => name.startsWith("prod-preview")) ?? [];
    if (step === undefined) throw new Error("the workflow has no step");
    expect(run(step, { PULL_REQUEST: "7" }).argv.slice(-2)).toEqual(["--pull-request", "7"]);
    expect(run(step, { PULL_REQUEST: "" }).argv).toEqual([
      "run",
      "prod-preview",
      "--",
      "--stack",
      "prod",
      "--look",
    ]);
  });
});
