/** The transport ssh on real machines: every way to them, every way to fail, and what is left when it is over. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";

import { Cancelled, CannotLook } from "../../provider/errors.ts";
import { sshTarget } from "../../provider/host/connection.ts";
import { sshTransport } from "../../provider/host/ssh.ts";
import { SshWorkplace } from "../../provider/host/ssh-workplace.ts";
import type { Answer, RunOptions, Transport } from "../../provider/host/transport.ts";
import {
  blackhole,
  changeHostKey,
  destroyTestbed,
  ensureTestbed,
  freeze,
  unblackhole,
  unfreeze,
  type Machine,
} from "../../testbed/index.ts";
import { inside, sessions } from "./fleet.ts";
import { BED, freshMachines } from "./machines.ts";

let machine: Machine;
let jump: Machine;
let folder: string;
let config: string;
let workplace: SshWorkplace;
let stop: AbortController;

beforeAll(async () => {
  [machine, jump] = (await freshMachines(2)) as [Machine, Machine];
});
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "ssh-"));
  config = path.join(folder, "config");
  configure();
  workplace = new SshWorkplace({ ...process.env, WIZARD_HOUSES_SSH_CONFIG: config });
  stop = new AbortController();
});
afterEach(() => {
  workplace.close();
  expect(privateFolders()).toEqual([]);
  rmSync(folder, { recursive: true, force: true });
});

/** The operator's ssh_config: who the operator is, and more. */
function configure(more = "", who = machine): void {
  const lines = [
    more,
    "Host *",
    `IdentityFile ${who.clientKeyFile}`,
    "IdentitiesOnly yes",
    "IdentityAgent none",
    `UserKnownHostsFile ${jump.knownHostsFile}`,
  ];
  writeFileSync(config, lines.join("\n"));
}
function connect(change: object = {}, to = machine): Transport {
  const { address, hostKey } = to;
  const host = { name: "forge", transport: "ssh", address, user: "root", hostKey, connectDeadline: 5 };
  return sshTransport(sshTarget({ ...host, ...change }), workplace);
}
const run = (transport: Transport, script: string, more: Partial<RunOptions> = {}): Promise<Answer> =>
  transport.run({ script, deadline: 20, signal: stop.signal, ...more });
async function words(transport: Transport, script: string): Promise<string> {
  const { code, stdout, stderr } = await run(transport, script);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout.toString("utf8");
}
/** The message of a failure to connect: one line, in time, and said again at once to whoever asks again. */
async function failure(transport: Transport, within = 4.5): Promise<string> {
  const begin = Date.now();
  const error: unknown = await run(transport, "true").catch((e: unknown) => e);
  expect(error).toBeInstanceOf(CannotLook);
  const took = Date.now() - begin;
  expect(took / 1000).toBeLessThan(within);
  const { message } = error as Error;
  expect(message).toMatch(/^host forge \(\S+ port \d+\): [^\n]+$/);
  const again = Date.now();
  await expect(run(transport, "true")).rejects.toThrow(new CannotLook(message));
  // Where others want the processor, all takes longer.
  expect(Date.now() - again).toBeLessThan(Math.max(50, took / 2));
  return message;
}
/** Ids of the processes of ssh that this process has started. */
const clients = (): string[] =>
  readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(`/houses-${process.pid}-`);
    } catch (error) {
      // It has ended meanwhile.
      if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return false;
      throw error;
    }
  });
const privateFolders = (): string[] =>
  readdirSync(os.tmpdir()).filter((name) => name.startsWith(`houses-${process.pid}-`));

