/** What is packed of a home, and what is taken of an archive: by the operator's machine and by the host alike. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { incoming, prune } from "../../scripts/backup/folder.ts";
import { readArchive, type Archive } from "../../scripts/backup/archive.ts";
import { readWords, wholeNumber } from "../../scripts/options.ts";
import { PYTHON } from "./scheduled-fixture.ts";

const COMPONENTS = path.resolve(import.meta.dirname, "../../components");
const BIG = { maxBuffer: 1 << 28 };

let house: string;
let home: string;
beforeEach(() => {
  house = mkdtempSync(path.join(tmpdir(), "backup-"));
  home = path.join(house, "home");
  for (const folder of ["home/memories", "home/cron/output/1", "home/logs", "home/.cache", "home/skills/x"])
    mkdirSync(path.join(house, folder), { recursive: true });
  for (const folder of ["backup", "jobs"])
    cpSync(path.join(COMPONENTS, folder), path.join(house, "current", folder), { recursive: true });
});
afterEach(() => rmSync(house, { recursive: true, force: true }));

const put = (name: string, text = name): void => writeFileSync(path.join(home, name), text);
function collect(most = 1_000_000): { code: number | null; tar: Buffer; said: string } {
  const script = path.join(house, "current/backup/collect.py");
  const args = ["-I", "-S", "-B", script, "bezalel", house, "0.19.0", String(most)];
  const { status, stdout, stderr } = spawnSync(PYTHON, args, BIG);
  return { code: status, tar: stdout, said: stderr.toString().trim() };
}
/** As it comes from a pipe, in pieces that fit nothing. */
async function* pieces(bytes: Buffer, size = 777): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
}
const read = (tar: Buffer): Promise<Archive> => readArchive(pieces(tar));
function unpack(tar: Buffer, ...without: string[]): { code: number | null; said: string; folder: string } {
  const folder = mkdtempSync(path.join(house, "new-"));
  const script = path.join(house, "current/backup/unpack.py");
  const { status, stdout, stderr } = spawnSync(PYTHON, ["-I", "-S", "-B", script, folder, ...without], {
    input: tar,
  });
  return { code: status, said: `${stdout.toString()}${stderr.toString()}`.trim(), folder };
}
const namesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();

describe("a home", () => {
  it("comes back as it was, with what is the agent's and without what only says what goes on", async () => {
    put("memories/MEMORY.md", "remember\n");
    put("auth.json", "{}");
    put("cron/jobs.json", '{"jobs": []}');
    put("cron/output/1/a.md");
    put("skills/x/SKILL.md");
    put("skills/x/uv.lock", "an agent's own lock file of a package manager");
    execFileSync("chmod", ["755", path.join(home, "skills/x/SKILL.md")]);
    put("a name with blanks and ü");
    put(`${"long".repeat(40)}`);
    for (const name of [
      "gateway.pid",
      "gateway.lock",
      "gateway_state.json",
      ".drain_request.json",
      "auth.lock",
    ])
      put(name);
    for (const name of ["cron/.jobs.lock", "cron/ticker_heartbeat", ".cache/x", "logs/agent.log.1"])
      put(name);
    put("logs/agent.log");
    const { code, tar, said } = collect();
    expect(code, said).toBe(0);
    expect(await read(tar)).toMatchObject({
      house: "bezalel",
      harness: "0.19.0",
      files: 9,
      bytes: tar.length,
    });
    const { code: unpacked, said: words, folder } = unpack(tar, "auth.json");
    expect(unpacked, words).toBe(0);
    expect(namesIn(folder)).toEqual(
      [
        ...["a name with blanks and ü", "cron", "cron/jobs.json", "cron/output", "cron/output/1"],
        ...["cron/output/1/a.md", "logs", "logs/agent.log", "long".repeat(40), "memories"],
        ...["memories/MEMORY.md", "skills", "skills/x", "skills/x/SKILL.md", "skills/x/uv.lock"],
      ].sort(),
    );
    expect(readFileSync(path.join(folder, "memories/MEMORY.md"), "utf8")).toBe("remember\n");
    expect(statSync(path.join(folder, "skills/x/SKILL.md")).mode & 0o777).toBe(0o755);
  });

  it("has its databases copied whole while they are written to", async () => {
    const writer = `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("PRAGMA journal_mode = WAL"); db.execute("CREATE TABLE t (a)"); db.commit()
db.execute("INSERT INTO t VALUES ('committed')"); db.commit()
db.execute("INSERT INTO t VALUES ('not yet')")
print("ready", flush=True); sys.stdin.read()`;
    const held = spawnSync(
      PYTHON,
      [
        "-c",
        `
import subprocess, sys
p = subprocess.Popen([sys.executable, "-c", ${JSON.stringify(writer)}, sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
p.stdout.readline()
sys.stdout.buffer.write(subprocess.run([sys.executable, *sys.argv[2:]], stdout=subprocess.PIPE, check=True).stdout)
p.kill()`,
        path.join(home, "state.db"),
        "-I",
        "-S",
        "-B",
        path.join(house, "current/backup/collect.py"),
        "bezalel",
        house,
        "0.19.0",
        "9999999",
      ],
      BIG,
    );
    expect(held.status, held.stderr.toString()).toBe(0);
    expect((await read(held.stdout)).files).toBe(1);
    const { folder } = unpack(held.stdout);
    expect(readdirSync(folder).filter((name) => name.startsWith("state"))).toEqual(["state.db"]);
    const rows = `import sqlite3; print(sqlite3.connect("${folder}/state.db").execute("SELECT a FROM t").fetchall())`;
    expect(execFileSync(PYTHON, ["-c", rows], { encoding: "utf8" })).toBe("[('committed',)]\n");
  });

  it("has nothing taken that is planted: links, pipes, what is endless, what only looks like a database", async () => {
    symlinkSync("/etc/shadow", path.join(home, "shadow"));
    symlinkSync("/", path.join(home, "memories/root"));
    execFileSync("mkfifo", [path.join(home, "state.db")]);
    put("fake.db", "SQLite format 3\0 and nothing of the kind");
    const deep = path.join(home, ...Array.from({ length: 80 }, () => "d"));
    mkdirSync(deep, { recursive: true });
    writeFileSync(Buffer.from(`${home}/bad\xff`, "latin1"), "");
    const { code, tar, said } = collect();
    expect(code).toBe(0);
    expect(said).toContain(
      "1 folders too deep, 2 links, 1 names that are no text, 1 pipes, sockets and devices",
    );
    expect(said).toContain("no sound database, taken as it is: fake.db");
    expect((await read(tar)).files).toBe(1);
  });

  it.runIf(process.getuid?.() === 0)("has nothing taken that is another account's", async () => {
    put("roots");
    execFileSync("chown", ["65534", path.join(home, "roots")]);
    const { tar, said } = collect();
    expect(said).toContain("1 things of other accounts");
    expect((await read(tar)).files).toBe(0);
  });

  it("that is too large is told with the largest, and nothing is sent", () => {
    put("small");
    put("sparse");
    truncateSync(path.join(home, "sparse"), 2 ** 40);
    const { code, tar, said } = collect();
    expect([code, tar.length]).toEqual([1, 0]);
    expect(said).toMatch(
      /^the home holds \d+ bytes, more than maxSize, 1000000; the largest: sparse \(\d+\), small \(5\)$/,
    );
  });
});

