/** The loop and what is read of its output, on this machine's shell; login shells that say more than they should. */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { Cancelled, CannotLook } from "../../provider/errors.ts";
import { MarkedStream } from "../../provider/host/marked-stream.ts";
import { loopArguments, loopCommand, ShellEnded, ShellProcess } from "../../provider/host/shell-process.ts";
import type { Answer, RunOptions } from "../../provider/host/transport.ts";
import { processInfo } from "../../toolchain/process-info.ts";

let folder: string;
let shells: ShellProcess[];
let stop: AbortController;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "shell-"));
  shells = [];
  stop = new AbortController();
});
afterEach(() => {
  for (const shell of shells) shell.kill();
  rmSync(folder, { recursive: true, force: true });
});

/** The loop, after something else that a login may do first. */
function open(before?: string): ShellProcess {
  const args = before === undefined ? loopArguments() : ["-c", `${before}\n${loopCommand()}`];
  const shell = new ShellProcess({ program: "/bin/sh", args, env: {}, signal: "SIGKILL" });
  shells.push(shell);
  return shell;
}
const run = (shell: ShellProcess, script: string, more: Partial<RunOptions> = {}): Promise<Answer> =>
  shell.run({ script, deadline: 10, signal: stop.signal, ...more });
const said = ({ code, stdout, stderr }: Answer) => [code, stdout.toString("utf8"), stderr];
const alive = (pid: number): boolean => processInfo(pid) !== undefined;

