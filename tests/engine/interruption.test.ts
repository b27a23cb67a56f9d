/** Processes killed at many points of `up`: each house stays whole, nothing goes on writing, and the next `up` finishes the work. */
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { pendingCreates } from "../../scripts/locks.ts";
import { brokenHouses, HOUSES, houseFolder, releaseOf, remember, treeOf, type References } from "./houses.ts";
import { killNow, processesOf } from "./processes.ts";
import { makeWorkspace, type CommandResult, type Workspace } from "./workspace.ts";

let work: Workspace;
/** What undisturbed runs left: both variants of each house. */
const references: References = new Map();
/** Milliseconds from the engine's lock to the end of an undisturbed run. */
const duration = { create: 0, update: 0 };

const run = (...args: string[]): Promise<CommandResult> => work.run(args);
const soul = (): string => path.join(work.dir, "wizards/base/SOUL.md");
let original: string;

/** Two variants of all houses: every release differs between them. */
const choose = (variant: "old" | "new"): void =>
  writeFileSync(soul(), variant === "old" ? original : `${original}\nThe other variant.\n`);
let variant: "old" | "new" = "old";
/** The other variant is not on the hosts any more: it has to be staged anew. */
function changeAllHouses(): void {
  variant = variant === "old" ? "new" : "old";
  choose(variant);
  for (const house of Object.keys(HOUSES)) {
    const releases = path.join(houseFolder(work, house), "releases");
    for (const id of readdirSync(releases)) {
      if (id !== releaseOf(work, house)) rmSync(path.join(releases, id), { recursive: true });
    }
  }
}

const lockFolder = (): string =>
  path.join(work.dir, ".dev/state/.pulumi/locks/organization/wizard-houses/dev");
const locks = (): string[] =>
  existsSync(lockFolder()) ? readdirSync(lockFolder()).filter((name) => name.endsWith(".json")) : [];

/** Operations the state lists as begun and not ended. */
function pendingOperations(): unknown[] {
  if (!existsSync(work.stateFile())) return [];
  const state = JSON.parse(readFileSync(work.stateFile(), "utf8")) as {
    checkpoint?: { latest?: { pending_operations?: unknown[] } };
  };
  return state.checkpoint?.latest?.pending_operations ?? [];
}

