/** A stack of the operator's own: what is asked, where copies go, and that no log of a run is left. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { makeEngineHome } from "./engine-home.ts";
import { dropHouse } from "./many-houses.ts";
import { makeWorkspace, type CommandResult, type Workspace } from "./workspace.ts";

let work: Workspace;
let belongings: string;
const own = (...parts: string[]): string => path.join(belongings, ...parts);
const environment = (): NodeJS.ProcessEnv => ({
  HOME: own("home"),
  XDG_STATE_HOME: "",
  PULUMI_HOME: own("pulumi"),
  PULUMI_CREDENTIALS_PATH: "",
  PULUMI_BACKEND_URL: pathToFileURL(own("state")).href,
  PULUMI_CONFIG_PASSPHRASE: "of the test",
});
const run = (...args: string[]): Promise<CommandResult> =>
  work.run([...args, "-s", "stage"], { env: environment() });

beforeAll(async () => {
  work = makeWorkspace();
  belongings = mkdtempSync(path.join(os.tmpdir(), "wizard-houses-operator-"));
  for (const name of ["home", "state"]) mkdirSync(own(name));
  await makeEngineHome(own("pulumi"));
  const settings = ["environment: dev", "transport: local", "root: .stage"];
  writeFileSync(
    path.join(work.dir, "Pulumi.stage.yaml"),
    `config:\n${settings.map((line) => `  wizard-houses:${line}\n`).join("")}`,
  );
  const made = await run("pulumi", "stack", "init", "stage", "--no-select");
  expect(made.code, made.stderr).toBe(0);
});
afterAll(() => {
  work.cleanup();
  rmSync(belongings, { recursive: true, force: true });
});

/** Runs a command on a pseudo-terminal and gives it an answer when it asks. */
function onTerminal(command: string, answer: string): Promise<{ code: number | null; said: string }> {
  const child = spawn("script", ["-qec", `${command} -s stage`, "/dev/null"], {
    cwd: work.dir,
    env: { ...process.env, ...environment(), NO_COLOR: "1", TERM: "dumb" },
    stdio: "pipe",
  });
  let said = "";
  let answered = false;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    said += text;
    if (answered || !said.includes("[y/N]")) return;
    answered = true;
    child.stdin.write(`${answer}\r`);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, said: said.replaceAll("\r", "") }));
  });
}
const houses = (): string[] => {
  const folder = path.join(work.dir, ".stage", "forge", "srv", "wizards");
  return existsSync(folder) ? readdirSync(folder) : [];
};

describe("up of a stack that is not dev", () => {
  it("wants a yes where nobody can be asked", async () => {
    const up = await run("up");
    expect(up.code).not.toBe(0);
    expect(up.stderr).toContain("--yes");
    expect(houses()).toEqual([]);
  });

  it("shows on a terminal what it would do, asks, and takes no for an answer", async () => {
    const { code, said } = await onTerminal("npm run up --", "n");
    expect(said).toMatch(
      /Previewing update \(stage\):[^]*\+ bezalel: release[^]*to create[^]*up stage\? \[y\/N\]/,
    );
    expect(said).toContain("nothing was changed");
    expect(code).toBe(1);
    expect(houses()).toEqual([]);
  });

  it("does it after a yes", async () => {
    const { code, said } = await onTerminal("npm run up --", "y");
    expect(code, said).toBe(0);
    expect(said).toMatch(/Updating \(stage\):[^]*\+ bezalel: release[^]*created/);
    expect(houses()).toContain("bezalel");
  });

  it("leaves no log of the run, which would hold every key, and no login of its own", () => {
    const logs = path.join(own("pulumi"), "logs");
    const kept = existsSync(logs) ? readdirSync(logs).filter((name) => name.includes("stage")) : [];
    expect(kept).toEqual([]);
    expect(existsSync(path.join(own("pulumi"), "workspaces"))).toBe(true);
  });
});

describe("retire on a stack that is not dev", () => {
  it("wants a yes where nobody can be asked", async () => {
    dropHouse(work, "allegro");
    const refused = await run("retire", "allegro", "--abandon");
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("--yes");
  });

  it("takes --yes for it, and keeps the copy where only the operator looks", async () => {
    const retired = await run("retire", "allegro", "--abandon", "--yes");
    expect(retired.code, retired.stdout + retired.stderr).toBe(0);
    const folder = own("home", ".local", "state", "wizard-houses");
    const [copy = "", ...more] = readdirSync(folder);
    expect(more).toEqual([]);
    expect(copy).toMatch(/^stage-/);
    expect((statSync(path.join(folder, copy)).mode & 0o777).toString(8)).toBe("600");
    expect(retired.stdout).toContain(`stack import --file ${path.join(folder, copy)} -s stage`);
  });
});

describe("destroy of a stack that is not dev", () => {
  it("asks on a terminal", async () => {
    const { code, said } = await onTerminal("npm run destroy --", "y");
    expect(code, said).toBe(0);
    expect(said).toMatch(/- bezalel: release[^]*to delete[^]*destroy stage\? \[y\/N\][^]*deleted/);
    expect(houses()).toEqual([]);
  });
});
