/** The npm commands as an operator uses them, on the real engine. The tests build on one another: one stack, one life. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { pulumiHome } from "../../toolchain/engine.ts";
import { makeWorkspace, type CommandResult, type Workspace } from "./workspace.ts";

let work: Workspace;
let home: string;

beforeAll(() => {
  work = makeWorkspace();
  home = mkdtempSync(path.join(os.tmpdir(), "wizard-houses-home-"));
});
afterAll(() => {
  work.cleanup();
  rmSync(home, { recursive: true, force: true });
});

/** With a home folder of its own, so that a test sees what a command leaves there. The engine stays where it is. */
const environment = (): NodeJS.ProcessEnv => ({ HOME: home, PULUMI_HOME: pulumiHome() });
const run = (...args: string[]): Promise<CommandResult> => work.run(args, { env: environment() });

const state = (): string => readFileSync(work.stateFile(), "utf8");
const locks = (): string => path.join(work.dir, ".dev/state/.pulumi/locks/organization/wizard-houses/dev");
const lockFiles = (): string[] =>
  existsSync(locks()) ? readdirSync(locks()).filter((name) => name.endsWith(".json")) : [];

/** `srv/wizards/<house>` on the folder that stands for its host. */
function houseFolder(house: string): string {
  const host = readdirSync(path.join(work.dir, ".dev/hosts")).find((name) =>
    existsSync(path.join(work.hostRoot(name), "srv/wizards", house)),
  );
  if (host === undefined) throw new Error(`no host has the house ${house}`);
  return path.join(work.hostRoot(host), "srv/wizards", house);
}

async function eventually(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 300) throw new Error("waited 30 s for something that did not happen");
    await sleep(100);
  }
}

function writeLock(pid: number): void {
  mkdirSync(locks(), { recursive: true });
  const content = { pid, username: "somebody", hostname: os.hostname(), timestamp: new Date().toISOString() };
  writeFileSync(path.join(locks(), "11111111-1111-4111-8111-111111111111.json"), JSON.stringify(content));
}

/** Makes the next `up` write: every house gets another SOUL. */
function changeSouls(text: string): void {
  appendFileSync(path.join(work.dir, "wizards/base/SOUL.md"), `\n${text}\n`);
}

const engineOf = (): number =>
  (JSON.parse(readFileSync(path.join(locks(), lockFiles()[0] ?? ""), "utf8")) as { pid: number }).pid;

describe("bad input ends before the engine starts", () => {
  it("an unknown command", async () => {
    expect(await run("upp")).toMatchObject({ code: 1, stderr: expect.stringContaining("usage:") as string });
  });

  it("a fleet with mistakes: all of them, and nothing is made", async () => {
    const file = path.join(work.dir, "wizards/ezra/house.yaml");
    const good = readFileSync(file, "utf8");
    writeFileSync(file, `${good}\nunknown_key: 1\nanother_one: 2\n`);
    const { code, stderr } = await run("up");
    writeFileSync(file, good);
    expect(code).toBe(1);
    expect(stderr).toContain("unknown_key");
    expect(stderr).toContain("another_one");
    expect(existsSync(path.join(work.dir, ".dev"))).toBe(false);
  });

  it("an API key as plain text: file and path, never the value", async () => {
    const file = path.join(work.dir, "Pulumi.prod.yaml");
    const good = readFileSync(file, "utf8");
    writeFileSync(file, `${good}\n  wizard-houses:keys:\n    OPENROUTER_API_KEY: sk-or-v1-canary\n`);
    const { code, stdout, stderr } = await run("up");
    writeFileSync(file, good);
    expect(code).toBe(1);
    expect(stderr).toContain("Pulumi.prod.yaml: config.wizard-houses:keys.OPENROUTER_API_KEY");
    expect(stdout + stderr).not.toContain("sk-or-v1-canary");
  });

  it("a real stack with an empty passphrase", async () => {
    const { code, stderr } = await work.run(["preview", "-s", "prod"], {
      env: { ...environment(), PULUMI_CONFIG_PASSPHRASE: "" },
    });
    expect(code).toBe(1);
    expect(stderr).toContain("the passphrase of stack prod is empty");
  });
});

