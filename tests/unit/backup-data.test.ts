/** Backups as data: what wizards/ may say, what a release gets of it, and when the newest is too old. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import path from "node:path";

import { afterAll, beforeEach, describe, expect, it } from "vitest";

import { backupFolder } from "../../components/backup/conf.ts";
import { BACKUP_NEEDED, backupPart } from "../../components/backup/part.ts";
import { drainedFlag } from "../../components/drain/command-lines.ts";
import { gatewayUnit } from "../../components/gateway/unit.ts";
import { isRecipient } from "../../fleet/age-recipient.ts";
import { BACKUP_DEFAULTS } from "../../fleet/backup.ts";
import { FleetError, loadFleet } from "../../fleet/index.ts";
import type { BackupSettings } from "../../fleet/model.ts";
import type { Facts } from "../../provider/host/facts.ts";
import {
  backupFindings,
  backupTime,
  newestBackup,
  oldestFirst,
} from "../../provider/resources/release/backups.ts";
import type { ReleaseInputs } from "../../provider/resources/release/layout.ts";
import { listed } from "../../scripts/backup.ts";

const ROOT = path.resolve(import.meta.dirname, "..", "..");
const AGE = "age1ep9xtxk5kpev7n5ytjq7kprrcjwqwx2a6975jqkv0lc6xl70wuwq7r8rwc";
const SSH = `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${"A".repeat(43)}`;
const scratch = mkdtempSync(path.join(tmpdir(), "backup-data-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe("a recipient", () => {
  it.each([AGE, SSH])("is %s", (text) => expect(isRecipient(text)).toBe(true));
  it.each([
    ["with a letter mistyped", AGE.replace("9xtx", "9xtq")],
    ["cut off", AGE.slice(0, -1)],
    ["in capitals", AGE.toUpperCase()],
    ["a private key", `AGE-SECRET-KEY-1${"Q".repeat(58)}`],
    ["with a comment", `${SSH} ada`],
    ["of a kind that may be weak", SSH.replace("ed25519", "rsa")],
    ["with a second line", `${AGE}\n${AGE}`],
  ])("is none %s", (_what, text) => expect(isRecipient(text)).toBe(false));
});

describe("wizards/", () => {
  let wizards: string;
  beforeEach(() => {
    wizards = path.join(mkdtempSync(path.join(scratch, "w-")), "wizards");
    cpSync(path.join(ROOT, "wizards"), wizards, { recursive: true });
  });
  const append = (file: string, text: string): void => {
    const at = path.join(wizards, file);
    writeFileSync(at, `${readFileSync(at, "utf8")}${text}\n`);
  };
  const problems = (): string[] => {
    try {
      loadFleet(wizards);
      return [];
    } catch (error) {
      if (!(error instanceof FleetError)) throw error;
      return error.problems.map(({ file, path: at, message }) => `${file}: ${at} ${message}`);
    }
  };
  // `defaults` is the last key of the file.
  const fleetSays = (...lines: string[]): void =>
    append("fleet.yaml", ["  backup:", ...lines.map((line) => `    ${line}`)].join("\n"));
  const backups = () =>
    Object.fromEntries(loadFleet(wizards).houses.map(({ name, backup }) => [name, backup]));

  it("says nothing, and there is no backup", () => {
    expect(Object.values(backups())).toEqual([undefined, undefined, undefined]);
  });

  it("says whom it is encrypted to, and each house may say otherwise, or that there is none", () => {
    fleetSays(`recipients: [${AGE}]`, "keep: 30");
    append("ezra/house.yaml", `backup: { recipients: ["${SSH}"], schedule: "@hourly", maxAge: 3 }`);
    append("allegro/house.yaml", "backup: { enabled: false }");
    expect(backups()).toEqual({
      bezalel: { ...BACKUP_DEFAULTS, recipients: [AGE], keep: 30 },
      ezra: { ...BACKUP_DEFAULTS, recipients: [SSH], keep: 30, schedule: "@hourly", maxAge: 3 },
      allegro: undefined,
    });
  });

  it("says what cannot be, with its place", () => {
    fleetSays(`recipients: [${AGE}, ${AGE}]`, 'schedule: "61 * * * *"');
    append("ezra/house.yaml", 'backup: { recipients: [nobody], schedule: "@reboot", keep: 0, colour: red }');
    const found = problems().join("\n");
    for (const words of [
      "wizards/fleet.yaml: defaults.backup.recipients[1] stands twice",
      "wizards/fleet.yaml: defaults.backup.schedule has no valid minute",
      "wizards/ezra/house.yaml: backup.recipients[0] is not accepted",
      "wizards/ezra/house.yaml: backup.keep is not accepted",
      "wizards/ezra/house.yaml: backup.colour is no known key",
    ])
      expect(found).toContain(words);
  });

  it("says nobody who could read them", () => {
    append("ezra/house.yaml", "backup: { keep: 3 }");
    expect(problems()).toEqual([
      "wizards/ezra/house.yaml: backup.recipients is missing: nobody could read the backups",
    ]);
  });
});

const SETTINGS: BackupSettings = { ...BACKUP_DEFAULTS, recipients: [AGE, SSH] };
const HOUSE = {
  ...{ house: "bezalel", path: "/srv/wizards/bezalel", user: "wizard-bezalel" },
  harness: "0.19.0",
};

describe("a release", () => {
  it("can unpack a backup, whether or not it makes any", () => {
    expect(backupPart(HOUSE, undefined)).toMatchObject({ files: { "backup/unpack.py": { mode: "0640" } } });
    expect(Object.keys(backupPart(HOUSE, undefined))).not.toContain("cron");
  });

  it("makes them as root by cron, with settings that are root's alone, and public keys", () => {
    const { files = {}, cron } = backupPart(HOUSE, SETTINGS);
    expect(Object.entries(files).map(([name, { mode, group }]) => [name, mode, group])).toEqual([
      ["backup/unpack.py", "0640", undefined],
      ["backup/collect.py", "0640", undefined],
      ["backup/backup.sh", "0700", "root"],
      ["backup/backup.conf", "0600", "root"],
      ["backup/recipients", "0600", "root"],
    ]);
    expect(files["backup/recipients"]?.content).toBe(`# Who can read the backups.\n${AGE}\n${SSH}\n`);
    expect(String(files["backup/backup.conf"]?.content).split("\n").slice(1, -1)).toEqual([
      ...["NAME=bezalel", "HOUSE=/srv/wizards/bezalel", "AGENT_USER=wizard-bezalel"],
      ...["PYTHON=/srv/wizards/bezalel/current/harness/bin/python", "HARNESS=0.19.0"],
      ...["FOLDER=/var/backups/wizard-houses/bezalel", "KEEP=7", "MAX_SIZE=1000000000", "TIMEOUT=3600"],
    ]);
    const [entry] = cron?.["wizard-bezalel-backup"]?.entries ?? [];
    expect(entry).toMatchObject({ schedule: "30 2 * * *", user: "root" });
    expect(entry?.command.slice(1)).toEqual([
      "/srv/wizards/bezalel/current/backup/backup.sh",
      "scheduled",
      "/srv/wizards/bezalel/current/backup/backup.conf",
    ]);
    expect(BACKUP_NEEDED).toEqual({ age: ["age"] });
  });

  it("does not start the gateway of a house that was drained", () => {
    const unit = gatewayUnit({
      ...{ house: "bezalel", path: HOUSE.path, user: HOUSE.user, venv: "/opt/hermes/venv" },
      ...{ drainTimeout: 0, sandbox: { write: [], allow: [] } },
    });
    expect(unit).toContain(`ConditionPathExists=!${drainedFlag("bezalel")}\n`);
  });
});

describe("the newest backup", () => {
  const now = Date.UTC(2026, 0, 31, 12);
  const HOUR = 3600;
  const inputs = {
    house: "/srv/wizards/bezalel",
    backups: { folder: backupFolder("bezalel"), maxAge: 26 },
  } as ReleaseInputs;
  /** @param hours how old the oldest release is */
  const facts = (names: string[], hours: number, live = true): Facts =>
    ({
      folders: new Map([
        [backupFolder("bezalel"), names.map((name) => ({ name, modified: now / 1000 }))],
        [
          "/srv/wizards/bezalel/releases",
          [{ name: "0123456789abcdef", modified: now / 1000 - hours * HOUR }],
        ],
      ]),
      units: new Map(live ? [["hermes-bezalel.service", {}]] : []),
    }) as unknown as Facts;

  it("is known by its name alone", () => {
    expect(backupTime("20260131T023000Z.tar.age")).toBe(Date.UTC(2026, 0, 31, 2, 30) / 1000);
    for (const name of [".making", ".lock", "20260131T023000Z.tar", "x20260131T023000Z.tar.age"])
      expect(backupTime(name)).toBeUndefined();
  });

  it.each<[string, string[], number, RegExp | undefined]>([
    ["is of today", ["20260101T023000Z.tar.age", "20260131T023000Z.tar.age"], 900, undefined],
    [
      "is of the day before yesterday",
      ["20260130T023000Z.tar.age"],
      900,
      /^its newest backup is 33 hours old; one .* older than 26/,
    ],
    ["is not there yet, in a new house", [".making"], 3, undefined],
    ["is not there, in an old house", [".making"], 40, /^there is no backup of it; one/],
    ["is of a clock that is a little ahead", ["20260131T123000Z.tar.age"], 900, undefined],
    [
      "is one of the day before yesterday, whatever a clock that was ahead has made since",
      ["20260130T023000Z.tar.age", "20270101T023000Z.tar.age", "20270102T023000Z.tar.age"],
      900,
      /^its newest backup is 33 hours old, apart from those of a clock that was ahead \(20270101T023000Z.tar.age, 20270102T/,
    ],
    [
      "is of today, and those of a clock that was ahead go by themselves",
      ["20260131T023000Z.tar.age", "20270101T023000Z.tar.age"],
      900,
      undefined,
    ],
    [
      "is not there, apart from those of a clock that was ahead, in a new house",
      ["1", "2", "3", "4", "5"].map((day) => `2027010${day}T023000Z.tar.age`),
      3,
      /^there is no backup of it, apart from .*20270103T023000Z.tar.age and 2 more\); one/,
    ],
  ])("%s", (_what, names, hours, expected) => {
    const [found] = backupFindings(inputs, facts(names, hours), now);
    if (expected === undefined) expect(found).toBeUndefined();
    else expect(found).toMatch(expected);
    // Nothing is said where nothing runs, or where none is declared.
    expect(backupFindings(inputs, facts(names, hours, false), now)).toEqual([]);
    expect(backupFindings({ house: inputs.house } as ReleaseInputs, facts(names, hours), now)).toEqual([]);
  });
});