describe("a host is reached", () => {
  it("by IPv4 and by IPv6", async () => {
    for (const address of [machine.address, machine.address6])
      expect(await words(connect({ address }), "hostname; id -u")).toBe(`${machine.name}\n0\n`);
  });

  it("by a name of the operator's ssh_config", async () => {
    configure(`Host forge.fleet\n HostName ${machine.address}`);
    expect(await words(connect({ address: "forge.fleet" }), "hostname")).toBe(`${machine.name}\n`);
  });

  it("through a jump host", async () => {
    configure(`Host ${machine.address}\n ProxyJump root@${jump.address}`);
    const [from] = (await words(connect(), "echo $SSH_CONNECTION")).split(" ");
    expect(from).toBe(jump.address);
  });

  it("as an account with sudo, and nothing is lost on the way", async () => {
    const transport = connect({ user: "operator" });
    expect(await words(transport, "id -un")).toBe("root\n");
    const payload = randomBytes(1024 * 1024);
    const { stdout } = await run(transport, `head -c ${payload.length}`, { payload });
    expect(stdout.equals(payload)).toBe(true);
  });

  it("with a login shell that talks", async () => {
    await inside(
      machine,
      "echo 'echo Welcome; echo careful >&2' >~operator/.bashrc; echo Beware >/etc/issue.net",
    );
    await inside(
      machine,
      "echo 'Banner /etc/issue.net' >/etc/ssh/sshd_config.d/banner.conf; systemctl reload ssh",
    );
    try {
      expect(await words(connect({ user: "operator" }), "hostname")).toBe(`${machine.name}\n`);
    } finally {
      await inside(machine, "rm ~operator/.bashrc /etc/ssh/sshd_config.d/banner.conf; systemctl reload ssh");
    }
  });

  it("with neither bash nor Python nor Perl", async () => {
    const bed = `${BED}-bare`;
    try {
      const [bare] = (await ensureTestbed({ count: 1, bed, flavour: "bare" })) as [Machine];
      configure("", bare);
      const transport = connect({}, bare);
      expect(await words(transport, "for p in bash python3 perl; do command -v $p || echo no; done")).toBe(
        "no\nno\nno\n",
      );
      const payload = randomBytes(1024 * 1024);
      expect((await run(transport, `head -c ${payload.length}`, { payload })).stdout.equals(payload)).toBe(
        true,
      );
    } finally {
      await destroyTestbed(bed);
    }
  });

  it("when it comes up while we try", async () => {
    await inside(machine, "systemctl stop ssh.socket ssh");
    const answer = words(connect({ connectDeadline: 30 }), "hostname");
    await sleep(1000);
    await inside(machine, "systemctl start ssh");
    expect(await answer).toBe(`${machine.name}\n`);
  });
});

