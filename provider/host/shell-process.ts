/**
 * A shell, on this machine or behind ssh, that runs scripts one after another.
 *
 * What it is started with is a fixed loop and nothing else: scripts and file contents come on standard input, so they
 * show in no process list.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { StringDecoder } from "node:string_decoder";

import { shellQuote } from "../../fleet/shell.ts";
import { CannotLook, Cancelled } from "../errors.ts";
import { MarkedStream } from "./marked-stream.ts";
import { chunksOf, joined, type Piece } from "./payload.ts";
import { shellText } from "./shell.ts";
import type { Answer, Output, RunOptions } from "./transport.ts";

/** No honest answer is larger: a house has tens of files and a record of a file takes about 200 bytes. */
const MAX_OUTPUT = 16 * 1024 * 1024;
/** Bytes kept of what goes to standard error, and of what a login shell says before the loop runs. */
const MAX_WORDS = 4096;
/** Milliseconds a cancelled script gets to stop at its own next boundary before its shell is killed. */
const GRACE = 2000;
/** Seconds beyond a script's deadline after which the loop ends it, if nobody else has. */
const SLACK = 5;
const READY = Buffer.from("\0ready\n", "latin1");

/** The loop as one line for `sh -c`. */
const loop = (): string =>
  shellText("loop")
    .split("\n")
    .filter((line) => !line.startsWith("#"))
    .join(" ")
    .trim();

/** Arguments that make a POSIX shell run the loop, with all it starts in one process group. */
export const loopArguments = (): string[] => ["-c", loop(), "sh", "--foreground"];

/** The loop as text for a login shell, whichever it is: one word in single quotes means the same to all of them. */
export const loopCommand = (): string => `sh -c ${shellQuote(loop())}`;

export interface ShellProgram {
  program: string;
  args: string[];
  env: Record<string, string>;
  /** What ends it and its children. */
  signal: "SIGTERM" | "SIGKILL";
}

/** How a shell ended. */
export interface Ending {
  /** Exit code; null if it was killed by a signal. */
  code: number | null;
  /** Whether the loop had begun to run. */
  ready: boolean;
  /** The last of what was said on standard error, ssh's own words included. */
  stderr: string;
  /** The beginning of what came before the loop ran. */
  noise: string;
  /** Why the program could not be started at all. */
  unstarted?: NodeJS.ErrnoException;
}

/** The shell ended before the script did. */
export class ShellEnded extends Error {
  override name = "ShellEnded";
  readonly ending: Ending;
  /** What the script had answered until then. */
  readonly answer: Answer;
  constructor(ending: Ending, answer: Answer) {
    super(`the shell ended with code ${ending.code}`);
    this.ending = ending;
    this.answer = answer;
  }
}

const tail = (text: string): string => text.slice(-MAX_WORDS);
const withoutMiddle = (bytes: Buffer): Buffer =>
  bytes.length <= MAX_WORDS + READY.length
    ? bytes
    : Buffer.concat([bytes.subarray(0, MAX_WORDS), bytes.subarray(-READY.length)]);

interface Run {
  stdout: MarkedStream;
  stderr: MarkedStream;
  /** What the script has answered so far. */
  answer: () => Answer;
  done: () => void;
  fail: (error: Error) => void;
  /** Called when the loop begins to run. */
  ready: () => void;
}

export class ShellProcess {
  /** Resolves when the loop runs, or when the shell has ended without. */
  readonly opened: Promise<void>;
  readonly ended: Promise<Ending>;
  readonly #child;
  readonly #signal: NodeJS.Signals;
  readonly #key = randomBytes(16).toString("hex");
  #ready = false;
  #ending: Ending | undefined;
  #run: Run | undefined;
  #usable = true;
  #stderr = "";
  #noise: Buffer = Buffer.alloc(0);
  #received = 0;
  #most = MAX_OUTPUT;

