import { spawnSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { gatewayUnit, homeUnit, type GatewayUnit } from "../../components/gateway/unit.ts";
import { stopSeconds } from "../../provider/host/deadline.ts";

const valid: GatewayUnit = {
  house: "bezalel",
  path: "/srv/wizards/bezalel",
  user: "wizard-bezalel",
  venv: "/opt/hermes/venv",
  drainTimeout: 0,
  sandbox: { write: [], allow: [] },
};

/** Directives of a unit's text: `Key` → values in order. */
function directives(text: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const [key, ...rest] = line.split("=");
    if (key === undefined || rest.length === 0 || line.startsWith("#")) continue;
    found.set(key, [...(found.get(key) ?? []), rest.join("=")]);
  }
  return found;
}

const analyze = (...flags: string[]) => spawnSync("systemd-analyze", flags, { encoding: "utf8" });
const canAnalyze = analyze("--version").error === undefined;

let folder: string;

/** What `systemd-analyze security` makes of a unit: 0 is safest, 10 is worst. */
function exposure(text: string): number {
  const file = join(folder, "rated.service");
  writeFileSync(file, text);
  const { stdout } = analyze("security", "--offline=true", "--no-pager", file);
  return Number(/Overall exposure level for rated\.service: ([\d.]+)/.exec(stdout)?.[1]);
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gateway-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe("the unit", () => {
  const unit = directives(gatewayUnit(valid));

  test("runs the harness as the house's user, under the release's configuration", () => {
    expect(unit.get("ExecStart")).toEqual([
      "/bin/sh /srv/wizards/bezalel/current/gateway/start-gateway.sh /srv/wizards/bezalel/current",
    ]);
    expect(unit.get("User")).toEqual(["wizard-bezalel"]);
    expect(unit.get("Group")).toEqual(["wizard-bezalel"]);
    expect(unit.get("Environment")).toEqual([
      "HOME=/srv/wizards/bezalel/home",
      "USER=wizard-bezalel",
      "LOGNAME=wizard-bezalel",
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      "HERMES_HOME=/srv/wizards/bezalel/home",
      "HERMES_MANAGED_DIR=/srv/wizards/bezalel/current",
      "HERMES_GATEWAY_MAX_STARTS=0",
    ]);
  });

  test("mounts the release's files over the agent's, and does not start where they are not", () => {
    const house = "/srv/wizards/bezalel";
    const files = [".env", "config.yaml"];
    expect(unit.get("BindReadOnlyPaths")).toEqual(
      files.map((file) => `${house}/current/${file}:${house}/home/${file}`),
    );
    expect(unit.get("ExecStartPre")).toEqual(
      files.map(
        (file) =>
          `/usr/bin/test ! -L ${house}/home/${file} -a ${house}/home/${file} -ef ${house}/current/${file}`,
      ),
    );
  });

  test("has the places of the mounts prepared by a unit without mounts, as the house's user, before every start", () => {
    expect(unit.get("Requires")).toEqual(["wizard-home-bezalel.service"]);
    expect(unit.get("After")).toEqual(["network-online.target", "wizard-home-bezalel.service"]);
    const home = directives(homeUnit(valid));
    expect(home.get("ExecStart")).toEqual([
      "/bin/sh /srv/wizards/bezalel/current/gateway/prepare-home.sh /srv/wizards/bezalel/home .env config.yaml",
    ]);
    expect([home.get("User"), home.get("BindReadOnlyPaths")]).toEqual([["wizard-bezalel"], undefined]);
    // Each start of the gateway wants it to run again, so it must not stay active, nor count its starts.
    expect([home.get("Type"), home.get("RemainAfterExit"), home.get("StartLimitIntervalSec")]).toEqual([
      ["oneshot"],
      undefined,
      ["0"],
    ]);
  });

  test("follows the harness's exit codes and never gives up restarting", () => {
    const facts = [
      "Restart",
      "RestartForceExitStatus",
      "RestartPreventExitStatus",
      "SuccessExitStatus",
      "StartLimitIntervalSec",
    ];
    expect(facts.map((key) => unit.get(key))).toEqual([["always"], ["75"], ["78"], ["1 75"], ["0"]]);
    expect(unit.get("KillMode")).toEqual(["mixed"]);
    expect(unit.get("ExecReload")).toEqual(["/bin/kill -USR1 $MAINPID"]);
  });

  test.each([
    [0, "30"],
    [20, "50"],
    [600, "630"],
  ])("leaves time to drain: %i s", (drainTimeout, expected) => {
    const text = gatewayUnit({ ...valid, drainTimeout });
    expect(directives(text).get("TimeoutStopSec")).toEqual([expected]);
    // What may be waited for is read there.
    expect(stopSeconds(text)).toBe(Number(expected));
  });

  test("only the home is writable", () => {
    expect(unit.get("ProtectSystem")).toEqual(["strict"]);
    expect(unit.get("ReadWritePaths")).toEqual(["/srv/wizards/bezalel/home"]);
    expect(unit.get("CapabilityBoundingSet")).toEqual([""]);
    expect(unit.get("UMask")).toEqual(["0077"]);
  });

  test("every directive of the sandbox is there", () => {
    const sandbox = [
      ...["NoNewPrivileges", "PrivateTmp", "PrivateDevices", "PrivateUsers", "ProtectHome", "ProtectClock"],
      ...["ProtectControlGroups", "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules"],
      ...["ProtectKernelTunables", "LockPersonality", "RestrictNamespaces", "RestrictRealtime"],
      ...["RestrictSUIDSGID", "RemoveIPC"],
    ];
    expect(sandbox.filter((key) => unit.get(key)?.join() !== "yes")).toEqual([]);
    expect(unit.get("SystemCallFilter")).toEqual([
      "@system-service seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self",
    ]);
    expect(unit.get("ProtectProc")).toEqual(["invisible"]);
  });

  test.runIf(canAnalyze)("systemd rates the exposure of both units 2.5 at most", () => {
    expect(exposure(gatewayUnit(valid))).toBeLessThanOrEqual(2.5);
    expect(exposure(homeUnit(valid))).toBeLessThanOrEqual(2.5);
    expect(exposure("[Service]\nExecStart=/bin/true\n")).toBeGreaterThan(9);
  });

  test.runIf(canAnalyze)("systemd finds nothing wrong with them", () => {
    const file = join(folder, "hermes-bezalel.service");
    const text = gatewayUnit(valid);
    const home = join(folder, "wizard-home-bezalel.service");
    const verify = (): string => analyze("verify", file, home).stderr;
    writeFileSync(file, text);
    writeFileSync(home, homeUnit(valid));
    expect(verify()).toBe("");
    writeFileSync(file, text.replace("KillMode=mixed", "KillMode=mixd"));
    expect(verify()).toContain("mixd");
  });
});

describe("what systemd would misread is refused", () => {
  test.each([
    ["path", "/srv/wizards/my house"],
    ["path", "/srv/%h"],
    ["path", "/srv/a:b"],
    ["path", "srv/wizards"],
    ["path", "/srv/x\nUser=root"],
    ["path", "/srv/../etc"],
    ["path", "/home/bezalel"],
    ["path", "/root/wizards/bezalel"],
    ["path", "/tmp/bezalel"],
    ["venv", "/opt/hermes venv"],
    ["venv", "/root/venv"],
    ["sandbox", { write: ["/srv/a b"], allow: [] }],
    ["sandbox", { write: ["/home/builds"], allow: [] }],
    ["user", "wizard bezalel"],
    ["user", "Root"],
    ["house", "be zalel"],
    ["drainTimeout", Number.NaN],
    ["drainTimeout", -1],
  ] as const)("%s %j", (key, value) => {
    expect(() => gatewayUnit({ ...valid, [key]: value })).toThrow(/The unit of house .* cannot be written/);
  });

  test("all problems at once", () => {
    expect(() => gatewayUnit({ ...valid, path: "/home/a b", user: "A" })).toThrow(
      /path .*; path .*hides it.*; user /,
    );
  });
});

describe.each([".env", "config.yaml"])("preparing the home's %s", (name) => {
  const script = new URL("../../components/gateway/prepare-home.sh", import.meta.url).pathname;
  const prepare = () => spawnSync("/bin/sh", [script, folder, ".env", "config.yaml"], { encoding: "utf8" });
  const covered = () => join(folder, name);
  const setAside = () => readdirSync(folder).filter((entry) => entry.startsWith(`${name}.set-aside.`));

  test("a missing one becomes an empty file for the mount", () => {
    expect(prepare().status).toBe(0);
    expect(lstatSync(covered()).isFile()).toBe(true);
    expect(lstatSync(covered()).mode & 0o777).toBe(0o600);
  });

  test("a file stays as it is", () => {
    writeFileSync(covered(), "KEEP=1\n");
    expect(prepare().status).toBe(0);
    expect(readFileSync(covered(), "utf8")).toBe("KEEP=1\n");
    expect(setAside()).toEqual([]);
  });

  test("a link is set aside, and what it points at is left alone", () => {
    const target = join(folder, "target");
    writeFileSync(target, "untouched");
    symlinkSync(target, covered());
    expect(prepare().status).toBe(0);
    expect(lstatSync(covered()).isFile()).toBe(true);
    expect(readFileSync(target, "utf8")).toBe("untouched");
    expect(setAside().map((entry) => readlinkSync(join(folder, entry)))).toEqual([target]);
  });

  test("a link to nowhere does not make its target", () => {
    symlinkSync(join(folder, "nowhere"), covered());
    expect(prepare().status).toBe(0);
    expect(existsSync(join(folder, "nowhere"))).toBe(false);
    expect(lstatSync(covered()).isFile()).toBe(true);
  });

  test("a folder is set aside with its content", () => {
    mkdirSync(covered());
    writeFileSync(join(covered(), "inside"), "kept");
    expect(prepare().status).toBe(0);
    expect(lstatSync(covered()).isFile()).toBe(true);
    expect(readFileSync(join(folder, setAside()[0] ?? "", "inside"), "utf8")).toBe("kept");
  });

  test("a FIFO is set aside and holds nobody up", () => {
    spawnSync("mkfifo", [covered()]);
    expect(prepare().status).toBe(0);
    expect(lstatSync(covered()).isFile()).toBe(true);
  });

  test("a home that is not there is an error", () => {
    rmSync(folder, { recursive: true });
    expect(prepare().status).not.toBe(0);
  });
});
