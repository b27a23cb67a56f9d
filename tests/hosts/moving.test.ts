/** A house that is drained, moves to another host, and is lost with its host: with the real gateway, on two machines. */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { exec, kill, start, type Machine } from "../../testbed/index.ts";
import { BACKUPS, HOUSE, makeBackupBed, remember, remembered, UNIT, type BackupBed } from "./backup-bed.ts";
import { inside } from "./fleet.ts";

const JOBS = `${HOUSE}/home/cron/jobs.json`;
const STATE = "/var/lib/wizard-houses/bezalel";

let bed: BackupBed;
const active = async (machine: Machine): Promise<string> =>
  (await exec(machine, `systemctl is-active ${UNIT}`)).stdout.trim();
const jobs = async (machine: Machine): Promise<{ enabled?: boolean; paused_reason?: string | null }[]> =>
  (JSON.parse(await inside(machine, `cat ${JOBS}`)) as { jobs: never[] }).jobs;
/** What a house that was taken down left; `log` is as its scheduled jobs left it, if cron came to one of them. */
const leftAt = async (machine: Machine): Promise<string[]> =>
  (await inside(machine, `ls ${HOUSE}`)).split("\n").filter((name) => !["", "log"].includes(name));
const restore = (archive: string): Promise<string> =>
  bed.run(0, "restore", "bezalel", archive, "--identity", bed.keys.age, "--yes");

/** A job that is at work for a while, as a script, since no model answers here. */
const LONG = `import os, pathlib, time
home = pathlib.Path(os.environ["HERMES_HOME"])
(home / "job-began").touch()
time.sleep(30)
(home / "job-ended").touch()
print("done")
`;

beforeAll(async () => {
  bed = await makeBackupBed();
  mkdirSync(path.join(bed.fleet.work.dir, "wizards/bezalel/scripts"));
  writeFileSync(path.join(bed.fleet.work.dir, "wizards/bezalel/scripts/long.py"), LONG);
  bed.fleet.edit(
    "wizards/bezalel/house.yaml",
    "jobs:\n",
    "jobs:\n  - name: long\n    schedule: { every: 60 }\n    script: long.py\n    noAgent: true\n",
  );
  await bed.run(0, "up", "--yes");
  await bed.until(
    "the gateway's database",
    30,
    async () => (await exec(bed.forge, `test -s ${HOUSE}/home/state.db`)).code === 0,
  );
  await inside(bed.forge, "systemctl stop cron");
}, 300_000);
afterAll(() => bed?.cleanup());

