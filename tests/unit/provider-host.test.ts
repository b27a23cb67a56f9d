/** Facts and steps on a real shell, in a folder that stands for a host. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { CannotLook, Cancelled, ChangeFailed, Conflict } from "../../provider/errors.ts";
import { bursts } from "../../provider/host/burst.ts";
import {
  factScript,
  mergeRequests,
  noFacts,
  parseFacts,
  printable,
  type Facts,
} from "../../provider/host/facts.ts";
import type { Piece } from "../../provider/host/payload.ts";
import { localTransport } from "../../provider/host/local.ts";
import { openSession, type Session } from "../../provider/host/session.ts";
import { planScript, type Step } from "../../provider/host/steps.ts";

let root: string;
let stop: AbortController;
let session: Session;
let told: string[];

beforeEach(() => {
  root = mkdtempSync(path.join(os.tmpdir(), "wizard-host-"));
  stop = new AbortController();
  told = [];
  session = open();
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function open(): Session {
  const transport = localTransport(root, "/");
  return openSession({
    name: "forge",
    transport,
    signal: stop.signal,
    settled: bursts(),
    inform: (message) => told.push(message),
  });
}

const at = (file: string) => path.join(root, file);
/** What a script reads, where no file of this machine is part of it. */
const contents = (payload: Piece[]): Buffer => Buffer.concat(payload as Buffer[]);
const look = (...paths: string[]): Promise<Facts> => session.observe({ ...noFacts, paths });
const change = (...steps: Step[]) => session.change({ lock: "/srv/h/.lock", steps });
const owned = { owner: "wizard-x", group: "wizard-x" };
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const mode = (file: string) => (lstatSync(at(file)).mode & 0o7777).toString(8);

/** Root may enter and read everything, so what it could not read is tried as somebody else where the tests run as root. */
function asOrdinaryUser(script: string): Buffer {
  const root = process.getuid?.() === 0;
  const [program, ...args] = root
    ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh"]
    : ["sh"];
  return execFileSync(program!, args, { input: script, cwd: "/" });
}