describe("scripts in one shell", () => {
  it("run one after another, each on its own", async () => {
    const shell = open();
    expect(said(await run(shell, "echo $$; cd /; x=1; exec 9>/dev/null; umask 077; echo err >&2"))).toEqual([
      0,
      expect.stringMatching(/^\d+\n$/),
      "err\n",
    ]);
    expect(
      said(await run(shell, 'set -eu; pwd; umask; echo "${x-unset}"; exit 0; echo not reached')),
    ).toEqual([0, `${process.cwd()}\n0022\nunset\n`, ""]);
    expect(shell.usable).toBe(true);
  });

  it("get files of this machine as part of it, and nothing of a file that has become shorter", async () => {
    const file = path.join(folder, "large");
    const large = Buffer.alloc(3_000_000, "0123456789abcdef");
    writeFileSync(file, large);
    const whole = [Buffer.from("before"), { file, bytes: large.length }, Buffer.from("after")];
    const counted = await run(open(), `head -c ${large.length + 11} | sha256sum`, { payload: whole });
    const sum = createHash("sha256").update("before").update(large).update("after").digest("hex");
    expect(counted.stdout.toString()).toBe(`${sum}  -\n`);
    const longer = [{ file, bytes: large.length + 1 }];
    await expect(run(open(), `head -c ${large.length + 1} >/dev/null`, { payload: longer })).rejects.toThrow(
      "changed while it was being sent",
    );
  });

  it("get their payload whole, whatever is in it", async () => {
    const payload = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7919) % 256));
    const { stdout } = await run(open(), `head -c ${payload.length}`, { payload });
    expect(stdout.equals(payload)).toBe(true);
  });

  it("get what is larger than memory piece by piece, no faster than they read it, and their payload behind it", async () => {
    let sent = 0;
    const pieces = 64;
    async function* input(): AsyncGenerator<Buffer> {
      for (; sent < pieces; sent++) yield await Promise.resolve(Buffer.alloc(1 << 20, sent));
    }
    const shell = open();
    const slow = run(
      shell,
      `sleep 0.5; printf 'read\\n'; head -c ${pieces << 20} | sha256sum; head -c 3; printf '\\n'`,
      {
        payload: [input(), Buffer.from("end")],
        onLine: (line) => {
          // Whoever does not read yet is sent no more than the pipe and a piece or two hold.
          if (line === "read") expect(sent).toBeLessThan(4);
          return undefined;
        },
      },
    );
    const digest = createHash("sha256");
    for (let piece = 0; piece < pieces; piece++) digest.update(Buffer.alloc(1 << 20, piece));
    expect(said(await slow)).toEqual([0, `read\n${digest.digest("hex")}  -\nend\n`, ""]);
    expect(shell.usable).toBe(true);
  });

  it("that do not read all they are sent end it, without waiting", async () => {
    let ended = false;
    async function* endless(): AsyncGenerator<Buffer> {
      try {
        for (;;) yield await Promise.resolve(Buffer.alloc(1 << 20));
      } finally {
        ended = true;
      }
    }
    const shell = open();
    expect((await run(shell, "exit 3", { payload: [endless()] })).code).toBe(3);
    await sleep(50);
    expect([ended, shell.usable]).toEqual([true, false]);
  });

  it("hand a large answer on as it comes, within its own bound", async () => {
    let bytes = 0;
    const output = { most: 40 << 20, take: (piece: Buffer) => void (bytes += piece.length) };
    const script = `head -c ${40 << 20} /dev/zero`;
    expect(said(await run(open(), script, { output }))).toEqual([0, "", ""]);
    expect(bytes).toBe(40 << 20);
    await expect(run(open(), script, { output: { ...output, most: 1 << 20 } })).rejects.toThrow("exceeds");
    await expect(run(open(), script)).rejects.toThrow("exceeds");
    const full = {
      most: 1 << 20,
      take: () =>
        void (() => {
          throw new Error("no space left here");
        })(),
    };
    await expect(run(open(), "echo x", { output: full })).rejects.toThrow("no space left here");
  });

  it("answer line by line, and are answered", async () => {
    const lines: string[] = [];
    const answer = await run(open(), 'echo ready; read -r w; echo "got $w"', {
      onLine: (line) => {
        lines.push(line);
        return line === "ready" ? "go\n" : undefined;
      },
    });
    expect(lines).toEqual(["ready", "got go"]);
    expect(said(answer)).toEqual([0, "ready\ngot go\n", ""]);
  });

  it("that fail close their shell, and what they left unread is run by nobody", async () => {
    const shell = open();
    const mark = path.join(folder, "ran");
    const script = `touch ${mark}`;
    // As much like a header as a payload can be without the key.
    const payload = Buffer.from(`x\n0123 ${script.length} 9 abc\n${script}\n${script}\n`);
    expect(said(await run(shell, "exit 3", { payload }))).toEqual([3, "", ""]);
    expect(shell.usable).toBe(false);
    await shell.ended;
    expect(existsSync(mark)).toBe(false);
  });

  it("that leave something unread and yet succeed are the last as well", async () => {
    const shell = open();
    const mark = path.join(folder, "ran");
    expect((await run(shell, "exit 0", { payload: Buffer.from(`touch ${mark}\n`) })).code).toBe(0);
    await expect(run(shell, `touch ${mark}`)).rejects.toThrow(ShellEnded);
    expect(existsSync(mark)).toBe(false);
  });

  it("are in no process list", async () => {
    const { stdout } = await run(
      open(),
      "s3cret=1; cat /proc/[0-9]*/cmdline /proc/self/environ 2>/dev/null || :",
    );
    expect(stdout.toString()).toContain("while read");
    expect(stdout.toString()).not.toContain("s3cret");
  });
});

describe("around a script", () => {
  it("a login shell may say what it likes", async () => {
    const shell = open("echo Welcome; echo 'warning: x' >&2; printf '\\0read'; head -c 50000 /dev/zero");
    expect(said(await run(shell, "echo hello; echo err >&2"))).toEqual([0, "hello\n", "err\n"]);
    expect(said(await run(shell, "echo again"))).toEqual([0, "again\n", ""]);
  });

  it("a login that leads nowhere is told, with its first words", async () => {
    const shell = open("echo This account is currently not available.; exit 1");
    const error = await run(shell, "echo hello").catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ShellEnded);
    expect((error as ShellEnded).ending).toEqual({
      code: 1,
      ready: false,
      stderr: "",
      noise: "This account is currently not available.\n",
    });
  });

  it("a program that is not there is told", async () => {
    const shell = new ShellProcess({ program: "/no/such", args: [], env: {}, signal: "SIGKILL" });
    const error = await run(shell, "true").catch((e: unknown) => e);
    expect((error as ShellEnded).ending.unstarted?.code).toBe("ENOENT");
    // And again, when it is over already.
    await expect(run(shell, "true")).rejects.toThrow(ShellEnded);
  });
});