describe("a drained house", () => {
  it(
    "takes no new work, lets what is under way come to its end, and is stopped then",
    { timeout: 300_000 },
    async () => {
      await remember(bed, bed.forge, "before");
      const has = async (file: string) => (await exec(bed.forge, `test -e ${HOUSE}/home/${file}`)).code === 0;
      // It is due now; the gateway looks once a minute.
      await bed.python(
        bed.forge,
        `import datetime, fcntl, json
with open("${HOUSE}/home/cron/.jobs.lock", "a") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    with open("${HOUSE}/home/cron/jobs.json") as file: data = json.load(file)
    for job in data["jobs"]:
        if job["name"] == "long": job["next_run_at"] = datetime.datetime.now(datetime.timezone.utc).isoformat()
    with open("${HOUSE}/home/cron/jobs.json", "w") as file: json.dump(data, file)`,
      );
      await bed.until("a job at work", 150, () => has("job-began"));
      const said = await bed.run(0, "drain", "bezalel", "--wait", "60");
      expect(said).toContain("bezalel: 1 under way");
      expect(await has("job-ended")).toBe(true);
      expect(said).toMatch(/bezalel: drained: nothing was under way any more; its gateway is stopped/);
      expect(await active(bed.forge)).toBe("inactive");
      expect((await jobs(bed.forge)).map(({ enabled, paused_reason }) => [enabled, paused_reason])).toEqual([
        [false, "drained by an operator"],
        [false, "drained by an operator"],
      ]);
      expect(await bed.run(0, "drain", "--status")).toMatch(/^bezalel: drained since 20\S+Z by /m);
    },
  );

  it("is left alone by updates, by name, and by its deadman switch; a reboot does not start it", async () => {
    bed.fleet.edit("wizards/base/SOUL.md", /$/, "\nAnother rule.\n");
    const up = await bed.run(1, "up", "--yes");
    expect(up).toMatch(/bezalel: .*is drained since 20\S+Z by /);
    expect(up).toContain("when it is to work again: npm run drain -- --undo bezalel -s testbed");
    expect(await bed.run(7, "drift")).toMatch(/bezalel: .*drained: \(on the host: since 20\S+Z by /);
    await inside(
      bed.forge,
      `rm -f ${STATE}/alive; /bin/sh ${HOUSE}/current/deadman/deadman.sh ${HOUSE}/current/deadman/deadman.conf`,
    );
    await kill(bed.forge);
    await start(bed.forge);
    await inside(bed.forge, "systemctl stop cron");
    expect(await active(bed.forge)).toBe("inactive");
    await inside(bed.forge, `systemctl start ${UNIT}`);
    expect(await active(bed.forge)).toBe("inactive");
  });

  it("stays so where its jobs cannot go on, and says so", async () => {
    await inside(bed.forge, `cp ${JOBS} /root/jobs.json; echo '{' >${JOBS}`);
    const said = await bed.run(1, "drain", "--undo", "bezalel");
    expect(said).toContain("cron/jobs.json is not JSON");
    expect(said).toContain("It is still drained. When that is put right: npm run drain -- --undo bezalel");
    expect(await bed.run(0, "drain", "--status")).toMatch(/^bezalel: drained since /m);
    expect(await active(bed.forge)).toBe("inactive");
    await inside(bed.forge, `cat /root/jobs.json >${JOBS}`);
  });

  it("works again when that is taken back: its jobs go on, and updates reach it", async () => {
    // As one leaves it who was cut off behind the flag.
    const marks = "/run/wizard-houses/restart";
    await inside(bed.forge, `mkdir -p ${marks}; : >${marks}/${UNIT}; rm ${STATE}/drained`);
    expect(await bed.run(0, "drain", "--undo", "bezalel")).toContain("works again, and is well");
    expect(await bed.answers(bed.forge)).toBe(true);
    expect((await jobs(bed.forge)).map(({ enabled }) => enabled)).toEqual([true, true]);
    await bed.run(0, "up", "--yes");
    expect(await bed.run(0, "drift")).toContain("no drift");
    expect(await bed.run(0, "drain", "--status")).toContain("bezalel: works");
    expect(await bed.run(0, "drain", "--undo", "bezalel")).toContain("nothing was changed");
  });

  it("is not one where that cannot begin: it works on, and its switch watches", async () => {
    await inside(bed.forge, `cp ${JOBS} /root/jobs.json; echo '{' >${JOBS}`);
    expect(await bed.run(1, "drain", "bezalel")).toContain("It is not drained, and works on");
    await inside(bed.forge, `cat /root/jobs.json >${JOBS}`);
    expect(await bed.run(0, "drain", "--status")).toContain("bezalel: works");
    expect((await exec(bed.forge, `test -e ${HOUSE}/home/.drain_request.json`)).code).not.toBe(0);
    expect(await bed.answers(bed.forge)).toBe(true);
  });
});

describe("a house moves", () => {
  it("not before it is drained, unless somebody says so", { timeout: 300_000 }, async () => {
    bed.fleet.edit("wizards/bezalel/house.yaml", "host: forge", "host: tower");
    const before = bed.fleet.state();
    const refused = await bed.run(1, "up", "--yes");
    expect(refused).toContain("bezalel: moves from forge to tower and is not drained");
    expect(refused).toContain("npm run drain -- bezalel -s testbed");
    expect(refused).toContain("npm run up -- -s testbed --undrained");
    expect(bed.fleet.state()).toBe(before);
    expect(await bed.answers(bed.forge)).toBe(true);
    expect((await exec(bed.tower, `test -e ${HOUSE}`)).code).not.toBe(0);

    await bed.run(0, "up", "--yes", "--undrained");
    await inside(bed.tower, "systemctl stop cron");
    expect([await bed.answers(bed.tower), await active(bed.forge)]).toEqual([true, "inactive"]);
    await bed.run(0, "drain", "bezalel", "--wait", "1");
    bed.fleet.edit("wizards/bezalel/house.yaml", "host: tower", "host: forge");
    expect(await bed.run(0, "up", "--yes")).not.toContain("is not drained");
    await inside(bed.forge, "systemctl stop cron");
    expect(await remembered(bed, bed.forge)).toEqual(["before"]);
  });

  it("with all it had, and leaves its home where it was", { timeout: 300_000 }, async () => {
    await bed.run(0, "drain", "bezalel");
    await remember(bed, bed.forge, "last");
    const archive = await bed.backup();
    bed.fleet.edit("wizards/bezalel/house.yaml", "host: forge", "host: tower");
    await bed.run(0, "up", "--yes");
    expect(await bed.answers(bed.tower)).toBe(true);
    expect(await active(bed.forge)).toBe("inactive");
    await inside(bed.tower, "systemctl stop cron");
    await restore(archive);
    expect(await remembered(bed, bed.tower)).toEqual(["before", "last"]);
    expect((await jobs(bed.tower)).map(({ enabled }) => enabled)).toEqual([true, true]);
    expect(await bed.answers(bed.tower)).toBe(true);
    expect(await bed.run(0, "drift")).toContain("no drift");
    expect(await leftAt(bed.forge)).toEqual(["home"]);
    expect(await inside(bed.forge, `ls ${BACKUPS}`)).toContain(".tar.age");
  });

  it("and back when its host is gone for good, from the copy alone", { timeout: 300_000 }, async () => {
    await remember(bed, bed.tower, "on the tower");
    const archive = await bed.backup();
    await kill(bed.tower);
    bed.fleet.edit("wizards/bezalel/house.yaml", "host: tower", "host: forge");
    const up = await bed.run(4, "up", "--yes");
    expect(up).toContain("npm run retire -- bezalel --abandon");
    await inside(bed.forge, "systemctl stop cron");
    await restore(archive);
    expect(await remembered(bed, bed.forge)).toEqual(["before", "last", "on the tower"]);
    await bed.run(0, "retire", "bezalel", "--abandon", "--yes");
    await bed.run(0, "up", "--yes");
    expect(await bed.run(0, "drift")).toContain("no drift");
    expect(await bed.answers(bed.forge)).toBe(true);
  });
});

describe("a house that is retired", () => {
  it("has to be drained, leaves a last backup, and is taken down; what its agent wrote stays", async () => {
    expect(await bed.run(1, "retire", "bezalel", "--to", bed.copies, "--yes")).toContain(
      "it is not drained; nothing was changed. First: npm run drain -- bezalel -s testbed",
    );
    expect(await bed.answers(bed.forge)).toBe(true);
    await bed.run(0, "drain", "bezalel", "--wait", "1");
    const before = bed.newest();
    // Nobody can take its jobs out of that, and it goes all the same.
    await inside(bed.forge, `echo '{' >${JOBS}`);
    const said = await bed.run(0, "retire", "bezalel", "--to", bed.copies, "--yes");
    expect(bed.newest()).not.toBe(before);
    expect(said).toContain(`its last backup is ${bed.newest()}`);
    expect(said).toContain("remove wizards/bezalel");
    expect(said).toMatch(/The jobs of the house could not be taken out of .*: cron\/jobs\.json is not JSON/);
    expect(await leftAt(bed.forge)).toEqual(["displaced", "home"]);
    expect((await exec(bed.forge, `systemctl cat ${UNIT}`)).code).not.toBe(0);
    expect(bed.fleet.state()).not.toContain("bezalel-release");
  });
});