/** An archive that Python code made another one of; `members` is its list of (TarInfo, bytes). */
function changed(tar: Buffer, code: string): Buffer {
  const script = `
import io, json, sys, tarfile
with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as tar:
    members = [(one, tar.extractfile(one).read() if one.isreg() else b"") for one in tar]
def edit(at, change):
    value = json.loads(members[at][1]); change(value)
    text = json.dumps(value).encode(); members[at][0].size = len(text); members[at] = (members[at][0], text)
def add(name, type=tarfile.REGTYPE, data=b"", at=1):
    one = tarfile.TarInfo(name); one.type = type; one.size = len(data); one.linkname = "/etc/passwd" if type != tarfile.REGTYPE else ""
    members.insert(at, (one, data))
${code}
with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.PAX_FORMAT) as tar:
    for one, data in members: tar.addfile(one, io.BytesIO(data))`;
  return execFileSync(PYTHON, ["-c", script], { ...BIG, input: tar });
}

describe("an archive", () => {
  let tar: Buffer;
  beforeEach(() => {
    put("memories/MEMORY.md", "x".repeat(5000));
    tar = collect().tar;
  });

  it("of nothing but what it should be is taken, by both", async () => {
    expect((await read(changed(tar, ""))).files).toBe(1);
    expect(unpack(changed(tar, "")).code).toBe(0);
  });

  it.each<[string, string, RegExp, RegExp]>([
    ["a link", 'add("home/x", tarfile.SYMTYPE)', /"home\/x" is a link/, /neither a folder nor a file/],
    ["a hard link", 'add("home/x", tarfile.LNKTYPE)', /is a hard link/, /neither|cut off|damaged|archive/],
    ["a device", 'add("home/x", tarfile.CHRTYPE)', /is a device/, /neither a folder nor a file/],
    ["a pipe", 'add("home/x", tarfile.FIFOTYPE)', /is a pipe/, /neither a folder nor a file/],
    ["a name that leads out", 'add("home/../../x")', /is not in a home/, /not in a home/],
    ["an absolute name", 'add("/etc/x")', /is not in a home/, /not in a home/],
    ["something beside the home", 'add("current/x")', /is not in a home/, /not in a home/],
    [
      "a file that is not in its manifest",
      'add("home/x")',
      /"home\/x" is not as the archive's manifest says/,
      /home\/x is not as/,
    ],
    ["a file twice", 'add("home/memories/MEMORY.md", at=-1)', /is there twice/, /exists/],
    [
      "another content",
      "i = next(i for i, m in enumerate(members) if m[0].name.endswith('.md')); members[i] = (members[i][0], b'y' * 5000)",
      /MEMORY.md" is not as/,
      /MEMORY.md is not as/,
    ],
    [
      "a file less",
      "members[:] = [m for m in members if not m[0].name.endswith('.md')]",
      /MEMORY.md" is not as/,
      /MEMORY.md is not as/,
    ],
    [
      "a newer format",
      "edit(0, lambda v: v.update(format=2))",
      /has format 2, and this version reads up to 1/,
      /has format 2/,
    ],
    ["no manifest", "members.pop()", /manifest is missing/, /manifest is missing/],
    [
      "something behind its manifest",
      "members.append(members[1])",
      /behind the archive's manifest/,
      /after the archive's end/,
    ],
    [
      "another house's manifest",
      'edit(-1, lambda v: v.update(house="ezra"))',
      /house is not as the archive's manifest says/,
      /./,
    ],
    ["no beginning", "members.pop(0)", /no backup of a house/, /./],
  ])("with %s is refused", async (_what, code, here, there) => {
    const bad = changed(tar, code);
    await expect(read(bad)).rejects.toThrow(here);
    const { code: ended, said, folder } = unpack(bad);
    // What is no danger to a host is for the operator's machine alone to find.
    if (there.source !== ".") expect([ended, said]).toEqual([1, expect.stringMatching(there)]);
    expect(existsSync(path.join(folder, "../x"))).toBe(false);
  });

  it("that is cut off anywhere is refused", async () => {
    for (const length of [0, 100, 512, 700, 4096, tar.lastIndexOf("manifest.json")]) {
      if (length >= tar.length - 1024) continue;
      await expect(read(tar.subarray(0, length)), String(length)).rejects.toThrow(
        /cut off|missing|no backup/,
      );
      expect(unpack(tar.subarray(0, length)).code, String(length)).toBe(1);
    }
  });

  it("that is no tar is refused", async () => {
    await expect(read(Buffer.alloc(5000, "x"))).rejects.toThrow("damaged, or none of this program's");
  });
});