describe("facts", () => {
  it("tells file, link, folder, pipe and nothing apart", async () => {
    writeFileSync(at("file"), "hello");
    chmodSync(at("file"), 0o640);
    symlinkSync("nowhere", at("link"));
    mkdirSync(at("folder"), { mode: 0o750 });
    execFileSync("mkfifo", [at("pipe")]);
    const { paths } = await look(
      "/file",
      "/link",
      "/folder",
      "/pipe",
      "/none",
      "/folder/none",
      "/deep/er/none",
    );
    const unseen = { owner: "", group: "" };
    expect(Object.fromEntries(paths)).toEqual({
      "/file": { kind: "file", mode: "0640", size: 5, sha256: sha256("hello"), ...unseen },
      "/link": { kind: "link", target: "nowhere" },
      "/folder": { kind: "directory", mode: "0750", ...unseen },
      "/pipe": { kind: "other", what: "a named pipe" },
      "/none": { kind: "absent" },
      "/folder/none": { kind: "absent" },
      "/deep/er/none": { kind: "absent" },
    });
  });

  it("follows no link, so that one to an endless device costs nothing", async () => {
    symlinkSync("/dev/zero", at("zero"));
    expect((await look("/zero")).paths.get("/zero")).toEqual({ kind: "link", target: "/dev/zero" });
  });

  it("takes nothing for absent that it could not look for", async () => {
    writeFileSync(at("file"), "");
    symlinkSync("loop", at("loop"));
    const { paths } = await look("/file/below", "/loop/below");
    expect(paths.get("/file/below")).toEqual({ kind: "unreadable", reason: `${at("file")} is not a folder` });
    expect(paths.get("/loop/below")).toEqual({ kind: "unreadable", reason: `${at("loop")} is not a folder` });
  });

  it("says so where permission is missing", () => {
    chmodSync(root, 0o755);
    mkdirSync(at("closed"));
    writeFileSync(at("closed/file"), "x");
    writeFileSync(at("secret"), "x", { mode: 0o600 });
    chmodSync(at("closed"), 0o000);
    const request = { ...noFacts, paths: ["/closed/file", "/secret"] };
    const vantage = { prefix: root, owners: false };
    try {
      const { paths } = parseFacts(request, vantage, asOrdinaryUser(factScript(request, vantage)));
      expect(paths.get("/closed/file")).toMatchObject({
        kind: "unreadable",
        reason: expect.stringContaining("enter"),
      });
      const owner = process.getuid?.() === 0;
      if (owner)
        expect(paths.get("/secret")).toEqual({ kind: "unreadable", reason: "no permission to read it" });
    } finally {
      chmodSync(at("closed"), 0o755);
    }
  });

  it("treats every name as data", async () => {
    const names = [
      "a b",
      "$(touch pwned)",
      "`id`",
      "'; rm -rf x",
      'quo"te',
      "new\nline",
      "-n",
      "*",
      "ünï",
      "\\",
      "%s",
    ];
    for (const name of names) writeFileSync(at(name), name);
    const { paths } = await look(...names.map((name) => `/${name}`));
    for (const name of names)
      expect(paths.get(`/${name}`)).toMatchObject({ kind: "file", sha256: sha256(name) });
    expect(readdirSync(root)).toHaveLength(names.length);
  });

  it("opens nothing where a link or a folder is expected, whatever has been put there", async () => {
    writeFileSync(at("endless"), "");
    truncateSync(at("endless"), 2 ** 40);
    execFileSync("mkfifo", [at("pipe")]);
    symlinkSync("/dev/zero", at("zero"));
    symlinkSync("loop", at("loop"));
    const unopened = ["/endless", "/pipe", "/zero", "/loop", "/loop/below", "/endless/below"];
    const { paths } = await session.observe({ ...noFacts, unopened });
    expect(Object.fromEntries(paths)).toEqual({
      "/endless": { kind: "other", what: "a plain file" },
      "/pipe": { kind: "other", what: "a named pipe" },
      "/zero": { kind: "link", target: "/dev/zero" },
      "/loop": { kind: "link", target: "loop" },
      "/loop/below": { kind: "absent" },
      "/endless/below": { kind: "absent" },
    });
  });

  it("lists folders, and an absent one as empty", async () => {
    mkdirSync(at("releases/.x.staged"), { recursive: true });
    mkdirSync(at("releases/one"));
    const { folders } = await session.observe({ ...noFacts, folders: ["/releases", "/none"] });
    expect(
      folders
        .get("/releases")!
        .map(({ name }) => name)
        .sort(),
    ).toEqual([".x.staged", "one"]);
    expect(folders.get("/none")).toEqual([]);
  });

  it("finds accounts by their whole name", async () => {
    mkdirSync(at("etc"));
    writeFileSync(at("etc/passwd"), "wiz:x:9:9:c:/h:/bin/sh\nwizard:x:10:10::/home:/bin/sh");
    const { accounts } = await session.observe({ ...noFacts, accounts: ["wizard", "wiza"] });
    expect(accounts.get("wizard")).toEqual({
      uid: 10,
      gid: 10,
      comment: "",
      home: "/home",
      shell: "/bin/sh",
    });
    expect(accounts.get("wiza")).toBeUndefined();
  });

  it("answers everything that is asked together in one round trip", async () => {
    let runs = 0;
    const transport = localTransport(root, "/");
    const counting = {
      ...transport,
      run: (o: Parameters<typeof transport.run>[0]) => (runs++, transport.run(o)),
    };
    const counted = openSession({
      name: "h",
      transport: counting,
      signal: stop.signal,
      settled: bursts(),
      inform: () => {},
    });
    await Promise.all(["/a", "/b", "/c"].map((file) => counted.observe({ ...noFacts, paths: [file] })));
    expect(runs).toBe(1);
    await counted.observe({ ...noFacts, paths: ["/a"] });
    expect(runs).toBe(2);
  });

  it.each([
    ["cut off", "absent\0/a\0stat\0"],
    ["empty", ""],
    ["about something else", "absent\0/b\0stat\0links\0digests\0end\0"],
    ["garbled in a stat", "stat\0zz root root 1\0/a\0links\0digests\0end\0"],
    ["garbled in a digest", "stat\0links\0digests\0nonsense\0end\0"],
    ["followed by more", "absent\0/a\0stat\0links\0digests\0end\0more\0end\0"],
  ])("refuses an answer that is %s", (_, answer) => {
    const request = { ...noFacts, paths: ["/a"] };
    expect(() => parseFacts(request, { prefix: "", owners: true }, Buffer.from(answer))).toThrow(CannotLook);
  });

  it("merges requests without asking twice", () => {
    const merged = mergeRequests([
      { ...noFacts, paths: ["/a", "/b"], folders: ["/f"], accounts: [] },
      { ...noFacts, paths: ["/b"], folders: ["/f"], accounts: ["x"] },
    ]);
    expect(merged).toEqual({ ...noFacts, paths: ["/a", "/b"], folders: ["/f"], accounts: ["x"] });
  });

  it("says plainly that a folder can stand for a host on Linux only", async () => {
    const transport = localTransport(root, "/", "darwin");
    const elsewhere = openSession({
      name: "h",
      transport,
      signal: stop.signal,
      settled: bursts(),
      inform: () => {},
    });
    await expect(elsewhere.observe({ ...noFacts, paths: ["/a"] })).rejects.toThrow(
      "on Linux only, and this is darwin",
    );
  });

  it("makes a host's words safe for a terminal", () => {
    expect(printable("a\u001b[31mred\u202e\n")).toBe("a\\u001b[31mred\\u202e\\u000a");
    expect(printable("x".repeat(300))).toHaveLength(201);
  });
});

