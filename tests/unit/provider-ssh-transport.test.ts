/** Which script runs over which connection, with a double of ssh; real machines are in tests/hosts/ssh.test.ts. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { Cancelled, CannotLook } from "../../provider/errors.ts";
import { sshTarget } from "../../provider/host/connection.ts";
import { sshTransport } from "../../provider/host/ssh.ts";
import { SshWorkplace } from "../../provider/host/ssh-workplace.ts";
import type { RunOptions, Transport } from "../../provider/host/transport.ts";
import { Turns } from "../../provider/host/turns.ts";

/**
 * Takes one word from the file `todo` each time it is started: ok, or how it fails. Then runs what it was asked to run,
 * here. It writes down that it was started, and as what.
 */
const DOUBLE = `#!/bin/sh
cd "$HOME"
case "$*" in
  *ProxyCommand=false*) as=further ;;
  *PreferredAuthentications=none*) as=probe ;;
  *) as=master ;;
esac
read -r todo <todo
sed -i 1d todo
echo "$as \${todo:-ok}" >>log
for last; do :; done
case $todo in
  refused) echo "ssh: connect to host x port 22: Connection refused" >&2; exit 255 ;;
  lingering) echo "root@x: Permission denied (publickey)." >&2; sleep 0.5; exit 255 ;;
  denied) echo "root@x: Permission denied (publickey)." >&2; exit 255 ;;
  changed) echo "Host key for pinned has changed and you have requested strict checking." >&2; exit 255 ;;
  full) echo "mux_client_request_session: session request failed: Session open refused by peer" >&2; exit 255 ;;
  silent) exec sleep 60 ;;
esac
exec sh -c "$last"
`;

let folder: string;
let workplace: SshWorkplace;
let transport: Transport;
let stop: AbortController;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "double-"));
  writeFileSync(path.join(folder, "ssh"), DOUBLE);
  chmodSync(path.join(folder, "ssh"), 0o755);
  todo();
  workplace = new SshWorkplace({ PATH: `${folder}:/usr/bin:/bin`, HOME: folder });
  stop = new AbortController();
  transport = connect();
});
afterEach(() => {
  workplace.close();
  rmSync(folder, { recursive: true, force: true });
});

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
const connect = (connectDeadline = 2): Transport => {
  const host = { name: "forge", transport: "ssh", address: "x", user: "root", hostKey: KEY, connectDeadline };
  return sshTransport(sshTarget(host), workplace);
};
const todo = (...words: string[]): void =>
  writeFileSync(path.join(folder, "todo"), words.map((word) => `${word}\n`).join(""));
const log = (): string[] => {
  const file = path.join(folder, "log");
  return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
};
const run = (script: string, more: Partial<RunOptions> = {}) =>
  transport.run({ script, deadline: 10, signal: stop.signal, ...more });
const words = async (script: string): Promise<string> => (await run(script)).stdout.toString();

describe("a connection", () => {
  it("is not made before there is something to ask", async () => {
    await sleep(50);
    expect(log()).toEqual([]);
  });

  it("serves one script after another", async () => {
    void transport.dial?.();
    void transport.dial?.();
    for (const word of ["a", "b", "c"]) expect(await words(`echo ${word}`)).toBe(`${word}\n`);
    expect(log()).toEqual(["master ok"]);
  });

  it("serves what comes at once in further sessions, four in all, which are used again", async () => {
    const four = () => Promise.all([1, 2, 3, 4].map((i) => words(`sleep 0.2; echo ${i}`)));
    expect(await four()).toEqual(["1\n", "2\n", "3\n", "4\n"]);
    expect(await four()).toEqual(["1\n", "2\n", "3\n", "4\n"]);
    expect(log()).toEqual(["master ok", "further ok", "further ok", "further ok"]);
    const begin = Date.now();
    await Promise.all([1, 2, 3, 4, 5].map(() => run("sleep 0.5")));
    expect(Date.now() - begin).toBeGreaterThanOrEqual(1000);
    expect(log()).toHaveLength(4);
  });

  it("is content with fewer where the host has no more", async () => {
    todo("ok", "full", "full", "full");
    const answers = [1, 2, 3, 4].map((i) => words(`sleep 0.1; echo ${i}`));
    expect(await Promise.all(answers)).toEqual(["1\n", "2\n", "3\n", "4\n"]);
    expect(log().filter((line) => line === "master ok")).toHaveLength(1);
    // And remembers it.
    const before = log().length;
    await Promise.all([run("sleep 0.1"), run("sleep 0.1")]);
    expect(log()).toHaveLength(before);
  });

  it("is made anew after a script that failed, and takes no notice of how often", async () => {
    for (let i = 0; i < 4; i++) expect((await run("exit 3")).code).toBe(3);
    expect(log()).toEqual(Array(4).fill("master ok"));
  });

  it("is made anew once after it was cut", async () => {
    for (let i = 0; i < 2; i++) {
      expect(await words("echo on")).toBe("on\n");
      await expect(run("kill -9 $(ps -o ppid= -p $PPID)")).rejects.toThrow(
        /^host forge \(x port 22\): .*in the middle of a script/,
      );
    }
    await expect(run("echo on")).rejects.toThrow(CannotLook);
    expect(log()).toEqual(["master ok", "master ok"]);
  });

  it("is not ended by a script that overruns while another one is running", async () => {
    const long = words("sleep 1.5; echo long");
    await sleep(100);
    await expect(run("sleep 5", { deadline: 0.3 })).rejects.toThrow("no answer within 0.3 s");
    expect(await long).toBe("long\n");
  });

  it("stays under one that overruns in its first session", async () => {
    const first = run("sleep 5", { deadline: 0.5 }).catch((error: unknown) => error);
    await sleep(100);
    const long = words("sleep 1.5; echo long");
    expect(await first).toBeInstanceOf(CannotLook);
    expect(await long).toBe("long\n");
  });
});

