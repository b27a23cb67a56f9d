/** The test bed itself: its machines are real and apart from each other, its faults are faults, and it leaves nothing behind. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { mirrorOf } from "../../testbed/apt-sources.ts";
import { inGroup } from "../../testbed/cgroup.ts";
import { removeInterruptedBuilds } from "../../testbed/image.ts";
import {
  type Machine,
  blackhole,
  changeHostKey,
  destroyTestbed,
  ensureTestbed,
  exec,
  freeze,
  kill,
  powerOff,
  reset,
  setAddress,
  start,
  statusOf,
  testbedProblem,
  unblackhole,
  unfreeze,
} from "../../testbed/index.ts";
import { PREFIX, bedFolder, imagesFolder, shortId } from "../../testbed/paths.ts";
import { SUBNETS, overlaps, subnet } from "../../testbed/subnet.ts";
import { VERSIONS } from "../../toolchain/versions.ts";
import { leftoversOf } from "./leftovers.ts";

const ROOT = path.join(import.meta.dirname, "../..");
const [BED, BARE, BROKEN] = ["test", "test-bare", "test-broken"];

/** As an operator does it; the outcome of ssh. */
function ssh(machine: Machine, command: string, options: readonly string[] = []) {
  const limits = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=5"];
  const argv = ["-F", machine.sshConfigFile, ...limits, ...options, machine.name, command];
  return spawnSync("ssh", argv, { encoding: "utf8" });
}

/** What happens when something connects to port 22 and waits. */
function greeting(host: string, milliseconds: number): Promise<"greeted" | "silence" | "no connection"> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port: 22 });
    let connected = false;
    const end = (what: "greeted" | "silence" | "no connection"): void => {
      socket.destroy();
      resolve(what);
    };
    socket.on("connect", () => (connected = true));
    socket.on("data", () => end("greeted"));
    socket.on("error", () => end("no connection"));
    socket.setTimeout(milliseconds, () => end(connected ? "silence" : "no connection"));
  });
}

const say = async (machine: Machine, command: readonly string[] | string): Promise<string> => {
  const { code, stdout, stderr } = await exec(machine, command);
  expect(`${code} ${stderr}`).toBe("0 ");
  return stdout.trim();
};

const bootOf = (machine: Machine): Promise<string> =>
  say(machine, "systemctl show -P UserspaceTimestampMonotonic");

const command = (...args: string[]): ChildProcess =>
  spawn(process.execPath, ["scripts/run.mjs", "testbed", ...args], { cwd: ROOT, stdio: "ignore" });

