/**
 * Keys stay where they belong: a stack of its own takes real-looking ones, and nothing has them but each house's `.env`, and
 * its `deadman/secrets.conf` those of the deadman switch.
 */
import { spawn } from "node:child_process";
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { engineIn, makeEngineHome } from "./engine-home.ts";
import { filesWith, leaksIn } from "./leaks.ts";
import { processesOf } from "./processes.ts";
import { makeWorkspace, type CommandResult, type Workspace } from "./workspace.ts";

/** Put together here, so that this file, which is part of every workspace, does not hold the values. */
const realLooking = (name: string): string => ["sk", `wz${name}`, "9qT4vX7bR2mZ8kL5wJ3nH6"].join("-");

/** By name of the key. */
const KEYS = Object.fromEntries(
  [
    "API_SERVER_KEY",
    "DEEPSEEK_API_KEY",
    "GEMINI_API_KEY",
    "GITEA_TOKEN",
    "KIMI_API_KEY",
    "OPENROUTER_API_KEY",
    "TELEGRAM_BOT_TOKEN",
  ].map((name) => [name, realLooking(name.replaceAll("_", ""))]),
);
/** What every house's deadman switch has, and no agent. */
const OF_ROOT = {
  DEADMAN_PING_URL: `https://ping.example/${realLooking("ping")}`,
  DEADMAN_WEBHOOK_URL: `https://alerts.example/?token=${realLooking("webhook")}`,
  DEADMAN_FORGE_TOKEN: realLooking("forge"),
};
const ROTATED = realLooking("rotated");
/** What somebody wrote into files of ours on the host. */
const PASTED = realLooking("pasted");
const SECRETS = [...Object.values(KEYS), ...["ping", "webhook", "forge"].map(realLooking), ROTATED, PASTED];

const HOUSES: Record<string, string> = { allegro: "tower", ezra: "tower", bezalel: "forge" };

let work: Workspace;
let home: string;
/** Everything any command said, and every command line seen while one ran. */
const heard: { what: string; text: string }[] = [];

const own = (...parts: string[]): string => path.join(work.dir, ".canary", ...parts);
const house = (name: string): string => own("hosts", HOUSES[name] ?? "", "srv", "wizards", name);

function environment(): NodeJS.ProcessEnv {
  return {
    HOME: own("home"),
    TMPDIR: own("tmp"),
    PULUMI_HOME: home,
    PULUMI_BACKEND_URL: pathToFileURL(own("state")).href,
    PULUMI_CONFIG_PASSPHRASE: "correct horse battery staple",
    PULUMI_SKIP_UPDATE_CHECK: "true",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    PULUMI_CONTINUE_ON_ERROR: "true",
  };
}

/** Keeps what a command says, and the command lines of everything it starts. */
async function listen(what: string, result: Promise<CommandResult>): Promise<CommandResult> {
  const lines = new Set<string>();
  const watch = setInterval(() => processesOf(work.dir).forEach(({ command }) => lines.add(command)), 50);
  try {
    const { code, stdout, stderr } = await result;
    heard.push({ what, text: stdout }, { what: `${what} (stderr)`, text: stderr });
    return { code, stdout, stderr };
  } finally {
    clearInterval(watch);
    heard.push({ what: `${what} (command lines)`, text: [...lines].join("\n") });
  }
}

/** One of our commands on the canary stack. */
const run = (command: string, ...args: string[]): Promise<CommandResult> =>
  listen([command, ...args].join(" "), work.run([command, "-s", "canary", ...args], { env: environment() }));

interface PulumiOptions {
  env?: NodeJS.ProcessEnv;
  input?: string;
  /** Whether what it says counts as heard. Default true. */
  kept?: boolean;
}

/** The engine itself, as an operator may use it. */
function pulumi(args: readonly string[], options: PulumiOptions = {}): Promise<CommandResult> {
  const child = spawn(engineIn(home), [...args, "-s", "canary", "--non-interactive"], {
    cwd: work.dir,
    env: { ...process.env, ...environment(), ...options.env },
    stdio: "pipe",
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  child.stdin.end(options.input ?? "");
  const result = new Promise<CommandResult>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? -1, stdout, stderr }));
  });
  return options.kept === false ? result : listen(`pulumi ${args.join(" ")}`, result);
}