  constructor({ program, args, env, signal }: ShellProgram) {
    this.#signal = signal;
    // A process group of its own: a Ctrl-C meant for the engine must not cut a script in the middle of a step. And no
    // terminal, on which ssh could ask something that nobody is there to answer.
    this.#child = spawn(program, args, { detached: true, stdio: ["pipe", "pipe", "pipe"], env });
    // A shell may end before it has read everything; its exit code and words say why, not the broken pipe.
    this.#child.stdin.on("error", () => {});
    this.#child.stdin.write(`${this.#key}\n`);
    let open: () => void;
    this.opened = new Promise((resolve) => (open = resolve));
    this.#child.stdout.on("data", (bytes: Buffer) => {
      this.#received += bytes.length;
      if (this.#received > this.#most) {
        this.#run?.fail(new CannotLook(`the host's answer exceeds ${this.#most} bytes`));
        return this.kill();
      }
      if (this.#ready) return this.#hear("stdout", bytes);
      this.#noise = Buffer.concat([this.#noise, bytes]);
      const at = this.#noise.indexOf(READY);
      // What is cut out of a long speech is its middle: the mark may have begun at its end.
      if (at === -1) return void (this.#noise = withoutMiddle(this.#noise));
      this.#ready = true;
      open();
      this.#run?.ready();
      this.#hear("stdout", this.#noise.subarray(at + READY.length));
    });
    this.#child.stderr.on("data", (bytes: Buffer) => {
      this.#stderr = tail(this.#stderr + bytes.toString("utf8"));
      this.#hear("stderr", bytes);
    });
    this.ended = new Promise((resolve) => {
      const end = (code: number | null, unstarted?: NodeJS.ErrnoException): void => {
        this.#usable = false;
        this.#ending = {
          code,
          ready: this.#ready,
          stderr: this.#stderr,
          noise: this.#ready ? "" : this.#noise.subarray(0, MAX_WORDS).toString("utf8"),
          ...(unstarted && { unstarted }),
        };
        this.#run?.fail(new ShellEnded(this.#ending, this.#run.answer()));
        open();
        resolve(this.#ending);
      };
      this.#child.on("error", (error) => end(null, error));
      // What it has started and left, such as a ProxyCommand, would keep the streams open.
      this.#child.on("exit", () => this.kill());
      this.#child.on("close", (code) => end(code));
    });
  }

  /** Whether another script can be run in it. */
  get usable(): boolean {
    return this.#usable;
  }

  /** Whether it is running the loop. */
  get ready(): boolean {
    return this.#ready;
  }

  /**
   * Runs a script. It is sent at once, even if the loop does not run yet; the deadline counts from when it does. Not to
   * be called before the run before has come to its end.
   *
   * @throws ShellEnded, CannotLook when there is no answer in time or too much of it, Cancelled when nothing was sent
   */
  async run({ script, payload, output, deadline, onLine, signal }: RunOptions): Promise<Answer> {
    if (signal.aborted) throw new Cancelled("stopped before anything was asked");
    const chunks: Buffer[] = [];
    let stderr = "";
    let code: number | null = null;
    const answer = (): Answer => ({ code, stdout: Buffer.concat(chunks), stderr });
    if (this.#ending) throw new ShellEnded(this.#ending, answer());
    const lines = onLine && lineReader((line) => this.#reply(onLine(line)));
    const token = randomBytes(16).toString("hex");
    let timer: NodeJS.Timeout | undefined;
    let over = false;
    const cancel = (): void => {
      if (!this.#ready) return this.kill();
      // End of input is what the script takes as "stop at the next boundary".
      this.finish();
      setTimeout(() => this.kill(), GRACE).unref();
    };
    this.#received = 0;
    // The marks around it are few bytes.
    this.#most = output === undefined ? MAX_OUTPUT : output.most + MAX_WORDS;
    // Before the loop runs, it says why there is no connection.
    if (this.#ready) this.#stderr = "";
    try {
      return await new Promise<Answer>((resolve, reject) => {
        this.#run = {
          stdout: new MarkedStream(token, (bytes) => {
            if (output !== undefined) return handOver(output, bytes, reject);
            chunks.push(bytes);
            lines?.(bytes);
          }),
          stderr: new MarkedStream(token, (bytes) => (stderr = tail(stderr + bytes.toString("utf8")))),
          answer,
          done: () => {
            code = this.#run?.stdout.code ?? null;
            resolve(answer());
          },
          fail: reject,
          ready: () => {
            const late = (): void => reject(new CannotLook(`no answer within ${deadline} s`));
            timer = setTimeout(late, deadline * 1000);
          },
        };
        if (this.#ready) this.#run.ready();
        signal.addEventListener("abort", cancel);
        const text = Buffer.from(script, "utf8");
        const limit = Math.ceil(deadline) + SLACK;
        const header = Buffer.from(`${this.#key} ${text.length} ${limit} ${token}\n`, "latin1");
        const pieces = payload === undefined ? [] : Buffer.isBuffer(payload) ? [payload] : payload;
        this.#send(joined([header, text, ...pieces]), () => over).catch((error: unknown) => {
          // What is missing would be taken from what comes next.
          this.finish();
          reject(error instanceof Error ? error : new Error(String(error)));
        });
      });
    } finally {
      over = true;
      this.#run = undefined;
      clearTimeout(timer);
      signal.removeEventListener("abort", cancel);
      // After any other end, what the script was to read may still be there.
      if (code !== 0) this.finish();
    }
  }

  /** Ends its input: it runs to the next boundary and ends. */
  finish(): void {
    this.#usable = false;
    this.#child.stdin.destroy();
  }

  /** Ends it and all it has started. */
  kill(): void {
    this.finish();
    if (this.#child.pid === undefined || this.#ending) return;
    try {
      process.kill(-this.#child.pid, this.#signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }

  /** Writes no faster than it is read, so that of a large file little is held at a time. */
  async #send(pieces: Piece[], isOver: () => boolean): Promise<void> {
    const { stdin } = this.#child;
    for await (const chunk of chunksOf(pieces)) {
      if (isOver() || stdin.destroyed) return;
      if (stdin.write(chunk)) continue;
      await new Promise<void>((resolve) => {
        const goOn = (): void => {
          stdin.off("drain", goOn).off("close", goOn);
          resolve();
        };
        stdin.on("drain", goOn).on("close", goOn);
      });
    }
  }

  #hear(stream: "stdout" | "stderr", bytes: Buffer): void {
    const run = this.#run;
    run?.[stream].push(bytes);
    if (run?.stdout.code !== undefined && run.stderr.code !== undefined) run.done();
  }

  #reply(words: string | undefined): void {
    if (words !== undefined) this.#child.stdin.write(words);
  }
}

function handOver(output: Output, bytes: Buffer, fail: (error: unknown) => void): void {
  try {
    output.take(bytes);
  } catch (error) {
    fail(error);
  }
}

/** Calls back with each whole line of what it is given. */
function lineReader(line: (text: string) => void): (bytes: Buffer) => void {
  const decoder = new StringDecoder("utf8");
  let pending = "";
  return (bytes) => {
    const lines = (pending + decoder.write(bytes)).split("\n");
    pending = lines.pop() ?? "";
    for (const text of lines) line(text);
  };
}