describe("the backups of a house", () => {
  const now = Date.UTC(2026, 0, 31, 12) / 1000;
  const [old, today, ahead] = ["20260130", "20260131", "20270101"].map((day) => `${day}T023000Z.tar.age`) as [
    ...[string, string, string],
  ];

  it("begin with those that are dated in the future, of which none is the newest", () => {
    expect(oldestFirst([today, ".lock", ahead, old], now)).toEqual([ahead, old, today]);
    expect(newestBackup([today, ahead, old], now)).toBe(today);
    expect(newestBackup([ahead], now)).toBeUndefined();
  });

  it.each<[string[], string[]]>([
    [
      [ahead, old, today],
      ["the newest is 9 hours old", `${ahead} (dated in the future)`, old, today],
    ],
    [[old], ["the newest is 33 hours old, and should be no older than 26", old]],
    [
      [ahead],
      ["all are dated in the future, and should be no older than 26", `${ahead} (dated in the future)`],
    ],
    [["20260131T121000Z.tar.age"], ["the newest is 0 hours old", "20260131T121000Z.tar.age"]],
  ])("are listed: %j", (names, lines) => expect(listed(names, 26, now)).toBe(lines.join("\n  ")));
});

describe("backup.sh", () => {
  it("removes those of a clock that was ahead, then the oldest, and never what it has just made", () => {
    const at = mkdtempSync(path.join(scratch, "script-"));
    const [bin, folder, house] = ["bin", "backups", "house"].map((name) => path.join(at, name)) as [
      ...[string, string, string],
    ];
    for (const one of [bin, folder, house]) mkdirSync(one);
    writeFileSync(path.join(bin, "age"), "#!/bin/sh\ncat\n", { mode: 0o755 });
    cpSync(path.join(ROOT, "components/backup/backup.sh"), path.join(at, "backup.sh"));
    const conf = path.join(at, "backup.conf");
    const make = (keep: number): string => {
      const { username } = userInfo();
      const settings = { NAME: "bezalel", HOUSE: house, AGENT_USER: username, PYTHON: "/bin/true" };
      const all = { ...settings, HARNESS: "0", FOLDER: folder, KEEP: keep, MAX_SIZE: 1, TIMEOUT: 60 };
      writeFileSync(
        conf,
        Object.entries(all)
          .map(([key, value]) => `${key}=${value}\n`)
          .join(""),
      );
      const { stdout, stderr } = spawnSync("/bin/sh", [path.join(at, "backup.sh"), "make", conf], {
        encoding: "utf8",
        env: { PATH: `${bin}:${process.env["PATH"]}` },
      });
      expect(stderr).toContain("0 bytes in ");
      return path.basename(stdout.trim());
    };
    const there = (): string[] => readdirSync(folder).filter((name) => backupTime(name) !== undefined);
    const aheads = ["20990101", "20990102", "20990103"].map((day) => `${day}T000000Z.tar.age`);
    for (const name of ["20200101T000000Z.tar.age", "20200102T000000Z.tar.age", ...aheads])
      writeFileSync(path.join(folder, name), "");
    const made = make(4);
    expect(there()).toEqual(["20200101T000000Z.tar.age", "20200102T000000Z.tar.age", made, aheads[2]]);
  });
});

describe("docs/scheduled-work.md", () => {
  it("has the settings of backups with their defaults", () => {
    const text = readFileSync(path.join(ROOT, "docs/scheduled-work.md"), "utf8");
    for (const [key, value] of Object.entries(BACKUP_DEFAULTS))
      expect(text).toMatch(
        new RegExp(`^\\| \`backup\\.${key}\` +\\| \`${String(value).replaceAll("*", "\\*")}\` `, "m"),
      );
  });
});

it("Python and TypeScript mean the same form of archive", async () => {
  const { FORMAT } = await import("../../scripts/backup/archive.ts");
  for (const file of ["collect.py", "unpack.py"]) {
    const text = readFileSync(path.join(ROOT, "components/backup", file), "utf8");
    expect(/^FORMAT = (\d+)$/m.exec(text)?.[1]).toBe(String(FORMAT));
  }
});
