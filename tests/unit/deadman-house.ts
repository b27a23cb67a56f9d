/**
 * A house in a temporary folder for the deadman switch's script. `systemctl` and `logger` are doubles in front of PATH, and
 * so is `curl` unless a test wants the real one: strict ones, which record every call and fail on one they were not told
 * of. Everything else is real.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
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
import { dirname, join } from "node:path";
import { afterEach, expect } from "vitest";

const SCRIPT = new URL("../../components/deadman/deadman.sh", import.meta.url).pathname;
export const IS_ROOT = process.getuid?.() === 0;
export const MAIN_PID = 4242;

const made: string[] = [];
afterEach(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** Settings that are in the file of secrets; all others are in the settings file. */
const SECRETS = ["PING_URL", "WEBHOOK_URL", "FORGE_TOKEN"];

export function fakeHouse(settings: Record<string, string> = {}) {
  const root = mkdtempSync(join(tmpdir(), "deadman-"));
  made.push(root);
  // As root the script reads as another user, who must be able to get here.
  chmodSync(root, 0o755);
  const at = (...names: string[]) => join(root, ...names);
  const write = (path: string, text: string, mode = 0o644) => {
    mkdirSync(dirname(at(path)), { recursive: true });
    writeFileSync(at(path), text, { mode });
  };
  for (const id of ["old", "new"]) {
    write(`house/releases/${id}/config.yaml`, id);
    write(`house/releases/${id}/cron/wizard-bezalel`, id);
  }
  symlinkSync("releases/new", at("house/current"));
  symlinkSync("releases/old", at("house/known-good"));
  mkdirSync(at("house/home/state"), { recursive: true });
  mkdirSync(at("house/home/cron"), { recursive: true });

  write("unit", `ActiveState=active\nMainPID=${MAIN_PID}\n`);
  write("home-unit", "ActiveState=inactive\n");
  write("calls", "");
  write(
    "bin/systemctl",
    `#!/bin/sh
case "$*" in
  "show --property=ActiveState --property=MainPID hermes-bezalel.service") cat ${at("unit")} ;;
  "show --property=ActiveState wizard-home-bezalel.service") cat ${at("home-unit")} ;;
  "daemon-reload" | "restart --no-block hermes-bezalel.service") echo "systemctl $*" >>${at("calls")} ;;
  *) echo "systemctl: not expected: $*" >>${at("calls")}; exit 97 ;;
esac
`,
    0o755,
  );
  write("bin/logger", `#!/bin/sh\n[ "$1" = -t ] && [ "$3" = -p ] && echo "$2 $4 $6" >>${at("log")}\n`, 0o755);
  write(
    "bin/curl",
    `#!/bin/sh
{ cat; printf 'argv = %s\\n' "$*"; } >>${at("curl-calls")}
exit "$(cat ${at("curl-status")})"
`,
    0o755,
  );
  write("curl-status", "0");

  const conf = {
    NAME: "bezalel",
    HOUSE: at("house"),
    STATE: at("state"),
    AGENT_USER: IS_ROOT ? "nobody" : execFileSync("id", ["-un"], { encoding: "utf8" }).trim(),
    UNIT: "hermes-bezalel.service",
    HOME_UNIT: "wizard-home-bezalel.service",
    HEALTH_URL: "",
    GRACE: "300",
    MAX_RETRIES: "3",
    WINDOW: "3600",
    FORGE_API: "",
    SECRETS: at("secrets.conf"),
    DRY_RUN: "no",
    ...settings,
  };
  const lines = (secret: boolean): string =>
    Object.entries(conf)
      .filter(([key]) => SECRETS.includes(key) === secret)
      .map(([key, value]) => `${key}=${value}\n`)
      .join("");
  write("deadman.conf", `# settings\n${lines(false)}`);
  write("secrets.conf", `# secrets\n${lines(true)}`, 0o600);
  const options = { env: { PATH: `${at("bin")}:${process.env["PATH"]}` }, encoding: "utf8" as const };
  /** Another look while a server of the test's own process answers. */
  const look = (): Promise<{ status: number | null; stderr: string }> =>
    new Promise((resolve, reject) => {
      const child = spawn("/bin/sh", [SCRIPT, at("deadman.conf")], {
        ...options,
        stdio: ["ignore", "ignore", "pipe"],
      });
      let stderr = "";
      child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
      child.once("error", reject).once("close", (status) => resolve({ status, stderr }));
    });
  const run = (...flags: string[]) => {
    const { status, stderr } = spawnSync("/bin/sh", [SCRIPT, ...flags, at("deadman.conf")], options);
    return { status, stderr };
  };
  const read = (path: string) => (existsSync(at(path)) ? readFileSync(at(path), "utf8") : "");
  const beat = (moment: string, pid = MAIN_PID) =>
    write(
      "house/home/state/gateway.heartbeat",
      JSON.stringify({ pid, updated_at: moment, monotonic: 1, start_time: 1 }),
    );
  return {
    at,
    write,
    run,
    look,
    read,
    beat,
    start: () => spawn("/bin/sh", [SCRIPT, at("deadman.conf")], options),
    current: () => readlinkSync(at("house/current")),
    /** Calls that change a unit. */
    calls: () => read("calls").split("\n").filter(Boolean),
    attempts: () => read("state/attempts").split("\n").filter(Boolean).length,
    /** Sets the last sign of life back by so many seconds. */
    silentFor: (seconds: number) => {
      const [boot, uptime] = read("state/alive").trim().split(" ");
      write("state/alive", `${boot} ${Number(uptime) - seconds}\n`);
    },
    /** Everything in the house with its type, target or content: two equal answers mean nothing was changed. */
    tree: () =>
      readdirSync(at("house"), { recursive: true, encoding: "utf8" })
        .filter((path) => path !== ".lock")
        .sort()
        .map((path) => {
          const stat = lstatSync(at("house", path));
          if (stat.isSymbolicLink()) return `${path} -> ${readlinkSync(at("house", path))}`;
          return stat.isFile() ? `${path}: ${stat.mtimeMs} ${readFileSync(at("house", path), "utf8")}` : path;
        }),
  };
}

export type FakeHouse = ReturnType<typeof fakeHouse>;

/** A house that was seen alive and has given no sign of life for longer than its grace. */
export function silentHouse(settings: Record<string, string> = {}): FakeHouse {
  const house = fakeHouse({ GRACE: "5", ...settings });
  house.beat("12:00");
  expect(house.run().status).toBe(0);
  house.silentFor(6);
  return house;
}

export const RESTART = "systemctl restart --no-block hermes-bezalel.service";