describe.skipIf(testbedProblem() !== undefined)("test bed", () => {
  let machines: Machine[];
  let first: Machine;
  let second: Machine;

  beforeAll(async () => {
    for (const bed of [BED, BARE, BROKEN]) await destroyTestbed(bed);
    machines = await ensureTestbed({ count: 3, bed: BED });
    [first, second] = machines as [Machine, Machine];
    // Asked for now and looked at last, because cron is woken once a minute.
    await say(first, `echo '* * * * * root date > /tmp/cron-was-here' > /etc/cron.d/test`);
  });

  afterAll(async () => {
    for (const bed of [BED, BARE, BROKEN]) await destroyTestbed(bed);
  });

  it("boots machines that have nothing failed and are themselves", async () => {
    const seen = await Promise.all(
      machines.map(async (machine) => ({
        state: await say(machine, "systemctl is-system-running"),
        failed: await say(machine, "systemctl --failed --no-legend"),
        services: await say(machine, "systemctl is-active ssh cron dbus systemd-journald"),
        hostname: await say(machine, "hostname"),
        id: await say(machine, "cat /etc/machine-id"),
        keys: await say(machine, "cat /etc/ssh/ssh_host_*_key.pub"),
        journal: await say(machine, "journalctl -b -u ssh -o cat | grep -c 'Server listening'"),
      })),
    );
    for (const [at, machine] of machines.entries()) {
      expect(seen[at]).toMatchObject({ state: "running", failed: "", hostname: machine.name, journal: "2" });
      expect(seen[at]?.services).toBe("active\nactive\nactive\nactive");
      expect(seen[at]?.keys).toBe(`${machine.hostKey} root@${machine.name}`);
    }
    for (const what of ["hostname", "id", "keys"] as const) {
      expect(new Set(seen.map((machine) => machine[what])).size).toBe(machines.length);
    }
  });

  it("lets in root, an operator who may become root, and one who may not", () => {
    expect(ssh(first, "id -un; hostname").stdout).toBe(`root\n${first.name}\n`);
    expect(ssh(first, "sudo -n id -un", ["-l", "operator"]).stdout).toBe("root\n");
    const refused = ssh(first, "id -un; sudo -n id -un", ["-l", "nosudo"]);
    expect([refused.stdout, refused.status]).toEqual(["nosudo\n", 1]);
  });

  it("is reached by IPv6 too, with the same pinned key", () => {
    expect(ssh(first, "hostname", ["-o", `HostName=${first.address6}`]).stdout).toBe(`${first.name}\n`);
  });

  it("carries the real harness, root's own and compiled", async () => {
    expect(await say(first, "/opt/hermes/venv/bin/hermes --version")).toContain(`v${VERSIONS.hermesAgent}`);
    expect(await say(first, "find /opt/hermes -not -user root -o -perm /022 -not -type l")).toBe("");
    const compiled = "find /opt/hermes -path '*/hermes_cli/__pycache__/config.cpython-*.pyc' | wc -l";
    expect(await say(first, compiled)).toBe("1");
  });

  it("runs commands without a login", async () => {
    const logins = (): Promise<string> =>
      say(first, "journalctl --sync; journalctl -u ssh -o cat | grep -c Accepted || true");
    const before = await logins();
    expect(await exec(first, 'cat; echo "$0" >&2; exit 7', { input: "given" })).toEqual({
      code: 7,
      stdout: "given",
      stderr: "/bin/sh\n",
    });
    expect(await say(first, ["printf", "%s|", "a b", "$HOME"])).toBe("a b|$HOME|");
    await expect(exec(first, "sleep 60", { timeout: 200 })).rejects.toThrow("did not end within 200 ms");
    expect(await say(first, "pgrep -fx 'sleep 60' || echo none")).toBe("none");
    expect(await logins()).toBe(before);
    ssh(first, "true");
    expect(await logins()).toBe(String(Number(before) + 1));
  });

  it("runs a hardened unit, and hardens it", async () => {
    const properties = [
      "NoNewPrivileges=yes",
      "ProtectSystem=strict",
      "ProtectHome=yes",
      "PrivateTmp=yes",
      "PrivateDevices=yes",
      "PrivateUsers=yes",
      "ProtectKernelTunables=yes",
      "ProtectKernelModules=yes",
      "ProtectKernelLogs=yes",
      "ProtectControlGroups=yes",
      "ProtectClock=yes",
      "ProtectHostname=yes",
      "ProtectProc=invisible",
      "RestrictNamespaces=yes",
      "RestrictRealtime=yes",
      "RestrictSUIDSGID=yes",
      "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
      "LockPersonality=yes",
      "CapabilityBoundingSet=",
      "SystemCallFilter=@system-service",
      "UMask=0077",
      "DynamicUser=yes",
      "BindReadOnlyPaths=/etc/hostname:/etc/issue",
    ].flatMap((property) => ["-p", property]);
    const script = `cat /etc/issue; id -u; touch /etc/x || echo strict; unshare -m true || echo restricted
      ls /tmp; test -e /dev/kmsg || echo private; test -e /proc/1/status || echo invisible`;
    const run = ["systemd-run", "--quiet", "--wait", "--pipe", ...properties, "/bin/sh", "-c", script];
    const { code, stdout } = await exec(first, run);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^house-01\n\d{5}\nstrict\nrestricted\nprivate\ninvisible\n$/);
  });

  it("has timers, real devices and room for a small full disk", async () => {
    await say(
      first,
      "systemd-run --quiet --on-active=1s --timer-property=AccuracySec=100ms touch /tmp/timer-was-here",
    );
    await say(first, "until test -e /tmp/timer-was-here; do sleep 0.1; done");
    expect((await exec(first, "echo x > /dev/full")).code).not.toBe(0);
    await say(first, "mkdir -p /srv/small && mount -t tmpfs -o size=1m small /srv/small");
    const full = await exec(first, "head -c 2000000 /dev/zero > /srv/small/x");
    expect([full.code, full.stderr]).toEqual([1, expect.stringContaining("No space left on device")]);
  });

  it("is idempotent, and leaves machines beyond the number wanted", async () => {
    const boots = await Promise.all(machines.map(bootOf));
    const pids = machines.map((machine) => machine.leaderPid);
    const again = await ensureTestbed({ count: 3, bed: BED });
    expect(await Promise.all(again.map(bootOf))).toEqual(boots);
    expect(again.map((machine) => machine.leaderPid)).toEqual(pids);
    expect(again.map((machine) => machine.hostKey)).toEqual(machines.map((machine) => machine.hostKey));
    expect((await ensureTestbed({ count: 1, bed: BED })).map((machine) => machine.name)).toEqual([
      "house-01",
    ]);
    expect(statusOf(BED).map(({ state }) => state)).toEqual(["running", "running", "running"]);
  });

  it("freezes: connections are accepted and nobody answers", async () => {
    await freeze(second);
    expect(statusOf(BED)[1]?.state).toBe("frozen");
    expect(await greeting(second.address, 1000)).toBe("silence");
    await unfreeze(second);
    expect(await greeting(second.address, 5000)).toBe("greeted");
  });

  it("cuts off: not even a refusal comes back, by either protocol", async () => {
    await blackhole(second);
    expect(statusOf(BED)[1]?.state).toBe("cut off");
    expect(await greeting(second.address, 1000)).toBe("no connection");
    expect(await greeting(second.address6, 1000)).toBe("no connection");
    expect(await say(second, "hostname")).toBe(second.name);
    await unblackhole(second);
    expect(await greeting(second.address, 5000)).toBe("greeted");
  });

  it("is whole again after `ensureTestbed`, whatever was done to it", async () => {
    await blackhole(first);
    await freeze(second);
    await kill(machines[2] as Machine);
    await ensureTestbed({ count: 3, bed: BED });
    expect(statusOf(BED).map(({ state }) => state)).toEqual(["running", "running", "running"]);
    for (const { address } of machines) expect(await greeting(address, 5000)).toBe("greeted");
  });

  it.each([
    ["a shutdown", powerOff],
    ["a power cut", kill],
  ])("comes back from %s with what was on its disk", async (_, end) => {
    await say(second, "echo kept > /root/kept; sync");
    const before = await bootOf(second);
    await end(second);
    expect(statusOf(BED)[1]?.state).toBe("off");
    expect(await greeting(second.address, 300)).toBe("no connection");
    await expect(exec(second, "true")).rejects.toThrow("house-02 is off");
    await start(second);
    expect(await bootOf(second)).not.toBe(before);
    expect(ssh(second, "cat /root/kept").stdout).toBe("kept\n");
  });

  it("reboots from inside", async () => {
    const before = second.leaderPid;
    await exec(second, "systemctl reboot");
    await expect.poll(() => leaderOr(second, before), { timeout: 20_000 }).not.toBe(before);
    await start(second);
    expect(ssh(second, "hostname").stdout).toBe("house-02\n");
  });

  it("is as new after `reset`, and the same machine", async () => {
    await say(second, "echo gone > /root/gone");
    await reset(second);
    expect(await say(second, "ls /root")).toBe("");
    expect(ssh(second, "hostname").stdout).toBe("house-02\n");
  });

  it("changes its address", async () => {
    const wanted = second.address.replace(/\d+$/, "200");
    await expect(setAddress(second, first.address)).rejects.toThrow("is house-01's");
    await expect(setAddress(second, "198.51.100.1")).rejects.toThrow("not in the subnet");
    const moved = await setAddress(second, wanted);
    expect(await greeting(second.address, 300)).toBe("no connection");
    expect(await greeting(wanted, 5000)).toBe("greeted");
    await kill(moved);
    await start(moved);
    expect(ssh(moved, "hostname").stdout).toBe("house-02\n");
    await setAddress(moved, second.address);
  });

  it("changes its host key, which an old known_hosts notices", async () => {
    const old = path.join(mkdtempSync(path.join(tmpdir(), "known-")), "hosts");
    writeFileSync(old, readFileSync(second.knownHostsFile));
    const changed = await changeHostKey(second);
    expect(changed.hostKey).not.toBe(second.hostKey);
    expect(ssh(second, "hostname").stdout).toBe("house-02\n");
    const refused = ssh(second, "hostname", ["-o", `UserKnownHostsFile=${old}`]);
    expect([refused.status, refused.stdout]).toEqual([255, ""]);
    rmSync(path.dirname(old), { recursive: true });
  });

  it("has a bare flavour, without bash, Python and the harness", async () => {
    const [bare] = (await ensureTestbed({ count: 1, bed: BARE, flavour: "bare" })) as [Machine];
    const what =
      "for name in bash python3 perl /opt/hermes/venv/bin/hermes; do command -v $name; done; readlink /proc/$$/exe";
    expect(ssh(bare, what).stdout).toBe("/usr/bin/dash\n");
    expect(ssh(first, what).stdout).toContain("/usr/bin/bash\n/usr/bin/python3\n");
    expect(await say(bare, "systemctl is-active ssh cron")).toBe("active\nactive");
    await expect(ensureTestbed({ count: 1, bed: BARE })).rejects.toThrow("is of flavour bare");
  });

  it("tells the status as JSON", () => {
    const argv = ["scripts/run.mjs", "testbed", "status", "--json", "--bed", BED];
    const told = JSON.parse(execFileSync(process.execPath, argv, { cwd: ROOT, encoding: "utf8" })) as unknown;
    expect(told).toMatchObject([{ bed: BED, machines: [{ name: "house-01", state: "running" }, {}, {}] }]);
  });

  it("leaves nothing behind, wherever `up` was killed, and ends nothing that is not its own", async () => {
    const folder = bedFolder(BROKEN);
    const strangers = makeStrangers(folder);
    try {
      for (const stage of stages(folder)) {
        const up = command("up", "6", "--bed", BROKEN);
        const ended = new Promise((resolve) => up.once("exit", (_code, signal) => resolve(signal)));
        await expect.poll(stage, { timeout: 60_000, interval: 5 }).toBe(true);
        up.kill("SIGKILL");
        expect(await ended).toBe("SIGKILL");
        // What the look finds when there is something.
        expect(leftoversOf(BROKEN)).toContain(`folder ${folder}`);
        const down = command("down", "--bed", BROKEN);
        expect(await new Promise((resolve) => down.once("exit", resolve))).toBe(0);
        expect(leftoversOf(BROKEN)).toEqual([`process ${strangers.pid} ${strangers.command}`]);
        expect(strangers.alive()).toBe(true);
      }
      for (const { address } of machines) expect(await greeting(address, 5000)).toBe("greeted");
    } finally {
      strangers.end();
    }
  });

  it("is made whole by another `up` after one was killed", async () => {
    const up = command("up", "4", "--bed", BROKEN);
    const ended = new Promise((resolve) => up.once("exit", resolve));
    await expect.poll(() => running(BROKEN), { timeout: 60_000, interval: 5 }).toBeGreaterThan(1);
    up.kill("SIGKILL");
    await ended;
    const whole = await ensureTestbed({ count: 4, bed: BROKEN });
    for (const machine of whole) expect(ssh(machine, "hostname").stdout).toBe(`${machine.name}\n`);
    expect(leftoversOf(BROKEN).filter((line) => line.startsWith("mount")).length).toBe(4);
    // One that cannot act any more goes too.
    await freeze(whole[0] as Machine);
    await destroyTestbed(BROKEN);
    expect(leftoversOf(BROKEN)).toEqual([]);
  });

  it("stays out of a subnet that is somebody else's", async () => {
    const usual = subnet(parseInt(shortId(bedFolder(BROKEN)), 16) % SUBNETS);
    execFileSync("ip", ["link", "add", "stranger0", "type", "bridge"]);
    try {
      execFileSync("ip", ["addr", "add", `${usual.gateway}/28`, "dev", "stranger0"]);
      execFileSync("ip", ["link", "set", "stranger0", "up"]);
      const [machine] = (await ensureTestbed({ count: 1, bed: BROKEN })) as [Machine];
      expect(usual.has(machine.address)).toBe(false);
      expect(ssh(machine, "hostname").stdout).toBe("house-01\n");
    } finally {
      execFileSync("ip", ["link", "delete", "stranger0"]);
      await destroyTestbed(BROKEN);
    }
  });

  it("removes what a killed build of the image left: processes, mounts, folder", async () => {
    // A process id that was in use a moment ago and is not any more.
    const dead = spawnSync("true").pid;
    const staging = path.join(imagesFolder(), `.staging-${dead}`);
    mkdirSync(path.join(staging, "proc"), { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "left", path.join(staging, "proc")]);
    const [program = "", ...args] = inGroup(`${PREFIX}${shortId(imagesFolder())}-image-${dead}`, [
      "sleep",
      "1000",
    ]);
    const left = spawn(program, args, { stdio: "ignore" });
    const ended = new Promise((resolve) => left.once("exit", (_code, signal) => resolve(signal)));
    // It has entered its group.
    await expect
      .poll(() => readFileSync(`/proc/${left.pid}/comm`, "utf8"), { timeout: 10_000 })
      .toBe("sleep\n");
    const told: string[] = [];
    await removeInterruptedBuilds((line) => told.push(line));
    expect(await ended).toBe("SIGKILL");
    expect(existsSync(staging)).toBe(false);
    expect(told).toEqual(["an earlier build of the image was interrupted; removing what is left of it"]);
  });

  it("runs cron", async () => {
    await expect
      .poll(() => exec(first, "cat /tmp/cron-was-here"), { timeout: 65_000 })
      .toMatchObject({ code: 0 });
  });
});