describe("up, drift, destroy", () => {
  it("brings up three houses and leaves the operator's home alone", async () => {
    const { code, stdout } = await run("up");
    expect(code, stdout).toBe(0);
    for (const house of ["allegro", "bezalel", "ezra"]) {
      expect(existsSync(path.join(houseFolder(house), "current", "config.yaml")), house).toBe(true);
    }
    expect(readdirSync(home)).toEqual([]);
  });

  it("keeps in the state which scripts the houses have, and not their text", () => {
    const script = readFileSync(path.join(work.dir, "components/deadman/deadman.sh"), "utf8");
    const digest = createHash("sha256").update(script).digest("hex");
    expect(state()).toMatch(/"source": ?"components\/deadman\/deadman\.sh"/);
    expect(state()).toContain(digest);
    expect(readFileSync(path.join(houseFolder("ezra"), "current/deadman/deadman.sh"), "utf8")).toBe(script);
    const line = script.split("\n").find((text) => text.length > 60) ?? "";
    expect(state()).not.toContain(JSON.stringify(line).slice(1, -1));
  });

  it("changes nothing the second time", async () => {
    const { code, stdout } = await run("up");
    expect(code).toBe(0);
    expect(stdout).toMatch(/Resources:\n\s+\d+ unchanged\n/);
    expect(stdout).not.toContain("warning");
  });

  it("finds no drift, quietly and without writing", async () => {
    const before = state();
    expect(await run("drift")).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^no drift: 3 houses, \d+ files\n$/) as string,
      stderr: "",
    });
    expect(state()).toBe(before);
  });

  it("names house, aspect, file and property of each drift, lists them beside a house that cannot be looked at, writes nothing", async () => {
    const before = state();
    const ezra = houseFolder("ezra");
    const ezraHost = path.join(ezra, "../../..");
    appendFileSync(path.join(ezra, "current/config.yaml"), "# by hand\n");
    chmodSync(path.join(ezra, "current/golden.yaml"), 0o600);
    rmSync(path.join(ezra, "current/jobs.json"));
    appendFileSync(path.join(ezra, "current/cron/wizard-ezra"), "* * * * * root true\n");
    rmSync(path.join(ezra, "home/SOUL.md"));
    writeFileSync(path.join(ezra, "home/SOUL.md"), "plain");
    rmSync(path.join(ezraHost, "etc/systemd/system/multi-user.target.wants/hermes-ezra.service"));
    const allegro = houseFolder("allegro");
    rmSync(path.join(allegro, "current"));
    writeFileSync(path.join(allegro, "current"), "plain");
    writeFileSync(path.join(ezra, "home/notes.txt"), "the agent's own");

    const drifted = await run("drift");
    expect(drifted.code, drifted.stderr).toBe(7);
    for (const line of [
      /^ezra: golden-state: config\.yaml content: \(on the host: sha256 .* bytes\) → sha256 .* bytes$/m,
      /^ezra: golden-state: golden\.yaml mode: 0600 → 0640$/m,
      /^ezra: [\w-]+: jobs\.json exists: absent → present$/m,
      /^ezra: cron: wizard-ezra content: /m,
      /^ezra: golden-state: home\/SOUL\.md target: .* → SOUL\.md$/m,
      /^ezra: gateway: hermes-ezra\.service enabled: false → true$/m,
      /^allegro: release: release: .* → [0-9a-f]+$/m,
    ]) {
      expect(drifted.stdout).toMatch(line);
    }
    expect(drifted.stdout).not.toContain("notes.txt");

    const bezalel = houseFolder("bezalel");
    renameSync(bezalel, `${bezalel}.away`);
    symlinkSync("bezalel", bezalel);
    const blind = await run("drift");
    rmSync(bezalel);
    renameSync(`${bezalel}.away`, bezalel);
    expect(blind.code).toBe(4);
    expect(blind.stdout).toMatch(/^bezalel: cannot be looked at: .+$/m);
    expect(blind.stdout).toMatch(/^ezra: golden-state: golden\.yaml mode: 0600 → 0640$/m);
    expect(state()).toBe(before);
  });

  it("repairs drift with up, and touches nothing else", async () => {
    const { code, stdout, stderr } = await run("up");
    expect(code, stdout + stderr).toBe(0);
    expect((await run("drift")).code).toBe(0);
    const ezra = houseFolder("ezra");
    expect(readFileSync(path.join(ezra, "home/notes.txt"), "utf8")).toBe("the agent's own");
    expect(readlinkSync(path.join(houseFolder("allegro"), "current"))).toMatch(/^releases\/[0-9a-f]+$/);
  });

  it("gives a policy violation an exit code of its own", async () => {
    const pack = path.join(work.dir, "pack");
    mkdirSync(pack);
    writeFileSync(path.join(pack, "PulumiPolicy.yaml"), "runtime: nodejs\nmain: index.cjs\n");
    writeFileSync(path.join(pack, "package.json"), `{"name": "pack", "main": "index.cjs"}`);
    writeFileSync(
      path.join(pack, "index.cjs"),
      `const { PolicyPack } = require("@pulumi/policy");
       new PolicyPack("pack", { policies: [{ name: "no-ezra", description: "Ezra is not allowed.", enforcementLevel: "mandatory",
         validateResource: (args, report) => { if (args.name === "ezra-release") report("it is here"); } }] });`,
    );
    const { code, stderr } = await run("preview", "--policy-pack", "pack");
    rmSync(pack, { recursive: true });
    expect(code).toBe(5);
    expect(stderr).toContain("policy: ezra: no-ezra: it is here");
  });
});