describe("a connection that is not made", () => {
  it("is tried again, and the script is sent again", async () => {
    todo("refused", "refused", "ok");
    const payload = Buffer.from("payload");
    const { stdout } = await run("head -c 7", { payload });
    expect(stdout.toString()).toBe("payload");
    expect(log()).toEqual(["master refused", "master refused", "master ok"]);
  });

  it("is tried with growing pauses, until the time is over", async () => {
    todo(...Array<string>(50).fill("refused"));
    const begin = Date.now();
    const tries = [run("true"), run("true"), run("true")].map((answer) =>
      answer.catch((error: unknown) => String(error)),
    );
    const told = await Promise.all(tries);
    expect(Date.now() - begin).toBeLessThan(2500);
    expect(new Set(told).size).toBe(1);
    expect(told[0]).toMatch(/host forge \(x port 22\): connection refused/);
    expect(log().length).toBeGreaterThan(2);
    expect(log().length).toBeLessThan(9);
    // And not again for the rest of the process.
    const before = log().length;
    await expect(run("true")).rejects.toThrow(/connection refused/);
    void transport.dial?.();
    expect(log()).toHaveLength(before);
  });

  it("is tried once where nothing would be different", async () => {
    todo("denied");
    const begin = Date.now();
    await expect(run("true")).rejects.toThrow(/it does not let root in \(it takes publickey\)/);
    expect(Date.now() - begin).toBeLessThan(1000);
    expect(log()).toEqual(["master denied"]);
  });

  it("because of another key asks for that, without logging in", async () => {
    todo("changed", "denied");
    await expect(run("true")).rejects.toThrow(/its host key is not the pinned one .*could not be read/);
    expect(log()).toEqual(["master changed", "probe denied"]);
  });

  it("is given up when the time is over, also if ssh does not notice", async () => {
    todo("silent");
    const begin = Date.now();
    await expect(run("true")).rejects.toThrow(
      /timed out: it accepts connections, but root has no shell within 2 s/,
    );
    expect(Date.now() - begin).toBeLessThan(3000);
  });

  it.each(["denied", "lingering"])("is failing already when the first script comes: %s", async (how) => {
    todo(how);
    void transport.dial?.();
    await sleep(300);
    await expect(run("true")).rejects.toThrow(/does not let root in/);
  });

  it.each(["silent", "refused"])("is stopped at once when we are told to: %s", async (how) => {
    todo(how, how, how, how);
    const answer = run("true");
    await sleep(200);
    const begin = Date.now();
    stop.abort();
    await expect(answer).rejects.toThrow(Cancelled);
    expect(Date.now() - begin).toBeLessThan(300);
    await expect(run("true")).rejects.toThrow(Cancelled);
  });
});

describe("a place to work", () => {
  it("that is closed starts nothing more", async () => {
    const running = run("sleep 1").catch((error: unknown) => error);
    await sleep(200);
    workplace.close();
    expect(await running).toBeInstanceOf(Error);
    await expect(run("true")).rejects.toThrow();
    expect(log()).toEqual(["master ok"]);
  });
});

describe("turns", () => {
  it("are given to so many at a time, in order", async () => {
    const turns = new Turns(2);
    const got: number[] = [];
    const takers = [1, 2, 3, 4].map((i) => turns.take().then(() => got.push(i)));
    await sleep(0);
    expect(got).toEqual([1, 2]);
    turns.give();
    turns.give();
    await Promise.all(takers);
    expect(got).toEqual([1, 2, 3, 4]);
  });

  it("become fewer, but never none", async () => {
    const turns = new Turns(3);
    await Promise.all([turns.take(), turns.take(), turns.take()]);
    const again = [turns.fewer(), turns.fewer()];
    turns.give();
    await Promise.race(again);
    turns.give();
    await Promise.all(again);
    turns.give();
    await turns.take();
    let second = false;
    void turns.take().then(() => (second = true));
    await sleep(0);
    expect(second).toBe(false);
  });
});