const running = (bed: string): number => statusOf(bed).filter(({ state }) => state === "running").length;

function leaderOr(machine: Machine, otherwise: number): number {
  try {
    return machine.leaderPid;
  } catch {
    // Between two boots there is none.
    return otherwise;
  }
}

/** Moments of an `up`, from the first trace of the bed to the last machine being started. */
function stages(folder: string): (() => boolean)[] {
  const bed = path.basename(folder);
  const some = (kind: string) => () => leftoversOf(bed).some((line) => line.startsWith(kind));
  return [
    () => existsSync(folder),
    some("link"),
    some("namespace"),
    some("mount"),
    () => running(bed) > 0,
    () => running(bed) > 4,
  ];
}

/** A process that names the bed's folder, a namespace and a group that are not the bed's. */
function makeStrangers(folder: string) {
  const script = `true ${folder}/machines; sleep 1000`;
  const child = spawn("sh", ["-c", script], { stdio: "ignore" });
  const namespace = `${PREFIX}stranger-1`;
  const group = `/sys/fs/cgroup/unified/${PREFIX}stranger-1`;
  execFileSync("ip", ["netns", "add", namespace]);
  if (existsSync(path.dirname(group))) mkdirSync(group, { recursive: true });
  return {
    pid: child.pid,
    command: `sh -c ${script}`,
    alive: () =>
      child.exitCode === null &&
      child.signalCode === null &&
      existsSync(`/run/netns/${namespace}`) &&
      existsSync(group) === existsSync(path.dirname(group)),
    end: () => {
      child.kill("SIGKILL");
      execFileSync("ip", ["netns", "delete", namespace]);
      if (existsSync(group)) execFileSync("rmdir", [group]);
    },
  };
}

