/** The dev stack without root: an ordinary user brings it up, sees drift, and takes it down. */
import { execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { makeEngineHome } from "./engine-home.ts";
import { HOUSES, houseFolder } from "./houses.ts";
import { makeWorkspace, type CommandResult, type Workspace } from "./workspace.ts";

/** `nobody` on every Linux. Undefined where the tests themselves run as an ordinary user. */
const USER = process.getuid?.() === 0 ? 65534 : undefined;

let work: Workspace;
/** Home folder, engine and temporary files of that user. */
let belongings: string;
const own = (...parts: string[]): string => path.join(belongings, ...parts);

/** Runs a program as that user, without any other group. */
function asUser(command: string, args: readonly string[]): Promise<CommandResult> {
  const child = spawn(command, args, {
    cwd: work.dir,
    env: {
      PATH: `${own("bin")}:${process.env["PATH"] ?? ""}`,
      HOME: own("home"),
      TMPDIR: own("tmp"),
      PULUMI_HOME: own("pulumi"),
      NO_COLOR: "1",
    },
    stdio: ["ignore", "pipe", "pipe"],
    ...(USER !== undefined && { uid: USER, gid: USER }),
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? -1, stdout, stderr }));
  });
}

const run = (...args: string[]): Promise<CommandResult> =>
  asUser(own("bin", "node"), [path.join("scripts", "run.mjs"), ...args]);

/** Root's own copies may stand where nobody else may look. */
function makeReadable(from: string, to: string): void {
  try {
    linkSync(realpathSync(from), to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
    cpSync(from, to);
  }
}

/** Gives that user the folders, never the files in them: those may be hard links to somebody else's. */
function giveFolders(folder: string, user: number): void {
  chownSync(folder, user, user);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) giveFolders(path.join(folder, entry.name), user);
  }
}

/** node_modules of that user's own, with links to the packages, or copies where the checkout is not readable. */
async function givePackages(): Promise<void> {
  const modules = path.join(work.dir, "node_modules");
  const shared = realpathSync(modules);
  rmSync(modules);
  mkdirSync(modules);
  const readable = (await asUser("test", ["-r", path.join(shared, ".package-lock.json")])).code === 0;
  for (const name of readdirSync(shared)) {
    if (name === ".cache") continue;
    if (readable) symlinkSync(path.join(shared, name), path.join(modules, name));
    else
      cpSync(path.join(shared, name), path.join(modules, name), { recursive: true, verbatimSymlinks: true });
  }
}

beforeAll(async () => {
  work = makeWorkspace();
  belongings = mkdtempSync(path.join(os.tmpdir(), "wizard-houses-user-"));
  for (const name of ["bin", "home", "tmp"]) mkdirSync(own(name));
  makeReadable(process.execPath, own("bin", "node"));
  await makeEngineHome(own("pulumi"));
  if (USER !== undefined) {
    giveFolders(belongings, USER);
    execFileSync("chown", ["-hR", `${USER}:${USER}`, work.dir]);
  }
  await givePackages();
  if (USER !== undefined) chownSync(path.join(work.dir, "node_modules"), USER, USER);
});
afterAll(() => {
  work.cleanup();
  rmSync(belongings, { recursive: true, force: true });
});

const uid = (): number => USER ?? process.getuid?.() ?? -1;

/** Owners of everything below a folder. */
function ownersIn(folder: string): Set<number> {
  const owners = new Set([lstatSync(folder).uid]);
  for (const entry of readdirSync(folder, { recursive: true })) {
    owners.add(lstatSync(path.join(folder, String(entry))).uid);
  }
  return owners;
}

describe("an ordinary user", () => {
  it("is one: root's files are out of reach", async () => {
    expect((await asUser("id", ["-u"])).stdout).toBe(`${uid()}\n`);
    expect(uid()).not.toBe(0);
    expect((await asUser("cat", ["/etc/shadow"])).code).not.toBe(0);
  });

  it("brings the houses up, and hears once per host that owners are recorded but not set", async () => {
    const { code, stdout, stderr } = await run("up");
    expect(code, stdout + stderr).toBe(0);
    const notices = (stdout + stderr)
      .split("\n")
      .filter((line) => line.includes("wanted owners are recorded but not set"));
    expect(notices.map((line) => line.trim().split(" ")[0]).sort()).toEqual([
      ".dev/hosts/forge",
      ".dev/hosts/tower",
    ]);
    for (const house of Object.keys(HOUSES)) {
      expect(existsSync(path.join(houseFolder(work, house), "current/config.yaml")), house).toBe(true);
    }
    expect([...ownersIn(path.join(work.dir, ".dev"))]).toEqual([uid()]);
    expect(readdirSync(own("home"))).toEqual([]);
  });

  it("finds nothing to do afterwards", async () => {
    const drift = await run("drift");
    expect(drift.code, drift.stdout + drift.stderr).toBe(0);
    const up = await run("up", "--expect-no-changes");
    expect(up.code, up.stdout + up.stderr).toBe(0);
  });

  const mode = (file: string): string => (lstatSync(file).mode & 0o777).toString(8);
  const soul = (house: string): string => path.join(houseFolder(work, house), "current/SOUL.md");

  it("is told of a house that may not be entered, and of other houses' drift beside it", async () => {
    chmodSync(houseFolder(work, "ezra"), 0o000);
    for (const house of ["bezalel", "allegro"]) chmodSync(soul(house), 0o600);
    const drift = await run("drift");
    expect(drift.code, drift.stdout + drift.stderr).toBe(4);
    expect(drift.stdout).toMatch(/^ezra: cannot be looked at: .*no permission to enter/m);
    for (const house of ["bezalel", "allegro"]) {
      expect(drift.stdout).toMatch(new RegExp(`^${house}: golden-state: SOUL\\.md mode: 0600 → 0640$`, "m"));
    }
  });

  it("has the houses before it repaired, those behind it in the rollout left alone, and it untouched", async () => {
    const up = await run("up");
    expect(up.code, up.stdout + up.stderr).toBe(4);
    expect(up.stderr).toMatch(/ezra: cannot be looked at/);
    expect(up.stderr).toMatch(/^ {2}allegro: left as it was, since it waits for a house that failed$/m);
    expect(mode(soul("bezalel"))).toBe("640");
    expect(mode(soul("allegro"))).toBe("600");
    expect(mode(houseFolder(work, "ezra"))).toBe("0");
  });

  it("goes on with that house when it may be entered again", async () => {
    chmodSync(houseFolder(work, "ezra"), 0o750);
    const up = await run("up");
    expect(up.code, up.stdout + up.stderr).toBe(0);
    expect((await run("drift")).code).toBe(0);
  });

  it("takes the houses down", async () => {
    const { code, stdout, stderr } = await run("destroy");
    expect(code, stdout + stderr).toBe(0);
    for (const house of Object.keys(HOUSES)) expect(existsSync(houseFolder(work, house)), house).toBe(false);
  });
});