describe("steps", () => {
  it("write a file whole, with its mode, and leave nothing beside it", async () => {
    await change({ do: "file", path: "/srv/h/f", mode: "0640", content: "héllo\n\0end", ...owned });
    expect(readFileSync(at("srv/h/f"), "utf8")).toBe("héllo\n\0end");
    expect(mode("srv/h/f")).toBe("640");
    expect(readdirSync(at("srv/h")).sort()).toEqual([".lock", "f"]);
  });

  it("replace a planted link instead of following it", async () => {
    mkdirSync(at("srv/h"), { recursive: true });
    writeFileSync(at("target"), "untouched");
    symlinkSync(at("target"), at("srv/h/f"));
    await change({ do: "file", path: "/srv/h/f", mode: "0640", content: "ours", ...owned });
    expect(readFileSync(at("target"), "utf8")).toBe("untouched");
    expect(lstatSync(at("srv/h/f")).isFile()).toBe(true);
  });

  it("switch a link by one rename", async () => {
    await change({ do: "link", path: "/srv/h/current", target: "one" });
    await change({ do: "link", path: "/srv/h/current", target: "two" });
    expect(readlinkSync(at("srv/h/current"))).toBe("two");
    expect(readdirSync(at("srv/h")).sort()).toEqual([".lock", "current"]);
  });

  it("displace without overwriting, and restore what was first", async () => {
    const displace: Step = { do: "displace", path: "/srv/h/f", keep: "/srv/h/kept", name: "f" };
    mkdirSync(at("srv/h"), { recursive: true });
    for (const text of ["first", "second"]) {
      writeFileSync(at("srv/h/f"), text);
      await change(displace);
    }
    expect(readdirSync(at("srv/h/kept")).sort()).toEqual(["f", "f.1"]);
    await change({ do: "restore", path: "/srv/h/f", keep: "/srv/h/kept", name: "f" });
    expect(readFileSync(at("srv/h/f"), "utf8")).toBe("first");
  });

  it("remove a folder only if nothing else is in it", async () => {
    const steps: Step[] = [{ do: "remove-if-last", folder: "/srv/h", names: [".lock", ".mark"] }];
    mkdirSync(at("srv/h"), { recursive: true });
    writeFileSync(at("srv/h/.mark"), "");
    writeFileSync(at("srv/h/agents-own"), "");
    await change(...steps);
    expect(readdirSync(at("srv/h")).sort()).toEqual([".lock", ".mark", "agents-own"]);
    rmSync(at("srv/h/agents-own"));
    await change(...steps);
    expect(existsSync(at("srv/h"))).toBe(false);
  });

  it("keep accounts as useradd would write them", async () => {
    const account = { name: "wizard-x", home: "/srv/h/home", shell: "/usr/sbin/nologin", groups: [] };
    await change({ do: "add-account", comment: "wizard house", ...account });
    await change({ do: "add-account", comment: "wizard house", ...account, name: "wizard-y" });
    const lines = () => readFileSync(at("etc/passwd"), "utf8").trimEnd().split("\n");
    expect(lines()[0]).toMatch(/^wizard-x:x:(\d+):\1:wizard house:\/srv\/h\/home:\/usr\/sbin\/nologin$/);
    expect(new Set(lines().map((line) => line.split(":")[2])).size).toBe(2);
    await change({ do: "change-account", ...account, shell: "/bin/sh" });
    expect(lines().find((line) => line.startsWith("wizard-x:"))).toMatch(/:\/bin\/sh$/);
    await change({ do: "remove-account", name: "wizard-x" });
    expect(lines()).toHaveLength(1);
    expect(readFileSync(at("etc/group"), "utf8")).not.toContain("wizard-x");
  });

  it("tell an operator once what a folder cannot do", async () => {
    await change({ do: "ensure-folder", path: "/srv/h/a" });
    await change({ do: "ensure-folder", path: "/srv/h/b" });
    expect(told).toHaveLength(1);
    expect(told[0]).toContain("owners are recorded but not set");
  });

  it("go on only while a link points where it did when it was looked at", async () => {
    mkdirSync(at("srv/h"), { recursive: true });
    symlinkSync("releases/a", at("srv/h/current"));
    const still = (path: string, target: string) =>
      change({ do: "still", path, target }, { do: "touch", path: "/srv/h" });
    await still("/srv/h/current", "releases/a");
    await still("/srv/h/known-good", "");
    await expect(still("/srv/h/current", "releases/b")).rejects.toThrow(
      /srv\/h\/current has changed meanwhile: it points to releases\/a, and no more to releases\/b; nothing was changed$/,
    );
    await expect(still("/srv/h/current", "")).rejects.toMatchObject({ aftermath: "as-before" });
    await expect(still("/srv/h/known-good", "releases/a")).rejects.toThrow(
      "it points to nothing, and no more",
    );
  });

  it("add to a list what it does not have, and keep what others have added meanwhile", async () => {
    mkdirSync(at("srv/h"), { recursive: true });
    const list = () => readFileSync(at("srv/h/revoked"), "utf8").replace(/20\S+Z/g, "TIME");
    const enlist = (id: string, why: string) => change({ do: "enlist", path: "/srv/h/revoked", id, why });
    await enlist("a", "by hand");
    appendFileSync(at("srv/h/revoked"), "b\tTIME\tby another\n");
    await enlist("c", "it's $HOME");
    await enlist("b", "again");
    expect(list()).toBe("a\tTIME\tby hand\nb\tTIME\tby another\nc\tTIME\tit's $HOME\n");
    expect(statSync(at("srv/h/revoked")).mode & 0o777).toBe(0o644);
    expect(readdirSync(at("srv/h")).filter((name) => name.startsWith(".revoked"))).toEqual([]);
  });

  it("take from a list what they name, and the list with the last of it", async () => {
    mkdirSync(at("srv/h"), { recursive: true });
    const file = at("srv/h/rejected");
    const delist = (...ids: string[]) => change({ do: "delist", path: "/srv/h/rejected", ids });
    await delist("a");
    expect(existsSync(file)).toBe(false);
    writeFileSync(file, "a\tTIME\tit's $HOME \\n\nab\tTIME\tmeanwhile\nb\tTIME\twithout an end");
    await delist("a", "");
    expect(readFileSync(file, "utf8")).toBe("ab\tTIME\tmeanwhile\nb\tTIME\twithout an end\n");
    expect(statSync(file).mode & 0o777).toBe(0o644);
    await delist("b", "ab");
    expect(readdirSync(at("srv/h"))).toEqual([".lock"]);
  });

  it("fail with the host's words and stop there", async () => {
    const failing = change(
      { do: "rename", path: "/srv/h/none", to: "/srv/h/else" },
      { do: "ensure-folder", path: "/srv/h/after" },
    );
    await expect(failing).rejects.toThrow(/No such file/);
    await expect(failing).rejects.toMatchObject({ aftermath: "as-before" });
    expect(existsSync(at("srv/h/after"))).toBe(false);
  });

  it("send what a file of the project holds, and nothing where it has changed meanwhile", async () => {
    const script = { source: "components/deadman/deadman.sh", sha256: "" };
    const text = readFileSync(script.source);
    const file = { do: "file", path: "/srv/h/f", mode: "0640", ...owned } as const;
    const sum = createHash("sha256").update(text).digest("hex");
    await change({ do: "ensure-folder", path: "/srv/h" }, { ...file, ...script, sha256: sum });
    expect(readFileSync(at("srv/h/f"))).toEqual(text);
    const changed = change(
      { do: "ensure-folder", path: "/srv/after" },
      { ...file, ...script, sha256: sha256("y") },
    );
    await expect(changed).rejects.toBeInstanceOf(Conflict);
    await expect(changed).rejects.toThrow(
      "components/deadman/deadman.sh of this project holds something else than when the program ran; " +
        "run the command again. Nothing was changed",
    );
    expect(existsSync(at("srv/after"))).toBe(false);
  });

  it("say whether the switch had begun", async () => {
    const failing = change({ do: "commit" }, { do: "rename", path: "/srv/h/none", to: "/srv/h/else" });
    await expect(failing).rejects.toBeInstanceOf(ChangeFailed);
    await expect(failing).rejects.toMatchObject({ aftermath: "switched" });
  });

  it("switch nothing when stopped beforehand", async () => {
    stop.abort();
    const stopped = change(
      { do: "file", path: "/srv/h/f", mode: "0640", content: "x", ...owned },
      { do: "commit" },
      { do: "link", path: "/srv/h/current", target: "new" },
    );
    await expect(stopped).rejects.toBeInstanceOf(Cancelled);
    expect(existsSync(at("srv/h/current"))).toBe(false);
  });

  it("switch nothing when the sender dies between preparation and switch", () => {
    const steps: Step[] = [
      { do: "file", path: "/srv/h/f", mode: "0640", content: "x", ...owned },
      { do: "commit" },
      { do: "link", path: "/srv/h/current", target: "new" },
    ];
    const { text, payload } = planScript({ lock: "/srv/h/.lock", steps }, { prefix: root, owners: false });
    const length = Buffer.byteLength(text);
    const run = () =>
      execFileSync("sh", ["-c", `eval "$(head -c ${length})"`], {
        input: Buffer.concat([Buffer.from(text), contents(payload)]),
        stdio: "pipe",
      });
    expect(run).toThrow(/the sender is gone/);
    expect(existsSync(at("srv/h/f"))).toBe(true);
    expect(existsSync(at("srv/h/current"))).toBe(false);
  });

  it("switch nothing when the sender is silent, and let go of the lock", async () => {
    const steps: Step[] = [{ do: "commit" }, { do: "link", path: "/srv/h/current", target: "new" }];
    const { text } = planScript({ lock: "/srv/h/.lock", steps }, { prefix: root, owners: false });
    const impatient = text.replace(/^commit \d+$/m, "commit 0.2");
    expect(impatient).not.toBe(text);
    const child = spawn("sh", ["-c", impatient], { stdio: ["pipe", "ignore", "pipe"] });
    let said = "";
    child.stderr.on("data", (chunk) => (said += String(chunk)));
    const [code] = (await once(child, "close")) as [number];
    expect([code, said]).toEqual([75, expect.stringContaining("has said nothing for 0.2 s")]);
    expect(existsSync(at("srv/h/current"))).toBe(false);
    execFileSync("flock", ["-n", at("srv/h/.lock"), "true"]);
  });

  it("never put half a file in place when the sender dies in the middle of it", () => {
    const steps: Step[] = [
      { do: "file", path: "/srv/h/f", mode: "0640", content: "x".repeat(1000), ...owned },
    ];
    const { text, payload } = planScript({ lock: "/srv/h/.lock", steps }, { prefix: root, owners: false });
    const input = Buffer.concat([Buffer.from(text), contents(payload).subarray(0, 400)]);
    const length = Buffer.byteLength(text);
    expect(() => execFileSync("sh", ["-c", `eval "$(head -c ${length})"`], { input, stdio: "pipe" })).toThrow(
      /cut off/,
    );
    expect(readdirSync(at("srv/h"))).toEqual([".lock"]);
  });

  it("carry contents on standard input and nowhere else", () => {
    const steps: Step[] = [{ do: "file", path: "/f", mode: "0600", content: "CANARY", ...owned }];
    const { text, payload } = planScript({ lock: "/l/.lock", steps }, { prefix: "", owners: true });
    expect(text).not.toContain("CANARY");
    expect(contents(payload).toString()).toBe("CANARY");
  });

  it("go one after another, under the house's lock", async () => {
    const append = (n: number): Step[] => [
      { do: "file", path: `/srv/h/${n}`, mode: "0600", content: String(n), ...owned },
      { do: "commit" },
      { do: "touch", path: `/srv/h/${n}` },
    ];
    const other = open();
    await Promise.all(
      [1, 2, 3].flatMap((n) => [
        change(...append(n)),
        other.change({ lock: "/srv/h/.lock", steps: append(n + 10) }),
      ]),
    );
    expect(readdirSync(at("srv/h"))).toHaveLength(7);
  });
});