async function until(condition: () => boolean, what: string, pause = 5): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited 30 s in vain for ${what}`);
    await sleep(pause);
  }
}

const engines = (): number[] =>
  locks().map(
    (name) => (JSON.parse(readFileSync(path.join(lockFolder(), name), "utf8")) as { pid: number }).pid,
  );
const providers = (): number[] =>
  processesOf(work.dir)
    .filter(({ command }) => /^node \S+\/provider\/main\.mjs/.test(command))
    .map(({ pid }) => pid);

/** Who is killed. The engine starts a second provider per run, so there may be two of those. */
const VICTIMS = {
  "the engine": engines,
  "the provider": providers,
  "engine and provider": () => [...engines(), ...providers()],
} as const;
type Victim = keyof typeof VICTIMS;

/** Kills at once, as far as they are there. Returns how many it hit. */
function kill(victim: Victim): number {
  return VICTIMS[victim]().filter(killNow).length;
}

const staged = (house: string): boolean => {
  const folder = path.join(houseFolder(work, house), "releases");
  return existsSync(folder) && readdirSync(folder).some((name) => name.endsWith(".staged"));
};

type Kind = "create" | "update";
/** When it happens: at a share of the run, counted from the lock, or at something that is seen on a host. */
type Moment = number | "the canary is being staged" | "the canary has switched";

async function waitFor(
  moment: Moment,
  kind: Kind,
  before: string | undefined,
  running: () => boolean,
): Promise<void> {
  await until(() => locks().length > 0 || !running(), "the engine's lock");
  if (typeof moment === "number") {
    await sleep(moment * duration[kind]);
  } else if (moment === "the canary is being staged") {
    await until(() => staged("bezalel") || !running(), moment, 0);
  } else {
    await until(() => releaseOf(work, "bezalel") !== before || !running(), moment, 0);
  }
}

/** Milliseconds; a provider without an engine gives up after three seconds. */
const REST = 12_000;

/** Everything ours has ended some seconds after the command has, and nothing changes any more. */
async function comesToRest(): Promise<void> {
  const running = () => processesOf(work.dir).map(({ command }) => command);
  const since = Date.now();
  while (running().length > 0 && Date.now() - since < REST) await sleep(100);
  expect(running()).toEqual([]);
  const before = treeOf(path.join(work.dir, ".dev"));
  await sleep(300);
  expect(treeOf(path.join(work.dir, ".dev"))).toEqual(before);
}

/** The next `up`, told to clear up where there is something to clear up, ends well and leaves nothing open. */
async function finishes(): Promise<void> {
  const leftovers =
    locks().length +
    (existsSync(work.stateFile()) ? pendingCreates(readFileSync(work.stateFile(), "utf8")).length : 0);
  const up = await run("up", ...(leftovers > 0 ? ["--recover"] : []));
  expect(up.code, up.stdout + up.stderr).toBe(0);
  expect(brokenHouses(work, references)).toEqual([]);
  expect(locks()).toEqual([]);
  expect(pendingOperations()).toEqual([]);
  const drift = await run("drift");
  expect(drift.code, drift.stdout + drift.stderr).toBe(0);
}

/** One run of `up` that loses a process. Returns whether there was anything to kill. */
async function interrupted(victim: Victim, moment: Moment, kind: Kind): Promise<boolean> {
  const before = releaseOf(work, "bezalel");
  const { child, result } = work.start(["up"]);
  await waitFor(moment, kind, before, () => child.exitCode === null);
  const hit = kill(victim);
  const since = Date.now();
  expect(brokenHouses(work, references), "right afterwards").toEqual([]);
  const { code, stdout, stderr } = await result;
  if (hit > 0 && victim !== "the provider") expect(code, stdout + stderr).not.toBe(0);
  await sleep(Math.max(0, 2000 - (Date.now() - since)));
  expect(brokenHouses(work, references), "two seconds later").toEqual([]);
  await comesToRest();
  return hit > 0;
}

/** The same with what makes a run, and where that was over too soon, once more with less time. */
async function interruptedInTime(
  prepare: () => void | Promise<void>,
  victim: Victim,
  moment: Moment,
  kind: Kind,
): Promise<boolean> {
  const moments = typeof moment === "number" ? [moment, moment / 2, moment / 4] : [moment];
  for (const one of moments) {
    await prepare();
    if (await interrupted(victim, one, kind)) return true;
  }
  return false;
}

/** Runs undisturbed and returns the milliseconds from lock to end. */
async function timed(): Promise<number> {
  const { child, result } = work.start(["up"]);
  await until(() => locks().length > 0 || child.exitCode !== null, "the engine's lock");
  const began = Date.now();
  const { code, stdout, stderr } = await result;
  expect(code, stdout + stderr).toBe(0);
  remember(work, references);
  return Date.now() - began;
}

async function destroy(): Promise<void> {
  const { code, stdout, stderr } = await run("destroy");
  expect(code, stdout + stderr).toBe(0);
}

beforeAll(async () => {
  work = makeWorkspace();
  original = readFileSync(soul(), "utf8");
  duration.create = await timed();
  changeAllHouses();
  duration.update = await timed();
  expect(references.size).toBe(2 * Object.keys(HOUSES).length);
});
afterAll(() => work.cleanup());

describe("the checks of this file", () => {
  it("see a release that is not whole, and a process that is still there", async () => {
    const file = path.join(houseFolder(work, "ezra"), "current/SOUL.md");
    const content = readFileSync(file);
    writeFileSync(file, "half");
    expect(brokenHouses(work, references)).toHaveLength(1);
    writeFileSync(file, content);
    expect(brokenHouses(work, references)).toEqual([]);

    const sleeper = spawn("sleep", ["60"], { cwd: work.dir, stdio: "ignore" });
    await until(() => processesOf(work.dir).length > 0, "the process to be seen");
    sleeper.kill();
    await until(() => processesOf(work.dir).length === 0, "the process to be gone");
  });
});

/** Whether each kill found somebody to kill. */
const hits: boolean[] = [];

describe.each(Object.keys(VICTIMS) as Victim[])("an update of all houses, kill -9 of %s", (victim) => {
  it.each<Moment>([0.3, 0.6, "the canary is being staged", "the canary has switched"])(
    "at %s",
    async (moment) => {
      hits.push(await interruptedInTime(changeAllHouses, victim, moment, "update"));
      await finishes();
    },
  );
});

describe("a first create", () => {
  it.each<[Victim, Moment]>([
    ["the engine", "the canary is being staged"],
    ["the engine", 0.6],
    ["the provider", "the canary is being staged"],
    ["engine and provider", "the canary has switched"],
  ])("kill -9 of %s at %s", async (victim, moment) => {
    hits.push(await interruptedInTime(destroy, victim, moment, "create"));
    await finishes();
  });
});

describe("the kills", () => {
  it("nearly all hit: a run may be faster or slower than the one that was timed, but not all of them", () => {
    expect(hits.filter((hit) => !hit).length, hits.join(" ")).toBeLessThanOrEqual(3);
  });
});

describe("Ctrl-C on a terminal", () => {
  /** `npm run up` on a pseudo-terminal, where a Ctrl-C reaches the whole foreground group. */
  function onTerminal(): { child: ChildProcess; result: Promise<string> } {
    const child = spawn("script", ["-qec", "npm run up", "/dev/null"], {
      cwd: work.dir,
      env: { ...process.env, NO_COLOR: "1", TERM: "dumb" },
      stdio: "pipe",
    });
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
    const result = new Promise<string>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", () => resolve(said));
    });
    return { child, result };
  }

  it.each<[Kind, Moment]>([
    ["update", 0.2],
    ["update", "the canary is being staged"],
    ["create", "the canary is being staged"],
  ])("ends in order: %s, at %s", async (kind, moment) => {
    if (kind === "create") await destroy();
    else changeAllHouses();
    const before = releaseOf(work, "bezalel");
    const { child, result } = onTerminal();
    await waitFor(moment, kind, before, () => child.exitCode === null);
    child.stdin?.write("\u0003");
    const said = await result;
    expect(child.exitCode, said).not.toBe(0);
    expect(locks(), said).toEqual([]);
    expect(pendingOperations(), said).toEqual([]);
    expect(brokenHouses(work, references)).toEqual([]);
    await comesToRest();
    await finishes();
  });
});
