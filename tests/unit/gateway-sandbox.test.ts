/** What a house may have opened in its sandbox: what the data may say, and what it makes of the unit. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";

import { gatewayUnit } from "../../components/gateway/unit.ts";
import { FleetError, loadFleet, type Problem } from "../../fleet/index.ts";
import { OPENINGS, type Opening, type SandboxSettings } from "../../fleet/model.ts";

const scratch = mkdtempSync(join(tmpdir(), "sandbox-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const unitOf = (sandbox: Partial<SandboxSettings>): string =>
  gatewayUnit({
    house: "bezalel",
    path: "/srv/wizards/bezalel",
    user: "wizard-bezalel",
    venv: "/opt/hermes/venv",
    drainTimeout: 0,
    sandbox: { write: [], allow: [], ...sandbox },
  });
const linesOf = (text: string): string[] => text.split("\n").filter((line) => /^\w+=/.test(line));
/** Lines one unit has more than the other. */
const beyond = (text: string, other: string): string[] =>
  linesOf(text).filter((line) => !linesOf(other).includes(line));

describe("the unit", () => {
  test("says nothing of openings where there are none", () => {
    expect(unitOf({})).not.toContain("Opened for this house");
  });

  test("opens folders and nothing else", () => {
    const unit = unitOf({ write: ["/srv/builds", "/mnt/models"] });
    expect(beyond(unit, unitOf({}))).toEqual([
      "ReadWritePaths=/srv/wizards/bezalel/home /srv/builds /mnt/models",
    ]);
    expect(unit).toContain(
      "# Opened for this house by `sandbox` in its house.yaml:\n#   may write to /srv/builds\n",
    );
  });

  const filter =
    "SystemCallFilter=@system-service seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self";
  test.each<[Opening, string[]]>([
    ["namespaces", ["RestrictNamespaces=user pid net", `${filter} chroot`]],
    ["debugging", ["LockPersonality=no", `${filter} @debug`]],
    [
      "devices",
      [
        ...[
          "PrivateDevices=no",
          "DevicePolicy=closed",
          "DeviceAllow=char-drm rw",
          "DeviceAllow=char-nvidia* rw",
        ],
        ...["DeviceAllow=/dev/kvm rw", "SupplementaryGroups=kvm render video"],
      ],
    ],
  ])("opens %s and nothing else, and says so", (name, lines) => {
    const unit = unitOf({ allow: [name] });
    expect(beyond(unit, unitOf({}))).toEqual(lines);
    expect(unit).toMatch(new RegExp(`^#   ${name}: .*; .*$`, "m"));
  });

  test("no opening gives away the mounts over the agent's files", () => {
    // Whoever may make a mount namespace may leave the mounts behind and remove the files they lie on.
    const namespaces = linesOf(unitOf({ allow: [...OPENINGS] })).find((line) =>
      line.startsWith("RestrictNamespaces="),
    );
    expect(namespaces?.split(/[= ]/)).not.toContain("mnt");
    expect(namespaces).not.toBe("RestrictNamespaces=no");
  });

  const analyze = (...flags: string[]) => spawnSync("systemd-analyze", flags, { encoding: "utf8" });
  const canAnalyze = analyze("--version").error === undefined;
  test.runIf(canAnalyze).each<[string, Opening[], number]>([
    ["nothing", [], 1.3],
    ["namespaces", ["namespaces"], 1.9],
    ["debugging", ["debugging"], 1.5],
    ["devices", ["devices"], 1.6],
    ["all of them", [...OPENINGS], 2.3],
  ])("with %s opened, systemd rates the exposure as the README says, 2.5 at most", (_, allow, rating) => {
    const file = join(scratch, "rated.service");
    writeFileSync(file, unitOf({ allow, write: ["/srv/builds"] }));
    const { stdout } = analyze("security", "--offline=true", "--no-pager", file);
    const found = Number(/Overall exposure level for rated\.service: ([\d.]+)/.exec(stdout)?.[1]);
    expect(found).toBe(rating);
    expect(found).toBeLessThanOrEqual(2.5);
  });
});

