/** One house on a real machine: what its gateway's units really do, tried from inside as the agent would. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { exec, type Machine } from "../../testbed/index.ts";
import { inside, keepHouses, makeHostFleet, type HostFleet } from "./fleet.ts";
import { freshMachines } from "./machines.ts";

const USER = "wizard-bezalel";
const HOUSE = "/srv/wizards/bezalel";
const HOME = `${HOUSE}/home`;
const UNIT = "hermes-bezalel.service";
const HOME_UNIT = "wizard-home-bezalel.service";
const PORT = 8642;

let machine: Machine;
let fleet: HostFleet;

const host = (script: string): Promise<string> => inside(machine, script);
/** As the house's user, outside the sandbox: a cron entry of the house, for example. */
const outside = (script: string): Promise<string> =>
  host(`setpriv --reuid=${USER} --regid=${USER} --clear-groups /bin/sh <<'END'\nset -eu\n${script}\nEND`);
const property = async (name: string, unit = UNIT): Promise<string> =>
  (await host(`systemctl show -p ${name} --value ${unit}`)).trim();

async function until(what: string, seconds: number, holds: () => Promise<boolean>): Promise<number> {
  const from = Date.now();
  while (!(await holds())) {
    if (Date.now() - from > seconds * 1000) {
      const journal = await host(`journalctl --no-pager -n 40 -o cat -u ${UNIT} -u ${HOME_UNIT}`);
      throw new Error(`${what}: not within ${seconds} s\n${journal}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return (Date.now() - from) / 1000;
}
const answers = async (): Promise<boolean> =>
  (await exec(machine, `curl -s -m 5 http://127.0.0.1:${PORT}/health | grep -q '"status": *"ok"'`)).code ===
  0;
/** Seconds until the gateway answers; on an idle machine two or three. A release gives it no more than a minute. */
const isWell = (): Promise<number> => until("/health", 60, answers);

/** What `systemd-analyze security` says of a unit that systemd has loaded. */
async function exposure(unit: string): Promise<number> {
  const { stdout } = await exec(machine, ["systemd-analyze", "security", "--no-pager", unit]);
  return Number(/Overall exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1]);
}

/**
 * Starts the gateway with a job of the agent's own scheduler that runs what `asAgent` gives it: everything happens in
 * the unit, as a child of the harness.
 */
async function startWithAgent(): Promise<void> {
  await stopAgent();
  await host(`systemctl stop ${UNIT}`);
  await outside(`
    mkdir -p ${HOME}/scripts ${HOME}/cron ${HOME}/agent
    rm -f ${HOME}/agent/*
    cat >${HOME}/scripts/agent.sh <<'SCRIPT'
cd "$HERMES_HOME/agent"
touch ready
for _ in $(seq 3000); do
  if [ -e quit ]; then break; fi
  if [ -e task ]; then mv task running; bash running >out 2>&1; echo $? >code.new; mv code.new code; fi
  sleep 0.1
done
SCRIPT
    python3 - <<'PYTHON'
import datetime, json
now = datetime.datetime.now(datetime.timezone.utc).isoformat()
job = {"id": "aaaaaaaaaa01", "name": "agent", "prompt": "", "script": "agent.sh", "no_agent": True, "deliver": "local",
       "enabled": True, "schedule": {"kind": "interval", "minutes": 600, "display": "every 600m"}, "next_run_at": now}
json.dump({"jobs": [job]}, open("${HOME}/cron/jobs.json", "w"))
PYTHON`);
  await host(`systemctl start ${UNIT}`);
  await isWell();
  await until(
    "the agent's job",
    90,
    async () => (await exec(machine, ["test", "-e", `${HOME}/agent/ready`])).code === 0,
  );
}

/** Lets the agent's job end, which the gateway would wait for when it is stopped. */
async function stopAgent(): Promise<void> {
  if ((await exec(machine, ["test", "-e", `${HOME}/agent/ready`])).code !== 0) return;
  await outside(`touch ${HOME}/agent/quit`);
  await until(
    "the end of the agent's job",
    30,
    async () => (await exec(machine, ["pgrep", "-f", "scripts/agent.sh"])).code !== 0,
  );
  await outside(`rm -f ${HOME}/agent/*`);
}

/** Runs a bash script inside the unit; standard output and error together. */
async function asAgent(script: string): Promise<{ code: number; out: string }> {
  const put = await exec(
    machine,
    [
      "setpriv",
      `--reuid=${USER}`,
      `--regid=${USER}`,
      "--clear-groups",
      "/bin/sh",
      "-c",
      `cd ${HOME}/agent && rm -f code out && cat >task.new && mv task.new task`,
    ],
    { input: script },
  );
  if (put.code !== 0) throw new Error(put.stderr);
  await until(
    "the agent's answer",
    30,
    async () => (await exec(machine, ["test", "-e", `${HOME}/agent/code`])).code === 0,
  );
  return { code: Number(await host(`cat ${HOME}/agent/code`)), out: await host(`cat ${HOME}/agent/out`) };
}
const agentCan = async (script: string): Promise<boolean> => (await asAgent(script)).code === 0;

/** Changes the loaded units for a while, as nobody should: shows what a directive is good for. */
async function withDropIn(text: string, work: () => Promise<void>, unit = UNIT): Promise<void> {
  const folder = `/run/systemd/system/${unit}.d`;
  await host(`mkdir -p ${folder} && cat >${folder}/test.conf <<'END'\n${text}\nEND\nsystemctl daemon-reload`);
  try {
    await work();
  } finally {
    await host(`rm -r ${folder} && systemctl daemon-reload`);
  }
}

async function up(): Promise<void> {
  const { code, stdout, stderr } = await fleet.run("up", ["--yes"]);
  if (code !== 0) throw new Error(`up ended with ${code}:\n${stdout}${stderr}`);
}

beforeAll(async () => {
  [machine] = (await freshMachines(1)) as [Machine];
  fleet = await makeHostFleet({ forge: machine });
  keepHouses(fleet, ["bezalel"]);
  fleet.edit(
    "wizards/bezalel/house.yaml",
    "skin: bezalel",
    "skin: bezalel\nsandbox:\n  write: [/srv/builds]",
  );
});
afterAll(() => fleet?.cleanup());

describe("before anything is switched", () => {
  const refusal = async (): Promise<string> => {
    const { code, stdout, stderr } = await fleet.run("up", ["--yes"]);
    expect(code).toBe(1);
    expect((await exec(machine, ["test", "-e", `${HOUSE}/current`])).code).not.toBe(0);
    expect(await property("LoadState")).toBe("not-found");
    return stdout + stderr;
  };

  it("a folder that the house may write to is missed by name", async () => {
    expect(await refusal()).toContain(`install -d -m 0750 -o ${USER} -g ${USER} /srv/builds`);
    await host(`install -d -m 0750 -o ${USER} -g ${USER} /srv/builds`);
  });

  it("a harness is missed, with what to install", async () => {
    await host("mv /opt/hermes /opt/away");
    expect(await refusal()).toContain(
      "There is no harness: wizard-bezalel finds no program /opt/hermes/venv/bin/python. Needed is hermes-agent 0.19.0",
    );
    await host("mv /opt/away /opt/hermes");
  });

  it("a harness that takes no notice of a release is refused by version", async () => {
    const scope = "module=$(echo /opt/hermes/venv/lib/python3*/site-packages/hermes_cli/managed_scope.py)";
    await host(`${scope}; cp "$module" /root/kept && echo 'def get_managed_dir(): return None' >>"$module"`);
    const words = await refusal();
    expect(words).toContain(
      "The harness /opt/hermes/venv/bin/python (hermes-agent 0.19.0) does not follow the managed scope",
    );
    expect(words).toContain("'hermes-agent[messaging]==0.19.0'");
    await host(`${scope}; cat /root/kept >"$module"`);
  });
});

describe("the units", () => {
  beforeAll(up);

  it("are without fault for systemd", async () => {
    expect(await exec(machine, ["systemd-analyze", "verify", UNIT, HOME_UNIT])).toEqual({
      code: 0,
      stdout: "",
      stderr: "",
    });
  });

  it("are rated safe, which a bare one is not", async () => {
    expect(await exposure(UNIT)).toBe(1.3);
    expect(await exposure(HOME_UNIT)).toBeLessThanOrEqual(2.5);
    expect(await exposure("cron.service")).toBeGreaterThan(2.5);
  });

  it("start, answer, and say so in a journal that can be read", async () => {
    await host(`systemctl stop ${UNIT}`);
    expect(await answers()).toBe(false);
    await host(`systemctl start ${UNIT}`);
    await isWell();
    expect(await host(`journalctl --no-pager -o cat -u ${UNIT} -u ${HOME_UNIT}`)).toMatch(
      /Finished wizard-home[^]*Started hermes/,
    );
  });

  it("stop within seconds when nothing is running", async () => {
    const from = Date.now();
    await host(`systemctl stop ${UNIT}`);
    expect(Date.now() - from).toBeLessThan(10_000);
    expect([await property("ActiveState"), await property("Result")]).toEqual(["inactive", "success"]);
    // Cron's own work for the account comes and goes; what the gateway had left would stay.
    await until(
      "nothing of its account",
      20,
      async () => (await exec(machine, ["pgrep", "-u", USER])).code === 1,
    );
  });

  it("come back after a crash and when the harness asks for it", async () => {
    await host(`systemctl start ${UNIT}`);
    await isWell();
    const restarts = async (): Promise<number> => Number(await property("NRestarts"));
    const before = await restarts();
    await host(`kill -9 $(systemctl show -p MainPID --value ${UNIT})`);
    await until(
      "the restart after a crash",
      30,
      async () => (await restarts()) === before + 1 && (await answers()),
    );
    // SIGUSR1 is the harness's restart: it ends with 75.
    await host(`systemctl reload ${UNIT}`);
    await until(
      "the restart it asked for",
      60,
      async () => (await restarts()) === before + 2 && (await answers()),
    );
  });
});

describe("the release's word counts", () => {
  const hermes = (environment: string): Promise<string> =>
    host(
      `cd / && env -i ${environment} setpriv --reuid=${USER} --regid=${USER} --clear-groups /opt/hermes/venv/bin/hermes config get model.default`,
    );

  it("whatever the agent's own configuration says", async () => {
    await outside(`printf 'model: {default: own-choice, provider: openrouter}\\n' >${HOME}/config.yaml`);
    const environment = await property("Environment");
    expect(await hermes(environment)).toBe("kimi-k2.5\n");
    expect(await hermes(environment.replace(/HERMES_MANAGED_DIR=\S+/, ""))).toBe("own-choice\n");
  });
});

describe("from inside, the agent", () => {
  beforeAll(startWithAgent);

  it("runs as the house's user, in the unit", async () => {
    const { out } = await asAgent("id -un; cat /proc/self/cgroup; grep NoNewPrivs /proc/self/status");
    expect(out).toContain(USER);
    expect(out).toContain(UNIT);
    expect(out).toMatch(/NoNewPrivs:\s1/);
  });

  it.each([HOME, "/srv/builds", "/tmp", "/var/tmp"])("writes to %s", async (folder) => {
    expect(await agentCan(`echo x >${folder}/made && rm ${folder}/made`)).toBe(true);
  });

  it.each([HOUSE, `${HOUSE}/current`, `${HOUSE}/log`, "/srv", "/etc", "/run", "/opt/hermes/venv"])(
    "does not write to %s",
    async (folder) => {
      expect(await agentCan(`echo x >${folder}/made`)).toBe(false);
    },
  );

  it("uses its tools: interpreters, pipes, sockets, executable memory", async () => {
    const { code, out } = await asAgent(`set -e
      python3 - <<'PYTHON'
import ctypes, mmap, multiprocessing, socket, subprocess
mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
with multiprocessing.get_context("fork").Pool(2) as pool: assert pool.map(abs, [-1]) == [1]
socket.create_connection(("127.0.0.1", ${PORT})).close()
subprocess.run("ps aux | grep -q python", shell=True, check=True)
open("/proc/meminfo").read()
# SECCOMP_GET_ACTION_AVAIL: a program may sandbox itself further.
allow = ctypes.c_uint32(0x7FFF0000)
assert ctypes.CDLL(None).syscall(317, 2, 0, ctypes.byref(allow)) == 0
PYTHON
      python3 -m venv --without-pip "$HERMES_HOME/venv" && "$HERMES_HOME/venv/bin/python" -c 'import ssl, sqlite3'
      curl -s -o /dev/null http://127.0.0.1:${PORT}/health
      flock /tmp/lock true; setsid true; nice true; mkfifo /tmp/fifo; ln /tmp/fifo /tmp/link`);
    expect(out).toBe("");
    expect(code).toBe(0);
  });

  const attacks = (file: string): string[] => [
    `mv ${file} ${HOME}/away`,
    `rm -f ${file}`,
    `ln -sf /dev/null ${file}`,
    `echo X=1 >>${file}`,
    `echo X=1 >${file}.new && mv ${file}.new ${file}`,
    `mv ${HOME} ${HOUSE}/other`,
    `umount ${file}`,
    `unshare -rm umount ${file}`,
    `chmod 666 ${file}`,
  ];
  it.each([".env", "config.yaml"].flatMap((name) => attacks(`${HOME}/${name}`)))(
    "fails at: %s",
    async (attack) => {
      expect(await agentCan(attack)).toBe(false);
    },
  );
  it.each([".env", "config.yaml"])("reads the release's %s under its own name", async (name) => {
    const release = await host(`sha256sum <${HOUSE}/current/${name}`);
    expect((await asAgent(`sha256sum <${HOME}/${name}`)).out).toBe(release);
  });

  /** What runs outside the sandbox under the same account would be a way out of it. */
  const WRITE_MEMORY = `python3 - <<'PYTHON'
import glob, sys
for folder in glob.glob("/proc/[0-9]*"):
    if "sleep\\0004711" in open(folder + "/cmdline").read():
        stack = next(line for line in open(folder + "/maps") if "[stack]" in line)
        memory = open(folder + "/mem", "r+b")
        memory.seek(int(stack.split("-")[0], 16))
        memory.write(b"x")
        memory.flush()
        sys.exit(0)
sys.exit("no such process")
PYTHON`;
  const withSleeper = async (work: () => Promise<void>): Promise<void> => {
    await host(
      `setpriv --reuid=${USER} --regid=${USER} --clear-groups sleep 4711 >/dev/null 2>&1 & echo $! >/run/sleeper`,
    );
    try {
      await work();
    } finally {
      await host("kill $(cat /run/sleeper)");
    }
  };
  it("does not get at processes of its account outside the sandbox", async () => {
    await withSleeper(async () => expect(await agentCan(WRITE_MEMORY)).toBe(false));
  });

  /** To a mount namespace of its own without the mounts, from where what they lie on can be removed. */
  const LEAVE_MOUNTS = `cd ${HOME} && python3 - <<'PYTHON'
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def do(result):
    if result != 0: raise OSError(ctypes.get_errno(), "refused")
uid, gid = os.getuid(), os.getgid()
do(libc.unshare(0x10020000))  # a user and a mount namespace
for name, text in ("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1"):
    with open("/proc/self/" + name, "w") as file: file.write(text)
do(libc.mount(None, b"/", None, 0x44000, None))  # private
do(libc.mount(b"none", b"/mnt", b"tmpfs", 0, None))
os.mkdir("/mnt/old")
do(libc.syscall(155, b"/mnt", b"/mnt/old"))  # pivot_root
do(libc.umount2(b"/old", 2))
os.unlink(".env")
PYTHON`;
  it("does not leave the mounts behind", async () => {
    expect(await agentCan(LEAVE_MOUNTS)).toBe(false);
  });

  describe("could, if the unit were without", () => {
    it("the mounts: replace its .env", async () => {
      await withDropIn("[Service]\nBindReadOnlyPaths=\nExecStartPre=", async () => {
        await startWithAgent();
        expect(await agentCan(`echo X=1 >${HOME}/.env.new && mv ${HOME}/.env.new ${HOME}/.env`)).toBe(true);
        await stopAgent();
      });
    });

    it("PrivateUsers and RestrictNamespaces: write to a process outside, and replace its .env", async () => {
      await withDropIn(
        "[Service]\nPrivateUsers=no\nRestrictNamespaces=no\nSystemCallFilter=@mount",
        async () => {
          await startWithAgent();
          await withSleeper(async () => expect(await agentCan(WRITE_MEMORY)).toBe(true));
          expect(await asAgent(LEAVE_MOUNTS)).toEqual({ code: 0, out: "" });
          expect(await agentCan(`echo X=1 >${HOME}/.env`)).toBe(true);
          await stopAgent();
        },
      );
    });
  });
});

describe("what is planted in the places of the mounts", () => {
  const plant = (): Promise<string> =>
    outside(`rm -f ${HOME}/.env ${HOME}/config.yaml ${HOME}/*.set-aside.*
      ln -s /etc/made-by-root ${HOME}/.env; ln -s /etc/shadow ${HOME}/config.yaml`);
  const isThere = async (file: string): Promise<boolean> =>
    (await exec(machine, ["test", "-e", file])).code === 0;

  it("is set aside before the next start, and root touches nothing for it", async () => {
    await host(`systemctl stop ${UNIT}`);
    await plant();
    await startWithAgent();
    expect(await isThere("/etc/made-by-root")).toBe(false);
    expect(await host(`readlink ${HOME}/.env.set-aside.* ${HOME}/config.yaml.set-aside.*`)).toBe(
      "/etc/made-by-root\n/etc/shadow\n",
    );
    expect((await asAgent(`sha256sum <${HOME}/.env`)).out).toBe(
      await host(`sha256sum <${HOUSE}/current/.env`),
    );
    await stopAgent();
  });

  it("is set aside before a restart by systemd too", async () => {
    const before = Number(await property("NRestarts"));
    // As if a cron entry of the house had been tricked: outside the unit nothing is mounted.
    await plant();
    await host(`kill -9 $(systemctl show -p MainPID --value ${UNIT})`);
    await until(
      "the restart",
      30,
      async () => Number(await property("NRestarts")) > before && (await answers()),
    );
    expect(await isThere("/etc/made-by-root")).toBe(false);
  });

  it("would without that unit make root make a file, and the gateway not start", async () => {
    await host(`systemctl stop ${UNIT}`);
    await plant();
    await withDropIn(
      "[Service]\nExecStart=\nExecStart=/bin/true",
      async () => {
        await exec(machine, ["systemctl", "start", UNIT]);
        expect(await isThere("/etc/made-by-root")).toBe(true);
        expect(await answers()).toBe(false);
        await host(`systemctl stop ${UNIT}; rm /etc/made-by-root`);
      },
      HOME_UNIT,
    );
  });
});

describe("what is opened by name", () => {
  const USER_NAMESPACE = "unshare --user --map-root-user --pid --net --fork chroot / true";
  const MOUNT_NAMESPACE = "unshare --user --mount true";
  const TRACE = "python3 -c 'import ctypes, sys; sys.exit(ctypes.CDLL(None).ptrace(0, 0, 0, 0) != 0)'";

  it("is closed by default", async () => {
    await startWithAgent();
    for (const tool of [USER_NAMESPACE, MOUNT_NAMESPACE, TRACE]) expect(await agentCan(tool)).toBe(false);
    await stopAgent();
  });

  it("is open after the next update, and nothing else is", async () => {
    fleet.edit("wizards/bezalel/house.yaml", "write: [/srv/builds]", "allow: [namespaces, debugging]");
    const preview = await fleet.run("preview", ["--diff"]);
    expect(preview.stdout).toMatch(/namespaces/);
    await up();
    expect(await exposure(UNIT)).toBeLessThanOrEqual(2.5);
    await startWithAgent();
    for (const tool of [USER_NAMESPACE, TRACE]) expect(await agentCan(tool)).toBe(true);
    expect(await agentCan(MOUNT_NAMESPACE)).toBe(false);
    expect(await agentCan("touch /srv/builds/made")).toBe(false);
    await stopAgent();
  });

  it("is refused before the switch where the host has not what it needs", async () => {
    const starts = await property("InvocationID");
    fleet.edit("wizards/bezalel/house.yaml", "allow: [namespaces, debugging]", "allow: [devices]");
    const { code, stdout, stderr } = await fleet.run("up", ["--yes"]);
    expect(code).toBe(1);
    expect(stdout + stderr).toContain("joins the group kvm, which this host does not have");
    expect(await property("InvocationID")).toBe(starts);
  });
});
