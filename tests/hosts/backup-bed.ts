/** Two hosts, a house on the first, and an operator with keys: where backups are made, fetched and restored. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { BACKUP_NEEDED } from "../../components/backup/part.ts";
import { exec, type Machine } from "../../testbed/index.ts";
import { inside, makeHostFleet, type HostFleet } from "./fleet.ts";
import { freshMachines } from "./machines.ts";
import { within } from "./within.ts";
import { offerPackages } from "./offered-packages.ts";

export const HOUSE = "/srv/wizards/bezalel";
export const UNIT = "hermes-bezalel.service";
export const USER = "wizard-bezalel";
export const BACKUPS = "/var/backups/wizard-houses/bezalel";
const PORT = 8642;

export interface BackupBed {
  forge: Machine;
  tower: Machine;
  fleet: HostFleet;
  /** Folder of the operator's: keys and copies. */
  own: string;
  /** Private keys: age's, an SSH key that is a recipient too, and one that is none. */
  keys: { age: string; ssh: string; stranger: string };
  copies: string;
  /** Runs one of our commands that must end with `code`. Returns all it says. */
  run(code: number, command: string, ...args: string[]): Promise<string>;
  /** Makes a backup and fetches it. Returns the file. */
  backup(...args: string[]): Promise<string>;
  newest(): string;
  /** What Python code prints on a machine, as the house's user, with the harness's own interpreter. */
  python(machine: Machine, code: string): Promise<string>;
  answers(machine: Machine): Promise<boolean>;
  until(what: string, seconds: number, condition: () => Promise<boolean>): Promise<void>;
  cleanup(): void;
}

export async function makeBackupBed(): Promise<BackupBed> {
  const [forge, tower] = (await freshMachines(2)) as [Machine, Machine];
  for (const machine of [forge, tower]) await offerPackages(machine, Object.keys(BACKUP_NEEDED), "age-debs");
  const own = mkdtempSync(path.join(os.tmpdir(), "operator-"));
  const keys = {
    age: path.join(own, "age"),
    ssh: path.join(own, "ssh"),
    stranger: path.join(own, "stranger"),
  };
  for (const file of [keys.age, keys.stranger]) execFileSync("age-keygen", ["-o", file], { stdio: "pipe" });
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", keys.ssh]);
  const recipients = [
    /age1\w+/.exec(readFileSync(keys.age, "utf8"))![0],
    readFileSync(`${keys.ssh}.pub`, "utf8").split(" ").slice(0, 2).join(" "),
  ];
  const fleet = await makeHostFleet({ forge, tower });
  for (const name of ["ezra", "allegro"])
    rmSync(path.join(fleet.work.dir, "wizards", name), { recursive: true });
  fleet.editFleet((data) => {
    data.houses = ["bezalel"];
    (data["defaults"] as Record<string, unknown>)["backup"] = { recipients, schedule: "* * * * *", keep: 3 };
  });
  fleet.edit(
    "Pulumi.testbed.yaml",
    "config:\n",
    "config:\n  wizard-houses:healthDeadline: 25\n  wizard-houses:revertAfter: 20\n",
  );
  const copies = path.join(own, "copies");
  const run: BackupBed["run"] = async (code, command, ...args) => {
    const result = await fleet.run(command, args);
    const said = result.stdout + result.stderr;
    if (result.code !== code)
      throw new Error(`${command} ${args.join(" ")} ended with ${result.code}:\n${said}`);
    return said;
  };
  const newest: BackupBed["newest"] = () => {
    const names = readdirSync(path.join(copies, "bezalel")).sort();
    return path.join(copies, "bezalel", names.at(-1)!);
  };
  return {
    ...{ forge, tower, fleet, own, keys, copies, run, newest },
    async backup(...args) {
      await run(0, "backup", "bezalel", "--to", copies, ...args);
      return newest();
    },
    python: (machine, code) =>
      inside(
        machine,
        `setpriv --reuid=${USER} --regid=${USER} --clear-groups /opt/hermes/venv/bin/python - <<'END'\n${code}\nEND`,
      ),
    answers: async (machine) =>
      (await exec(machine, `curl -s -m 5 http://127.0.0.1:${PORT}/health | grep -q '"status": *"ok"'`))
        .code === 0,
    async until(what, seconds, condition) {
      if (await within(seconds, condition)) return;
      throw new Error(
        `${what}: not within ${seconds} s\n${await inside(forge, "journalctl --no-pager -n 40")}`,
      );
    },
    cleanup() {
      fleet.cleanup();
      rmSync(own, { recursive: true, force: true });
    },
  };
}

/** Decrypts a backup, changes what is in it by Python code with a list `members` of (TarInfo, bytes), encrypts it anew. */
export function forged(bed: BackupBed, archive: string, code: string): string {
  const file = path.join(bed.own, `forged-${process.hrtime.bigint()}.tar.age`);
  const script = `
import hashlib, io, json, sys, tarfile
with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as tar:
    members = [(one, tar.extractfile(one).read() if one.isreg() else b"") for one in tar]
manifest = json.loads(members[-1][1])
def put(name, data):
    one = tarfile.TarInfo(name); one.size = len(data); one.mode = 0o600
    members.insert(-1, (one, data))
    manifest["files"][name] = {"size": len(data), "mode": "0600", "sha256": hashlib.sha256(data).hexdigest()}
def drop(name):
    members[:] = [(one, data) for one, data in members if one.name != name and not one.name.startswith(name + "/")]
    for kind in ("files", "folders"):
        manifest[kind] = {key: value for key, value in manifest[kind].items() if key != name and not key.startswith(name + "/")}
${code}
text = json.dumps(manifest).encode()
members[-1][0].size = len(text)
members[-1] = (members[-1][0], text)
with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.PAX_FORMAT) as tar:
    for one, data in members:
        tar.addfile(one, io.BytesIO(data))
`;
  const bytes = { maxBuffer: 1 << 30 };
  const clear = execFileSync("age", ["-d", "-i", bed.keys.age, archive], bytes);
  const changed = execFileSync("python3", ["-c", script], { ...bytes, input: clear });
  const recipient = /age1\w+/.exec(readFileSync(bed.keys.age, "utf8"))![0];
  execFileSync("age", ["-r", recipient, "-o", file], { input: changed });
  return file;
}

/** A copy with one byte changed. */
export function tampered(bed: BackupBed, archive: string): string {
  const file = path.join(bed.own, "tampered.tar.age");
  cpSync(archive, file);
  const bytes = readFileSync(file);
  bytes[Math.floor(bytes.length / 2)]! ^= 1;
  rmSync(file);
  execFileSync("tee", [file], { input: bytes, stdio: ["pipe", "ignore", "inherit"] });
  return file;
}

/** A session in the harness's own database, as the harness keeps it while it runs. */
export const remember = (bed: BackupBed, machine: Machine, id: string): Promise<string> =>
  bed.python(
    machine,
    `import sqlite3, time
db = sqlite3.connect("${HOUSE}/home/state.db", timeout=30)
db.execute("INSERT OR REPLACE INTO sessions (id, source, started_at) VALUES (?, 'test', ?)", ["${id}", time.time()])
db.commit()`,
  );

/** Ids of those sessions. */
export async function remembered(bed: BackupBed, machine: Machine): Promise<string[]> {
  const said = await bed.python(
    machine,
    `import sqlite3
db = sqlite3.connect("file:${HOUSE}/home/state.db?mode=ro", uri=True)
for row in db.execute("SELECT id FROM sessions WHERE source = 'test' ORDER BY id"): print(row[0])`,
  );
  return said.split("\n").filter((id) => id !== "");
}