describe("house.yaml", () => {
  let wizards: string;
  beforeEach(() => {
    wizards = join(mkdtempSync(join(scratch, "t-")), "wizards");
    cpSync(join(import.meta.dirname, "../../wizards"), wizards, { recursive: true });
  });

  const write = (text: string): void => {
    const file = join(wizards, "ezra/house.yaml");
    writeFileSync(file, `${readFileSync(file, "utf8")}\n${text}\n`);
  };
  function problems(): Problem[] {
    try {
      loadFleet(wizards);
      return [];
    } catch (error) {
      if (error instanceof FleetError) return [...error.problems];
      throw error;
    }
  }

  test("opens what it names", () => {
    write("sandbox:\n  write: [/srv/builds]\n  allow: [debugging]");
    const ezra = loadFleet(wizards).houses.find(({ name }) => name === "ezra");
    expect(ezra?.sandbox).toEqual({ write: ["/srv/builds"], allow: ["debugging"] });
  });

  test("opens nothing by itself", () => {
    for (const { sandbox } of loadFleet(wizards).houses) expect(sandbox).toEqual({ write: [], allow: [] });
  });

  test.each([
    [
      "an opening there is not",
      "allow: [docker]",
      "allow[0]",
      "is not accepted",
      "one of namespaces, debugging, devices",
    ],
    ["an opening twice", "allow: [devices, devices]", "allow[1]", "stands twice", "every name once"],
    ["a key there is not", "read: [/srv/x]", "read", "is no known key", "write, allow"],
    [
      "a folder of the system",
      "write: [/etc/cron.d]",
      "write[0]",
      "is not accepted",
      "/srv, /mnt, /media or /data",
    ],
    ["a hidden folder", "write: [/home/ezra]", "write[0]", "is not accepted", "/srv, /mnt, /media or /data"],
    ["all of /srv", "write: [/srv]", "write[0]", "is not accepted", "below /srv"],
    ["a way out", "write: [/srv/../etc]", "write[0]", "is not accepted", "no .. in it"],
    ["a relative folder", "write: [srv/builds]", "write[0]", "is not accepted", "below /srv"],
    [
      "its own release",
      "write: [/srv/wizards/ezra/current]",
      "write[0]",
      "overlaps the house itself",
      "its home is",
    ],
    [
      "another house",
      "write: [/srv/wizards/allegro/home]",
      "write[0]",
      "overlaps the house allegro",
      "outside",
    ],
    ["all houses", "write: [/srv/wizards]", "write[0]", "overlaps the house", "outside /srv/wizards/"],
    [
      "a folder in another",
      "write: [/srv/a, /srv/a/b]",
      "write[1]",
      "is inside another folder",
      "folders apart",
    ],
  ])("%s is refused with its line and what is allowed", (_, text, path, message, allowed) => {
    write(`sandbox:\n  ${text}`);
    const line = readFileSync(join(wizards, "ezra/house.yaml"), "utf8").split("\n").indexOf(`  ${text}`) + 1;
    const [first, ...rest] = problems();
    expect(first).toMatchObject({ file: "wizards/ezra/house.yaml", line, path: `sandbox.${path}` });
    expect(first?.message).toContain(message);
    expect(first?.allowed).toContain(allowed);
    // One mistake is told once; "all houses" is one mistake for each house of the host.
    expect(rest.every((problem) => problem.line === line)).toBe(true);
    expect(rest.length).toBe(text === "write: [/srv/wizards]" ? 1 : 0);
  });

  test("a folder of the harness is refused", () => {
    const fleet = join(wizards, "fleet.yaml");
    writeFileSync(fleet, readFileSync(fleet, "utf8").replace("/opt/hermes/venv", "/srv/hermes/venv"));
    write("sandbox:\n  write: [/srv/hermes]");
    expect(problems().map(({ message }) => message)).toEqual(["overlaps the harness"]);
  });

  test("a house on another host is no obstacle", () => {
    write("sandbox:\n  write: [/srv/wizards/bezalel]");
    expect(problems()).toEqual([]);
  });
});