describe("a host is not reached", () => {
  it("where no account may use sudo", async () => {
    expect(await failure(connect({ user: "nosudo" }))).toContain(
      'put the line "nosudo ALL=(root) NOPASSWD: ALL" into a file of /etc/sudoers.d',
    );
  });

  it("where sudo is not installed", async () => {
    await inside(machine, "mv /usr/bin/sudo /usr/bin/sudo.off");
    try {
      expect(await failure(connect({ user: "operator" }))).toContain("sudo is not installed there");
    } finally {
      await inside(machine, "mv /usr/bin/sudo.off /usr/bin/sudo");
    }
  });

  it("where we have no key that is let in", async () => {
    writeFileSync(config, "Host *\n IdentityFile none\n IdentityAgent none\n");
    expect(await failure(connect())).toContain("it does not let root in (it takes publickey");
  });

  it("where the account has no shell", async () => {
    await inside(machine, "usermod --shell /usr/sbin/nologin operator");
    try {
      expect(await failure(connect({ user: "operator" }))).toContain(
        "This account is currently not available.",
      );
    } finally {
      await inside(machine, "usermod --shell /bin/bash operator");
    }
  });

  it("where nothing listens", async () => {
    expect(await failure(connect({ port: 2 }), 8)).toContain("connection refused");
  });

  it("where packets are dropped", async () => {
    await blackhole(machine);
    try {
      expect(await failure(connect(), 8)).toContain("connection timed out");
    } finally {
      await unblackhole(machine);
    }
  });

  it("where connections are accepted by a machine that hangs", async () => {
    await freeze(machine);
    try {
      expect(await failure(connect(), 8)).toContain("timed out: it accepts connections");
    } finally {
      await unfreeze(machine);
    }
  });

  it.each<[string, (socket: net.Socket) => void, string]>([
    ["hangs before its first word", () => {}, "timed out: it accepts connections, but no ssh server answers"],
    [
      "hangs after its first word",
      (socket) => socket.write("SSH-2.0-OpenSSH_9.2\r\n"),
      "timed out: it accepts connections, but root has no shell within 2 s",
    ],
    ["drops every connection", (socket) => socket.destroy(), "it drops connections as soon as they are made"],
  ])("where the server %s", async (_, serve, message) => {
    const server = net.createServer(serve).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as net.AddressInfo;
    try {
      expect(await failure(connect({ address: "127.0.0.1", port, connectDeadline: 2 }), 4)).toContain(
        message,
      );
    } finally {
      server.close();
    }
  });

  it("where the pinned key is of a type that the host does not have", async () => {
    const rsa = await inside(
      machine,
      "ssh-keygen -q -t rsa -b 2048 -N '' -f /run/other && cat /run/other.pub",
    );
    const hostKey = rsa.split(" ").slice(0, 2).join(" ");
    await inside(
      machine,
      "echo 'HostKey /etc/ssh/ssh_host_ed25519_key' >/etc/ssh/sshd_config.d/key.conf; systemctl reload ssh",
    );
    try {
      expect(await failure(connect({ hostKey }))).toMatch(
        /no host key of the pinned type ssh-rsa, only ssh-ed25519/,
      );
    } finally {
      await inside(machine, "rm /etc/ssh/sshd_config.d/key.conf; systemctl reload ssh");
    }
  });

  it.each(["directly", "through a jump host"])("where its key is another one, %s", async (way) => {
    const pinned = machine.hostKey;
    machine = await changeHostKey(machine);
    if (way !== "directly") configure(`Host ${machine.address}\n ProxyJump root@${jump.address}`);
    const before = await sessions(machine);
    const message = await failure(connect({ hostKey: pinned }), 8);
    expect(message).toContain(`it shows "${machine.hostKey}" (SHA256:`);
    expect(message).toContain("put the key as hostKey into wizards/fleet.yaml");
    expect(await sessions(machine)).toBe(before);
    // And after that has been done it is reached.
    expect(await words(connect(), "hostname")).toBe(`${machine.name}\n`);
  });

  it("where the jump host does not lead to it", async () => {
    configure(`Host ${machine.address}\n ProxyJump root@${jump.address}:2`);
    expect(await failure(connect(), 8)).toMatch(/jump host of your ssh_config cannot be reached \(.*refused/);
    configure(`Host ${machine.address}\n ProxyJump root@${jump.address}`);
    expect(await failure(connect({ port: 2 }), 8)).toMatch(
      /jump host of your ssh_config cannot reach it \(.*refused/,
    );
  });
});

describe("one connection", () => {
  it("serves scripts in a row, in one session", async () => {
    const before = await sessions(machine);
    const transport = connect();
    void transport.dial?.();
    for (let i = 0; i < 5; i++) expect(await words(transport, `echo ${i}`)).toBe(`${i}\n`);
    expect(await sessions(machine)).toBe(before + 1);
    expect(clients()).toHaveLength(1);
  });

  it("serves scripts at once in further sessions, and no more of them than a host should be asked for", async () => {
    const before = await sessions(machine);
    const transport = connect();
    const begin = Date.now();
    const answers = Array.from({ length: 6 }, (_, i) => words(transport, `sleep 3; echo ${i}`));
    expect(await Promise.all(answers)).toEqual(["0\n", "1\n", "2\n", "3\n", "4\n", "5\n"]);
    expect(Date.now() - begin, "in a row it would be 18 s").toBeLessThan(16_000);
    expect(await sessions(machine)).toBe(before + 1);
    expect(clients()).toHaveLength(4);
  });

  it("does where the host allows one session only", async () => {
    await inside(machine, "echo 'MaxSessions 1' >/etc/ssh/sshd_config.d/one.conf; systemctl reload ssh");
    try {
      const transport = connect();
      const answers = Array.from({ length: 4 }, (_, i) => run(transport, `sleep 0.2; echo ${i}`));
      const said = (await Promise.all(answers)).map(({ code, stdout }) => [code, stdout.toString()]);
      expect(said).toEqual([0, 1, 2, 3].map((i) => [0, `${i}\n`]));
    } finally {
      await inside(machine, "rm /etc/ssh/sshd_config.d/one.conf; systemctl reload ssh");
    }
  });

  it("is not ended under a script by another one that fails or overruns", async () => {
    const transport = connect();
    const long = words(transport, "sleep 3; echo done");
    await sleep(500);
    expect((await run(transport, "exit 3")).code).toBe(3);
    await expect(run(transport, "sleep 4711", { deadline: 1 })).rejects.toThrow("no answer within 1 s");
    expect(await long).toBe("done\n");
    expect(await words(transport, "echo on")).toBe("on\n");
    // The host ends what overruns, whether or not we are still there.
    await expect.poll(() => inside(machine, "pgrep -cf 'sleep 471[1]' || :"), { timeout: 9000 }).toBe("0\n");
  });

  it("is not ended when its first script overruns while another one is running", async () => {
    const transport = connect();
    const first = run(transport, "sleep 4712", { deadline: 1 }).catch((error: unknown) => error);
    await sleep(300);
    const long = words(transport, "sleep 3; echo done");
    expect(String(await first)).toMatch(/host forge \(.*\): no answer within 1 s/);
    expect(await long).toBe("done\n");
    expect(await words(transport, "echo on")).toBe("on\n");
  });

  it("shows on the host nothing but the loop", async () => {
    const transport = connect();
    const list = `cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'`;
    const script = `read -r secret; : in-the-script; ${list}`;
    const { stdout } = await run(transport, script, { payload: Buffer.from("in-the-payload\n") });
    expect(stdout.toString()).toContain("while read -r l n s t");
    expect(stdout.toString()).not.toMatch(/in-the-(script|payload)/);
  });
});

describe("a connection that is cut", () => {
  const cut = (): Promise<string> => inside(machine, "pkill -KILL -f '^sshd: root@notty'");

  it("fails the script that was running, and is made again once", async () => {
    const transport = connect();
    for (const expected of ["first", "second"]) {
      expect(await words(transport, `echo ${expected}`)).toBe(`${expected}\n`);
      const running = run(transport, "echo half; sleep 20").catch((e: unknown) => e);
      await sleep(300);
      await cut();
      const error = await running;
      expect(error).toBeInstanceOf(CannotLook);
      expect((error as Error).message).toMatch(/^host forge \(\S+ port 22\): the connection was cut/);
    }
    await expect(run(transport, "true")).rejects.toThrow(/the connection was cut/);
  });

  it("in the middle of a payload leaves the host waiting for nothing", async () => {
    const transport = connect();
    await words(transport, "true");
    const payload = randomBytes(8 * 1024 * 1024);
    const running = run(transport, `sleep 8; head -c ${payload.length} >/run/payload; echo all`, { payload });
    const outcome = running.catch((e: unknown) => e);
    await sleep(300);
    await cut();
    expect(await outcome).toBeInstanceOf(CannotLook);
    await expect
      .poll(() => words(transport, "pgrep -x head || echo none"), { timeout: 15_000 })
      .toBe("none\n");
  });

  it("by a host that hangs is noticed", async () => {
    const transport = connect();
    await words(transport, "true");
    await freeze(machine);
    const begin = Date.now();
    try {
      await expect(run(transport, "true", { deadline: 60 })).rejects.toThrow(/cut \(.*not responding/);
      expect(Date.now() - begin).toBeLessThan(25_000);
    } finally {
      await unfreeze(machine);
    }
  });

  it.each(["root", "operator"])(
    "by us, told to stop, ends %s's script at its next boundary",
    async (user) => {
      const transport = connect({ user });
      const answer = run(transport, "echo ready; read -r w || { echo stopped >&2; exit 75; }", {
        onLine: (line) => void (line === "ready" && stop.abort()),
      });
      expect(await answer).toMatchObject({ code: 75, stderr: "stopped\n" });
      await expect(run(transport, "true")).rejects.toThrow(Cancelled);
    },
  );

  it("by us while it is being made does not wait", async () => {
    await blackhole(machine);
    try {
      const answer = run(connect(), "true");
      await sleep(300);
      const begin = Date.now();
      stop.abort();
      await expect(answer).rejects.toThrow(Cancelled);
      expect(Date.now() - begin).toBeLessThan(1500);
    } finally {
      await unblackhole(machine);
    }
  });
});

describe("afterwards", () => {
  it("nothing is left: no folder, no process here or there", async () => {
    const transport = connect();
    await Promise.all([words(transport, "sleep 0.3"), words(transport, "sleep 0.3")]);
    expect(privateFolders()).toHaveLength(1);
    expect(clients()).toHaveLength(2);
    workplace.close();
    expect(privateFolders()).toEqual([]);
    await expect.poll(clients, { timeout: 5000 }).toEqual([]);
    await expect
      .poll(() => inside(machine, "pgrep -cf '^sshd: .*@notty' || :"), { timeout: 5000 })
      .toBe("0\n");
  });
});
