/** One connection to a host: how it is made, and the shells that share it. */
import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import { Cancelled } from "../errors.ts";
import { parseHostKey } from "./host-key.ts";
import { loopCommand, ShellEnded, type ShellProcess } from "./shell-process.ts";
import { ALIAS, sshArguments, type SshFiles, type SshRun, type Target } from "./ssh-arguments.ts";
import { connectFailure, otherKey } from "./ssh-failures.ts";
import type { SshWorkplace } from "./ssh-workplace.ts";
import type { Answer, RunOptions } from "./transport.ts";

/** Milliseconds before the second attempt to connect; the pause doubles, up to the longest. */
const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 4000;
/** Milliseconds ssh gets beyond its own timeout, whose words say more than ours could. */
const SLACK = 300;
/** Seconds to learn which key a host shows. */
const PROBE_DEADLINE = 5;

/** There is no connection, and another attempt would not help. */
export class NotConnected extends Error {
  override name = "NotConnected";
}

const knownHosts = ({ keyLine, formerKeyLine }: Target): string =>
  [keyLine, ...(formerKeyLine === undefined ? [] : [formerKeyLine])]
    .map((line) => `${ALIAS} ${line}\n`)
    .join("");

export class SshLink {
  /** Resolves when the connection stands, or was not made for now; rejects with {@link NotConnected}. */
  readonly settled: Promise<void>;
  #settle: (failure?: NotConnected) => void = () => {};
  readonly #target: Target;
  readonly #workplace: SshWorkplace;
  readonly #files: SshFiles;
  /** Milliseconds since the epoch until which it may take to connect. */
  readonly #until: number;
  #master: ShellProcess;
  #taken = false;
  #closed = false;
  #busy = 0;
  readonly #idle: ShellProcess[] = [];

  /** Begins to connect. */
  constructor(target: Target, workplace: SshWorkplace) {
    this.#target = target;
    this.#workplace = workplace;
    this.#files = { knownHosts: workplace.path(), socket: workplace.path(), config: workplace.config };
    writeFileSync(this.#files.knownHosts, knownHosts(target), { mode: 0o600 });
    this.#until = Date.now() + target.connectDeadline * 1000;
    this.settled = new Promise((resolve, reject) => {
      this.#settle = (failure) => (failure ? reject(failure) : resolve());
    });
    // Whoever makes the connection is told by that; perhaps nobody else waits for it.
    this.settled.catch(() => {});
    this.#master = this.#attempt();
  }

  /** Resolves when the attempt that is under way has succeeded or failed. */
  get attempted(): Promise<void> {
    return this.#master.opened;
  }

  /** Whether somebody makes the connection already, by {@link first}. */
  get taken(): boolean {
    return this.#taken;
  }

  /** Whether it takes more scripts. It does not after its first shell has ended. */
  get open(): boolean {
    return !this.#closed && this.#master.usable && this.#master.ready;
  }

  /** Scripts that are running over it. */
  get busy(): number {
    return this.#busy;
  }

  /**
   * Makes the connection and runs the first script over it. The script is sent with each attempt, so that there is no
   * waiting between the end of the login and the script.
   *
   * @throws NotConnected, and what {@link ShellProcess.run} throws
   */
  async first(options: RunOptions): Promise<Answer> {
    this.#taken = true;
    try {
      for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
        const master = this.#master;
        void master.opened.then(() => master.ready && this.#settle());
        try {
          return await this.#use(master, options);
        } catch (error) {
          if (!(error instanceof ShellEnded) || error.ending.ready) throw error;
          await this.#failed(error, pause, options.signal);
        }
        this.#master = this.#attempt();
      }
    } catch (error) {
      if (error instanceof NotConnected) this.#settle(error);
      throw error;
    } finally {
      this.#settle();
    }
  }

  /**
   * Runs a script in a shell that is free, or in another one over the same connection.
   *
   * @throws ShellEnded with `ready` false when there is no other one to be had, and what {@link ShellProcess.run} throws
   */
  run(options: RunOptions): Promise<Answer> {
    const free = this.#idle.find((shell) => shell.usable);
    if (!free) return this.#use(this.#start("further", this.#target.connectDeadline), options);
    this.#idle.splice(this.#idle.indexOf(free), 1);
    return this.#use(free, options);
  }

  /** Takes no more scripts; those that are running come to their end. */
  close(): void {
    this.#closed = true;
    for (const shell of this.#idle.splice(0)) shell.finish();
  }

  async #use(shell: ShellProcess, options: RunOptions): Promise<Answer> {
    this.#busy++;
    try {
      return await shell.run(options);
    } catch (error) {
      // Others' connection must not end because one script does not.
      if (shell !== this.#master || this.#busy === 1) shell.kill();
      throw error;
    } finally {
      this.#busy--;
      if (!this.#closed && shell.usable) this.#idle.push(shell);
      else shell.finish();
      if (shell === this.#master && shell.ready && !shell.usable) this.close();
    }
  }

  #attempt(): ShellProcess {
    return this.#start("master", Math.max(1, Math.floor((this.#until - Date.now()) / 1000)));
  }

  /** @param seconds until it is ended if it has no shell by then */
  #start(as: SshRun["as"], seconds: number, files = this.#files): ShellProcess {
    const { user } = this.#target;
    const command = user === "root" ? loopCommand() : `env LC_ALL=C sudo -n ${loopCommand()}`;
    const shell = this.#workplace.start(
      sshArguments({ target: this.#target, files, as, connectTimeout: seconds, command }),
    );
    const timer = setTimeout(() => shell.kill(), seconds * 1000 + SLACK);
    void shell.opened.then(() => clearTimeout(timer));
    return shell;
  }

  /** Returns when it is time for another attempt. */
  async #failed(error: ShellEnded, pause: number, signal: AbortSignal): Promise<void> {
    const stopped = (): Cancelled => new Cancelled(`stopped while connecting to ${this.#target.name}`);
    if (signal.aborted) throw stopped();
    const failure = connectFailure(this.#target, error.ending, Date.now() >= this.#until);
    // Between half and one and a half, because hosts that went away together should not be asked together.
    const jittered = pause * (0.5 + Math.random());
    if (!failure.passing || Date.now() + jittered >= this.#until) {
      const message = failure.otherKey ? otherKey(this.#target, await this.#offeredKey()) : failure.message;
      throw new NotConnected(message, { cause: error });
    }
    await sleep(jittered, undefined, { signal }).catch(() => {
      throw stopped();
    });
  }

  /** The key the host shows, which is not to be believed. */
  async #offeredKey(): Promise<{ line: string; fingerprint: string } | undefined> {
    const file = this.#workplace.path();
    await this.#start("probe", PROBE_DEADLINE, { ...this.#files, knownHosts: file }).ended;
    let line: string;
    try {
      line = readFileSync(file, "utf8").trim().split(" ").slice(1).join(" ");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
    const key = parseHostKey(line);
    return key && { line, fingerprint: key.fingerprint };
  }
}