describe("what a dead engine leaves", () => {
  it("a living owner of the lock is named and left alone", async () => {
    const owner = spawn(process.execPath, ["-e", "setTimeout(() => {}, 120000)", "pulumi"], {
      stdio: "ignore",
    });
    try {
      writeLock(owner.pid ?? 0);
      const { code, stderr } = await run("up", "--recover");
      expect(code).toBe(1);
      expect(stderr).toContain(`in use by somebody@${os.hostname()}, process ${owner.pid}`);
      expect(lockFiles()).toHaveLength(1);
    } finally {
      owner.kill();
    }
  });

  it("a dead owner's lock is told of, and removed only when that is asked for", async () => {
    writeLock(4_999_999);
    const refused = await run("up");
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("locked by a process that is gone");
    expect(refused.stderr).toContain("--recover");
    expect(lockFiles()).toHaveLength(1);

    const recovered = await run("up", "--recover");
    expect(recovered.code, recovered.stderr).toBe(0);
    expect(lockFiles()).toEqual([]);
  });

  it("kill -9 of the engine: the next up, told to recover, finishes the work", async () => {
    changeSouls("Killed in the middle.");
    const { result } = work.start(["up"], { env: environment() });
    await eventually(() => lockFiles().length > 0);
    await sleep(1500);
    process.kill(engineOf(), "SIGKILL");
    const killed = await result;
    expect(killed.code).toBe(137);
    expect(killed.stderr).toContain("ended by a signal");

    const recovered = await run("up", "--recover");
    expect(recovered.code, recovered.stdout + recovered.stderr).toBe(0);
    expect((await run("drift")).code).toBe(0);
  });

  it("Ctrl-C ends in order: no lock, and the next up goes on", async () => {
    changeSouls("Interrupted in the middle.");
    const { child, result } = work.start(["up"], { env: environment() });
    await eventually(() => lockFiles().length > 0);
    await sleep(500);
    child.kill("SIGINT");
    const interrupted = await result;
    expect(interrupted.code, interrupted.stdout).not.toBe(0);
    expect(lockFiles()).toEqual([]);
    expect((await run("up")).code).toBe(0);
  });
});

describe("destroy", () => {
  it("takes everything down but what the agents wrote", async () => {
    const ezra = houseFolder("ezra");
    const { code, stdout } = await run("destroy");
    expect(code, stdout).toBe(0);
    expect(existsSync(path.join(ezra, "current"))).toBe(false);
    expect(existsSync(path.join(ezra, "home/notes.txt"))).toBe(true);
  });
});