describe.runIf(process.getuid?.() === 0)("steps in a folder that an agent may write to", () => {
  const AGENT = "games";
  const live = (...steps: Step[]) => {
    const plan = { lock: at("lock"), steps };
    const { text, payload } = planScript(plan, { prefix: "", owners: true });
    return spawnSync("sh", ["-c", text], { input: contents(payload), encoding: "utf8" });
  };
  const linking = (as?: string): Step => ({
    do: "link",
    path: at("house/home/skins/x.yaml"),
    target: "../x.yaml",
    ...(as !== undefined && { as }),
  });

  beforeEach(() => {
    chmodSync(root, 0o755);
    mkdirSync(at("house/home/skins"), { recursive: true });
    mkdirSync(at("precious"), { mode: 0o755 });
    execFileSync("chown", ["-R", AGENT, at("house/home")]);
  });

  it("are done as its account", () => {
    expect(live(linking(AGENT))).toMatchObject({ status: 0, stdout: "done\n" });
    expect(readlinkSync(at("house/home/skins/x.yaml"))).toBe("../x.yaml");
    const owner = execFileSync("stat", ["-c", "%U", at("house/home/skins/x.yaml")], { encoding: "utf8" });
    expect(owner.trim()).toBe(AGENT);
  });

  it("do not follow a folder that was swapped for a link to where only root may write", () => {
    const swap = () => {
      rmSync(at("house/home/skins"), { recursive: true });
      symlinkSync(at("precious"), at("house/home/skins"));
    };
    swap();
    expect(live(linking(AGENT)).status).not.toBe(0);
    expect(readdirSync(at("precious"))).toEqual([]);
    // The control: the same as root goes through the planted link.
    expect(live(linking()).status).toBe(0);
    expect(readdirSync(at("precious"))).toEqual(["x.yaml"]);
  });

  it("do not let the account hold on to the lock", () => {
    const hold: Step = {
      do: "check",
      folder: at("house"),
      argv: ["/bin/sh", "-c", "ls -l /proc/self/fd"],
      as: AGENT,
    };
    const { status, stderr } = live(hold);
    expect(status).toBe(0);
    expect(stderr).toContain("/proc/");
    expect(stderr).not.toContain(at("lock"));
  });

  it("fail in words where the account is gone, or a check says no", () => {
    const gone = live(linking("no-such-account"));
    expect(gone.status).not.toBe(0);
    expect(gone.stderr).toContain("there is no account no-such-account");
    const no = live({
      do: "check",
      folder: at("house"),
      argv: ["/bin/sh", "-c", "echo why >&2; exit 3"],
      as: AGENT,
    });
    expect(no.status).toBe(76);
    expect(no.stderr).toMatch(/why\n.*check of the release failed/);
  });

  it("tell what could not be taken out again, and are done all the same", async () => {
    const words = "cron/jobs.json is not JSON, after sk-0123456789abcdef";
    const taking = (program: string): Step => ({
      ...({ do: "withdraw", as: AGENT } as const),
      argv: ["/bin/sh", "-c", program],
    });
    await change(taking(`echo '${words}' >&2; exit 1`), { do: "ensure-folder", path: "/after" });
    expect(existsSync(at("after"))).toBe(true);
    expect(told.at(-1)).toBe(
      "host forge: cron/jobs.json is not JSON, after (hidden)\n  what is ours stays in what games keeps, and the rest goes on",
    );
    const before = told.length;
    await change(taking("echo noise >&2"), { ...taking(""), argv: ["/none/such"] } as Step);
    expect(told).toHaveLength(before);
  });

  it("says who holds the lock", async () => {
    const holder = spawn("flock", ["--no-fork", at("lock"), "sleep", "30"]);
    try {
      await new Promise((resolve) => setTimeout(resolve, 300));
      const script = planScript({ lock: at("lock"), steps: [] }, { prefix: "", owners: true }).text;
      const { status, stderr } = spawnSync("sh", ["-c", script.replace("lock' 30 ", "lock' 1 ")], {
        encoding: "utf8",
      });
      expect(status).toBe(73);
      expect(stderr).toMatch(/another change has held .* for 1 s \(process \d+: sleep 30/);
    } finally {
      holder.kill();
    }
  });
});
