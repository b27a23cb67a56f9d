/** What the ssh connections of a process share: the private folder and an end. */
import { rmSync } from "node:fs";
import path from "node:path";

import { Cancelled } from "../errors.ts";
import { ShellProcess } from "./shell-process.ts";
import { sshEnvironment } from "./ssh-arguments.ts";
import { makeSshFolder } from "./ssh-folder.ts";

export class SshWorkplace {
  readonly #shells = new Set<ShellProcess>();
  readonly #environment: NodeJS.ProcessEnv;
  #folder: string | undefined;
  #paths = 0;
  #closed = false;

  constructor(environment: NodeJS.ProcessEnv = process.env) {
    this.#environment = environment;
  }

  /** File for `ssh -F`, if the operator named one; ssh takes ~/.ssh/config otherwise. */
  get config(): string | undefined {
    return this.#environment["WIZARD_HOUSES_SSH_CONFIG"] || undefined;
  }

  /**
   * A new path in the private folder, which is made if there is none yet.
   *
   * @throws CannotLook when there is no place for it, Cancelled after {@link close}
   */
  path(): string {
    this.#check();
    this.#folder ??= makeSshFolder();
    return path.join(this.#folder, String(++this.#paths));
  }

  /**
   * Starts ssh.
   *
   * @throws Cancelled after {@link close}
   */
  start(args: string[]): ShellProcess {
    this.#check();
    const env = sshEnvironment(this.#environment);
    const shell = new ShellProcess({ program: "ssh", args, env, signal: "SIGTERM" });
    this.#shells.add(shell);
    void shell.ended.then(() => this.#shells.delete(shell));
    return shell;
  }

  /** Ends all connections and removes the folder, at once, since nothing can be waited for when a process exits. */
  close(): void {
    this.#closed = true;
    for (const shell of this.#shells) shell.kill();
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  }

  #check(): void {
    if (this.#closed) throw new Cancelled("stopped because the process is ending");
  }
}