describe("an end before the end of the script", () => {
  it("by the shell's death leaves what was said", async () => {
    const error = (await run(open(), "echo half; echo why >&2; kill -9 0; sleep 5").catch(
      (e: unknown) => e,
    )) as ShellEnded;
    expect(error.ending).toMatchObject({ code: null, ready: true, stderr: expect.stringContaining("why") });
    expect(error.answer.stdout.toString()).toBe("half\n");
  });

  it("by the deadline is a host that cannot be looked at", async () => {
    const shell = open();
    const begin = Date.now();
    await expect(run(shell, "sleep 30", { deadline: 1 })).rejects.toThrow(
      new CannotLook("no answer within 1 s"),
    );
    expect(Date.now() - begin).toBeLessThan(2500);
    expect(shell.usable).toBe(false);
  });

  it("by an answer without end, whatever it is kept in", async () => {
    const begin = process.memoryUsage().rss;
    await expect(run(open(), "cat /dev/zero")).rejects.toThrow(/exceeds 16777216 bytes/);
    await expect(run(open("exec cat /dev/zero"), "true")).rejects.toThrow(/exceeds 16777216 bytes/);
    expect(process.memoryUsage().rss - begin).toBeLessThan(200 * 1024 * 1024);
  });

  it("by our own: the script's input ends, and its answer still counts", async () => {
    const shell = open();
    const answer = run(shell, 'read -r w || { echo "stopped" >&2; exit 75; }');
    await shell.opened;
    stop.abort();
    expect(said(await answer)).toEqual([75, "", "stopped\n"]);
  });

  it("by our own: a script that does not stop is killed with all it started", async () => {
    const shell = open();
    const file = path.join(folder, "pid");
    const answer = run(shell, `trap '' TERM; sleep 60 & echo $! >${file}; wait; sleep 60`);
    while (!existsSync(file) || readFileSync(file, "utf8") === "") await sleep(20);
    stop.abort();
    const begin = Date.now();
    await expect(answer).rejects.toThrow(ShellEnded);
    expect(Date.now() - begin).toBeLessThan(4000);
    expect(alive(Number(readFileSync(file, "utf8")))).toBe(false);
  });

  it("before it began: nothing is sent", async () => {
    stop.abort();
    await expect(run(open(), "true")).rejects.toThrow(Cancelled);
  });

  it("by this process's end: the loop ends as well", async () => {
    const shell = open();
    const pid = Number((await run(shell, "ps -o ppid= -p $PPID")).stdout.toString());
    shell.finish();
    await shell.ended;
    expect(alive(pid)).toBe(false);
  });
});

describe("the loop", () => {
  it("is one word for every login shell", () => {
    expect(loopCommand()).toMatch(/^sh -c '[^'!\n]+'$/);
  });
});

describe("a marked stream", () => {
  const token = "0123456789abcdef";
  const all = Buffer.from(
    `noise \0${token} \n\0other\n\0${token}\nfirst\0 \0${token}x\0\nlast\0${token} 75\nmore`,
  );

  it.each([1, 2, 3, 7, 1000])("is understood in pieces of %d bytes", (size) => {
    let content = "";
    const stream = new MarkedStream(token, (bytes) => (content += bytes.toString()));
    for (let at = 0; at < all.length; at += size) stream.push(all.subarray(at, at + size));
    expect(content).toBe(`first\0 \0${token}x\0\nlast`);
    expect(stream.code).toBe(75);
  });

  it("holds nothing back that cannot be its end", () => {
    let content = "";
    const stream = new MarkedStream(token, (bytes) => (content += bytes.toString()));
    stream.push(Buffer.from(`\0${token}\nready\n`));
    expect(content).toBe("ready\n");
    stream.push(Buffer.from("\0"));
    expect(content).toBe("ready\n");
    stream.push(Buffer.from("stat"));
    expect(content).toBe("ready\n\0stat");
    expect(stream.code).toBeUndefined();
  });
});