describe("a folder of copies", () => {
  const names = (): string[] => readdirSync(path.join(house, "copies/bezalel")).sort();
  const copy = (name: string, sha256: string): string | undefined => {
    const one = incoming(path.join(house, "copies"), "bezalel", name);
    one.take(Buffer.from("abc"));
    return one.finish(sha256);
  };
  const ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

  it("gets what was sent whole under its name, and nothing of what was not", () => {
    expect(copy("20260101T000000Z.tar.age", "0".repeat(64))).toBeUndefined();
    expect(names()).toEqual([]);
    expect(copy("20260101T000000Z.tar.age", ABC)).toBe(
      path.join(house, "copies/bezalel/20260101T000000Z.tar.age"),
    );
  });

  it("keeps the newest, and clears up after who was killed", () => {
    for (const day of ["01", "02", "03"]) copy(`202601${day}T000000Z.tar.age`, ABC);
    writeFileSync(path.join(house, "copies/bezalel/.20260104T000000Z.tar.age.4194304.part"), "");
    writeFileSync(path.join(house, "copies/bezalel/notes.txt"), "");
    prune(path.join(house, "copies"), "bezalel", 2, "20260103T000000Z.tar.age");
    expect(names()).toEqual(["20260102T000000Z.tar.age", "20260103T000000Z.tar.age", "notes.txt"]);
  });

  it.each<[string, string, string[]]>([
    [
      "that has just come",
      "20260105T000000Z.tar.age",
      ["20260104T000000Z.tar.age", "20260105T000000Z.tar.age"],
    ],
    [
      "of a host whose clock is ahead",
      "20980101T000000Z.tar.age",
      ["20260104T000000Z.tar.age", "20980101T000000Z.tar.age"],
    ],
  ])("keeps the one %s, and removes those dated in the future first", (_what, latest, expected) => {
    for (const day of ["20260103", "20260104", "20990101", "20990102"]) copy(`${day}T000000Z.tar.age`, ABC);
    copy(latest, ABC);
    prune(path.join(house, "copies"), "bezalel", 2, latest);
    expect(names()).toEqual(expected);
  });
});

describe("words of a command", () => {
  const known = { "--to": true, "--newest": false };
  it("are names and options", () => {
    expect(readWords(["a", "--to", "x", "--newest", "b"], known, "usage")).toEqual({
      names: ["a", "b"],
      options: { "--to": "x", "--newest": "" },
    });
    expect(readWords(["--to=x=y"], known, "usage").options).toEqual({ "--to": "x=y" });
  });
  it.each([[["--too", "x"]], [["--to"]], [["--to="]], [["--newest=1"]]])("are refused: %s", (words) =>
    expect(() => readWords(words, known, "usage: so")).toThrow(/--\w+ (is no|needs|has no) .*usage: so/),
  );
  it("are numbers within bounds", () => {
    expect(wholeNumber("--keep", "12", 100)).toBe(12);
    for (const bad of ["0", "101", "-1", "x", "1e2"])
      expect(() => wholeNumber("--keep", bad, 100)).toThrow("1 to 100");
  });
});