describe("addresses of beds", () => {
  it("lie within what is reserved for benchmarks, and do not meet", () => {
    expect(subnet(0).network).toBe("198.18.0.0/24");
    expect(subnet(511).network).toBe("198.19.255.0/24");
    expect(overlaps("198.18.0.0/15", subnet(7))).toBe(true);
    expect(overlaps("198.18.7.9", subnet(7))).toBe(true);
    expect(overlaps(subnet(6).network, subnet(7))).toBe(false);
    expect(overlaps("10.0.0.0/8", subnet(7))).toBe(false);
  });
});

describe("the mirror apt uses", () => {
  const folderWith = (files: Readonly<Record<string, string>>): string => {
    const folder = mkdtempSync(path.join(tmpdir(), "apt-"));
    mkdirSync(path.join(folder, "sources.list.d"));
    for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
    return folder;
  };

  it("is found in lines", () => {
    const list = `# deb http://no.example/debian bookworm main
deb-src http://no.example/debian bookworm main
deb http://no.example/debian bookworm-updates main
deb [arch=amd64 signed-by=/k.gpg] http://yes.example/debian bookworm contrib main # here
`;
    const folder = folderWith({ "sources.list": list });
    expect(mirrorOf("bookworm", folder)).toEqual({ uri: "http://yes.example/debian", keyring: "/k.gpg" });
  });

  it("is found in stanzas", () => {
    const sources = `Types: deb
URIs: http://no.example/debian
Suites: bookworm
Components: main
Enabled: no

# a comment
Types: deb deb-src
URIs: cdrom:[x]/ https://yes.example/debian
Suites: bookworm
 bookworm-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
`;
    const folder = folderWith({ "sources.list.d/debian.sources": sources });
    expect(mirrorOf("bookworm", folder)).toEqual({ uri: "https://yes.example/debian", keyring: undefined });
  });

  it("is missed with a word about what was read", () => {
    const folder = folderWith({ "sources.list": "deb http://no.example/debian trixie main\n" });
    expect(() => mirrorOf("bookworm", folder)).toThrow(
      /no http or https source for Debian "bookworm".*sources\.list/,
    );
  });
});
