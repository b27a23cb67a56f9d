/** Backups of a house with the real gateway: made by cron and by hand, fetched, restored, moved; and what agents plant. */
import { readdirSync, statSync } from "node:fs";
import path from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { exec, type Machine } from "../../testbed/index.ts";
import {
  BACKUPS,
  forged,
  HOUSE,
  makeBackupBed,
  remember,
  remembered,
  tampered,
  UNIT,
  USER,
  type BackupBed,
} from "./backup-bed.ts";
import { inside } from "./fleet.ts";

let bed: BackupBed;
const host = (script: string): Promise<string> => inside(bed.forge, script);
const holds = async (script: string, machine: Machine = bed.forge): Promise<boolean> =>
  (await exec(machine, script)).code === 0;
const listed = async (): Promise<string[]> =>
  (await host(`ls ${BACKUPS}`)).split("\n").filter((name) => name !== "");
const restore = (code: number, archive: string, ...args: string[]): Promise<string> =>
  bed.run(code, "restore", "bezalel", archive, "--identity", bed.keys.age, "--yes", ...args);

beforeAll(async () => {
  bed = await makeBackupBed();
  await bed.run(0, "up", "--yes");
  await bed.until("the gateway's database", 30, () => holds(`test -s ${HOUSE}/home/state.db`));
}, 300_000);
afterAll(() => bed?.cleanup());