const setKey = (name: string, value: string): Promise<CommandResult> =>
  pulumi(["config", "set", "--secret", "--path", `wizard-houses:keys.${name}`], { input: value });

const changeSouls = (text: string): void =>
  appendFileSync(path.join(work.dir, "wizards/base/SOUL.md"), `\n${text}\n`);

/** Somebody pastes a key into a plain file of ours and one into a secret file. */
function paste(): void {
  appendFileSync(path.join(house("ezra"), "current/config.yaml"), `stray: ${PASTED}\n`);
  appendFileSync(path.join(house("allegro"), "current/units/hermes-allegro.service"), `# ${PASTED}\n`);
  appendFileSync(path.join(house("ezra"), "current/cron/wizard-ezra"), `# ${PASTED}\n`);
  appendFileSync(path.join(house("bezalel"), "current/.env"), `STRAY=${PASTED}\n`);
  writeFileSync(path.join(house("allegro"), "current/.env"), `ALL_OTHER=${PASTED}\n`);
}

/** Lines in which the engine logs what it sends to and gets from SDK and provider, with every secret input in clear. */
const ENGINE_TRACE = /"msg":"(Marshaling property for RPC|Unmarshaling property for RPC|Planner decided to )/;

/** The lines that match, and the others. */
function parted(text: string, matches: (line: string) => boolean): [string, string] {
  const lines = text.split("\n");
  return [lines.filter(matches).join("\n"), lines.filter((line) => !matches(line)).join("\n")];
}

/** Where a secret was heard, by what was said. */
const spoken = (): string[] =>
  heard.flatMap(({ what, text }) => {
    const leaked = leaksIn(text, SECRETS);
    return leaked.length > 0 ? [`${what}: ${leaked.join(" ")}`] : [];
  });

/** Files with a secret, releases' files for secrets left out. */
const PLACE =
  /^\.canary\/hosts\/\w+\/srv\/wizards\/\w+\/releases\/[0-9a-f]{16}\/(\.env|deadman\/secrets\.conf)$/;
const written = (): string[] => filesWith(work.dir, SECRETS).filter((file) => !PLACE.test(file));

beforeAll(async () => {
  work = makeWorkspace();
  home = own("pulumi");
  for (const folder of ["home", "tmp", "state"]) mkdirSync(own(folder), { recursive: true });
  await makeEngineHome(home);
  writeFileSync(
    path.join(work.dir, "Pulumi.canary.yaml"),
    "config:\n  wizard-houses:environment: prod\n  wizard-houses:transport: local\n  wizard-houses:root: .canary/hosts\n",
  );
  const fleet = path.join(work.dir, "wizards/fleet.yaml");
  const settings = [
    "    pingUrlKey: DEADMAN_PING_URL",
    "    webhookUrlKey: DEADMAN_WEBHOOK_URL",
    "    forge: {url: https://forge.example, repository: fleet/houses, tokenKey: DEADMAN_FORGE_TOKEN}",
  ];
  const text = readFileSync(fleet, "utf8");
  writeFileSync(
    fleet,
    text.replace(/^    dryRun: false\n/m, (line) => `${line}${settings.join("\n")}\n`),
  );
  const made = await pulumi(["stack", "init", "--no-select"]);
  expect(made.code, made.stderr).toBe(0);
  for (const [name, value] of Object.entries({ ...KEYS, ...OF_ROOT })) {
    const set = await setKey(name, value);
    expect(set.code, set.stderr).toBe(0);
  }
});
afterAll(() => work.cleanup());