describe("a backup", () => {
  it("is made by cron, by itself, encrypted and root's alone", { timeout: 150_000 }, async () => {
    await bed.until(
      "a backup by cron",
      100,
      async () => (await exec(bed.forge, `ls ${BACKUPS}/*.age`)).code === 0,
    );
    const [name = ""] = await listed();
    expect(name).toMatch(/^20\d{6}T\d{6}Z\.tar\.age$/);
    expect(await host(`stat -c '%U %a' ${BACKUPS}/${name} ${BACKUPS}`)).toBe("root 600\nroot 700\n");
    expect(await host(`head -n 1 ${BACKUPS}/${name} | tr -d '\\0'`)).toBe("age-encryption.org/v1\n");
    // The line comes when the file has long been there and is on the disk.
    const line = "journalctl -t wizard-bezalel -o cat | grep '^backup: .* bytes in '";
    await bed.until("its line in the journal", 30, () => holds(line));
    expect(await host(line)).toMatch(/backup: \d+ bytes in .*: \d+ files, \d+ bytes/);
    // From here on nothing but what a test asks for.
    await host("systemctl stop cron");
  });

  it("comes here, whole, beside older ones, of which so many stay as are wanted", async () => {
    await remember(bed, bed.forge, "first");
    for (let turn = 0; turn < 3; turn++) await bed.backup("--keep", "2");
    expect(readdirSync(path.join(bed.copies, "bezalel"))).toHaveLength(2);
    expect(statSync(bed.newest()).mode & 0o777).toBe(0o600);
    expect(await listed()).toHaveLength(3);
    // One that is here is not fetched again.
    expect(await bed.run(0, "backup", "--newest", "--to", bed.copies)).toContain("is here already");
    expect(await bed.run(0, "backup", "list")).toMatch(
      /bezalel: the newest is 0 hours old\n( {2}20\S+\n){3}/,
    );
  });

  it("is of the state that the gateway has written, and brings it back", async () => {
    const archive = await bed.backup();
    await remember(bed, bed.forge, "second");
    await host(
      `echo gone >${HOUSE}/home/memories/MEMORY.md; chown ${USER}: ${HOUSE}/home/memories/MEMORY.md`,
    );
    const said = await restore(0, archive);
    const aside = / is in (\S+)/.exec(said)?.[1] ?? "";
    expect(await remembered(bed, bed.forge)).toEqual(["first"]);
    expect(await holds(`grep -q gone ${HOUSE}/home/memories/MEMORY.md`)).toBe(false);
    expect(await host(`cat ${aside}/memories/MEMORY.md`)).toBe("gone\n");
    expect(await bed.answers(bed.forge)).toBe(true);
    expect(await host(`readlink ${HOUSE}/home/SOUL.md`)).toBe("../current/SOUL.md\n");
    expect(await host(`ls -A ${HOUSE} | grep -e restoring -e pending || :`)).toBe("");
    expect(await bed.run(0, "drift")).toContain("no drift");
  });

  it("is read with each of the recipients' keys, and with no other; whatever does not fit is sent nowhere", async () => {
    const archive = bed.newest();
    const pid = await host(`systemctl show -p MainPID --value ${UNIT}`);
    const with_ = (file: string) => ["bezalel", archive, "--identity", file, "--yes"];
    expect(await bed.run(1, "restore", ...with_(bed.keys.stranger))).toContain("was encrypted to other keys");
    expect(await restore(1, tampered(bed, archive))).toContain("was changed or cut off");
    const other = forged(
      bed,
      archive,
      'manifest["house"] = "ezra"; first = json.loads(members[0][1]); first["house"] = "ezra"\n' +
        "members[0] = (members[0][0], json.dumps(first).encode()); members[0][0].size = len(members[0][1])",
    );
    expect(await restore(1, other)).toContain("is of ezra");
    const link = forged(
      bed,
      archive,
      'one = tarfile.TarInfo("home/x"); one.type = tarfile.SYMTYPE; one.linkname = "/etc"; members.insert(-1, (one, b""))',
    );
    expect(await restore(1, link)).toContain('"home/x" is a link');
    expect(await restore(1, forged(bed, archive, 'put("home/../../x", b"x")'))).toContain("is not in a home");
    expect(await host(`systemctl show -p MainPID --value ${UNIT}`)).toBe(pid);
    expect(await bed.run(0, "restore", ...with_(bed.keys.ssh))).toContain("restored: ");
  });

  it("of what an agent plants leads nowhere else, and takes no more than its own", async () => {
    const home = `${HOUSE}/home`;
    await host(
      `setpriv --reuid=${USER} --regid=${USER} --clear-groups sh -c 'cd ${home} && ln -s /etc/shadow shadow &&
       ln -s / root && mkfifo pipe && ln -s /dev/zero zero && printf "SQLite format 3\\0" >fake.db &&
       mkdir -p memories/x && ln -s ../../../../../etc memories/x/etc'
       echo secret-of-root >${home}/roots; chmod 600 ${home}/roots`,
    );
    const archive = await bed.backup();
    const said = await host("journalctl -t wizard-bezalel -o cat -n 1 || :");
    expect(said).not.toContain("secret");
    await restore(0, archive);
    const found = await host(`cd ${home} && find . -type l -o -type p | sort`);
    expect(found).not.toMatch(/shadow|root|pipe|zero|etc/);
    expect(await holds(`test -e ${home}/roots`)).toBe(false);
    expect(await holds(`test -s ${home}/fake.db`)).toBe(true);

    await host(`setpriv --reuid=${USER} --regid=${USER} --clear-groups truncate -s 900G ${home}/sparse`);
    const before = await listed();
    expect(await bed.run(1, "backup", "bezalel", "--to", bed.copies)).toMatch(
      /more than maxSize, 1000000000; the largest: sparse \(966367641600\)/,
    );
    expect(await listed()).toEqual(before);
    await host(`rm ${home}/sparse`);
  });

  it("that does not fit on the disk is told, and the older ones stay", async () => {
    await host(`mount -t tmpfs -o size=40k tmpfs ${BACKUPS}`);
    try {
      expect(await bed.run(1, "backup", "bezalel", "--to", bed.copies)).toMatch(
        /nothing could be encrypted: age: .*no space left/,
      );
      expect(await host(`ls -A ${BACKUPS}`)).toBe(".lock\n");
    } finally {
      await host(`umount ${BACKUPS}`);
    }
    expect(await listed()).not.toEqual([]);
  });

  it("that is too old is told by drift and in the list, and nothing else is drift", async () => {
    await host(`cd ${BACKUPS} && rm *.age && : >20200101T000000Z.tar.age`);
    expect(await bed.run(7, "drift")).toMatch(
      /bezalel: backups of what its agent keeps: its newest backup is \d+ hours old/,
    );
    expect(await bed.run(0, "backup", "list")).toContain("should be no older than 26");
    await bed.backup();
    expect(await bed.run(0, "drift")).toContain("no drift");
  });
});

describe("a restore after which the house is not well", () => {
  it("is taken back, and says so", { timeout: 200_000 }, async () => {
    await remember(bed, bed.forge, "kept");
    // Its heartbeat cannot be written.
    const broken = forged(bed, bed.newest(), 'drop("home/state"); put("home/state", b"no folder")');
    expect(await restore(1, broken)).toContain("what was there before is in its place again, and is well");
    expect(await remembered(bed, bed.forge)).toContain("kept");
    expect(await bed.answers(bed.forge)).toBe(true);
    expect(await host(`ls -A ${HOUSE} | grep -e restoring -e pending || :`)).toBe("");
    expect(await bed.run(0, "drift")).toContain("no drift");
  });
});