describe("the search", () => {
  it("finds what is planted: in a state file, packed, and in base64", () => {
    const [secret = ""] = SECRETS;
    const folder = own("planted");
    mkdirSync(folder);
    writeFileSync(path.join(folder, "plain.json"), JSON.stringify({ outputs: { key: secret } }));
    writeFileSync(path.join(folder, "packed.log"), gzipSync(`a line with ${secret}\n`));
    writeFileSync(path.join(folder, "harmless"), secret.slice(0, 12));
    for (const before of ["", "a", "ab"])
      writeFileSync(
        path.join(folder, `base64-${before.length}`),
        Buffer.from(`${before}${secret}tail`).toString("base64"),
      );
    const found = filesWith(folder, SECRETS);
    rmSync(folder, { recursive: true });
    expect(found).toEqual(["base64-0", "base64-1", "base64-2", "packed.log", "plain.json"]);
  });
});

// Whatever happens in these, the last part of the file searches for what it left.
describe("a stack's life", () => {
  it("comes up with the keys in each house's .env, root's in root's file, and nowhere else on the host", async () => {
    const { code, stdout, stderr } = await run("up", "--yes");
    expect(code, stdout + stderr).toBe(0);
    for (const name of Object.keys(HOUSES)) {
      const file = path.join(house(name), "current/.env");
      expect(leaksIn(readFileSync(file), Object.values(KEYS)).length, name).toBeGreaterThanOrEqual(5);
    }
    for (const name of Object.keys(HOUSES)) {
      const lines = readFileSync(path.join(house(name), "current/deadman/secrets.conf"), "utf8").split("\n");
      expect(lines.slice(1, -1), name).toEqual([
        `PING_URL=${OF_ROOT.DEADMAN_PING_URL}`,
        `WEBHOOK_URL=${OF_ROOT.DEADMAN_WEBHOOK_URL}`,
        `FORGE_TOKEN=${OF_ROOT.DEADMAN_FORGE_TOKEN}`,
      ]);
      const env = readFileSync(path.join(house(name), "current/.env"));
      expect(leaksIn(env, ["ping", "webhook", "forge"].map(realLooking)), name).toEqual([]);
    }
    expect(filesWith(own("hosts"), SECRETS)).toHaveLength(6);
    expect(written()).toEqual([]);
  });

  it("says nothing of them in a changing update's diff, also when one of them is new", async () => {
    changeSouls("First change.");
    expect((await setKey("KIMI_API_KEY", ROTATED)).code).toBe(0);
    const preview = await run("preview", "--diff");
    expect(preview.code, preview.stderr).toBe(0);
    expect(preview.stdout).toContain("First change.");
    expect(preview.stdout).toContain(".env");
    expect((await run("up", "--yes", "--diff")).code).toBe(0);
    expect(leaksIn(readFileSync(path.join(house("ezra"), "current/.env")), [ROTATED])).toEqual([ROTATED]);
  });

  it("keeps every release's .env from everybody but its house, and root's secrets from that too", () => {
    const found: string[] = [];
    for (const name of Object.keys(HOUSES)) {
      for (const release of readdirSync(path.join(house(name), "releases"))) {
        const folder = path.join(house(name), "releases", release);
        expect((statSync(folder).mode & 0o7777).toString(8), folder).toBe("750");
        expect((statSync(path.join(folder, ".env")).mode & 0o7777).toString(8), folder).toBe("640");
        const ofRoot = path.join(folder, "deadman/secrets.conf");
        expect((statSync(ofRoot).mode & 0o7777).toString(8), folder).toBe("600");
        found.push(release);
      }
    }
    expect(found).toHaveLength(6);
  });

  it("reports drift of secret and plain files without their contents", async () => {
    paste();
    const drift = await run("drift");
    expect(drift.code, drift.stdout + drift.stderr).toBe(7);
    expect(drift.stdout).toMatch(/^bezalel: golden-state: \.env content: /m);
    expect(drift.stdout).toMatch(/^ezra: golden-state: config\.yaml content: /m);
    expect((await run("drift", "--json")).code).toBe(7);
    expect((await run("preview", "--diff")).stdout).toContain("config.yaml");
    const streamed = await pulumi(["preview", "--json", "--refresh"], {
      env: { PULUMI_ENABLE_STREAMING_JSON_PREVIEW: "1" },
    });
    expect(streamed.stdout).toContain("resourcePreEvent");
    expect((await pulumi(["preview", "--json", "--refresh"])).stdout).toContain("detailedDiff");
  });

  it("repairs it with up --json", async () => {
    const { code, stdout, stderr } = await pulumi(["up", "--yes", "--skip-preview", "--json"]);
    expect(code, stderr).toBe(0);
    expect(stdout).toContain("resOutputsEvent");
    expect((await run("drift")).code).toBe(0);
    expect(filesWith(own("hosts"), [PASTED])).toEqual([]);
  });

  it("logs nothing of them but in the engine's own trace of its messages, which our commands refuse to switch on", async () => {
    changeSouls("Second change.");
    paste();
    const args = ["up", "--yes", "--skip-preview", "--logtostderr", "--logflow", "-v=9", "--diff"];
    const { code, stdout, stderr } = await pulumi(args, { kept: false });
    expect(code).toBe(0);
    const [trace, rest] = parted(stderr, (line) => ENGINE_TRACE.test(line));
    expect(
      leaksIn(trace, SECRETS),
      "the trace, which has all keys, but nothing that was found on a host",
    ).toEqual(SECRETS.filter((secret) => secret !== PASTED && secret !== KEYS["KIMI_API_KEY"]));
    expect(rest.split("\n").length).toBeGreaterThan(1000);
    heard.push({ what: args.join(" "), text: stdout }, { what: "everything else it logs", text: rest });

    for (const option of ["--logtostderr", "-v=3", "--verbose=1"]) {
      const refused = await run("up", "--yes", option);
      expect(refused.code, option).toBe(1);
      expect(refused.stderr, option).toContain("every key in clear");
    }
  });

  it("says nothing of them when an update fails on the host", async () => {
    changeSouls("Fourth change.");
    const lock = path.join(house("bezalel"), ".lock");
    rmSync(lock);
    mkdirSync(lock);
    const { code, stdout, stderr } = await run("up", "--yes");
    rmSync(lock, { recursive: true });
    expect(code, stdout).toBe(1);
    expect(stderr).toContain("bezalel");
    const again = await run("up", "--yes");
    expect(again.code, again.stdout + again.stderr).toBe(0);
  });

  it("shows none of them in what the engine tells of the stack", async () => {
    for (const args of [
      ["stack", "export"],
      ["stack", "output", "--json"],
      ["config"],
      ["stack", "history"],
    ]) {
      expect((await pulumi(args)).code, args.join(" ")).toBe(0);
    }
  });

  it("goes down, and says nothing of them when something is in the way of coming up again", async () => {
    const { code, stdout, stderr } = await run("destroy", "--yes", "--diff");
    expect(code, stdout + stderr).toBe(0);
    expect(filesWith(own("hosts"), SECRETS)).toEqual([]);
    rmSync(house("ezra"), { recursive: true, force: true });
    mkdirSync(path.join(house("ezra"), "home"), { recursive: true });
    writeFileSync(path.join(house("ezra"), "home/.env"), "theirs\n");
    const preview = await run("preview", "--diff");
    expect(preview.stdout + preview.stderr).toContain("was not made by this stack");
    expect((await run("up", "--yes", "--diff")).code).toBe(1);
  });
});

describe("what is left of it", () => {
  it("is in no state, backup, history, log or temporary file", () => {
    const kept = readdirSync(own("state"), { recursive: true }).map(String);
    for (const part of ["/stacks/", "/backups/", "/history/"])
      expect(
        kept.some((file) => file.includes(part)),
        part,
      ).toBe(true);
    expect(kept.some((file) => file.endsWith(".bak"))).toBe(true);
    expect(written()).toEqual([]);
  });

  it("was said by no command, in no message, log line or command line", () => {
    expect(heard.length).toBeGreaterThan(50);
    expect(heard.some(({ what, text }) => what.endsWith("(command lines)") && text.includes("pulumi"))).toBe(
      true,
    );
    expect(spoken()).toEqual([]);
  });
});
