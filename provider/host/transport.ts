/** How a script reaches a host. `local` and, for real hosts, `ssh` stand behind this one interface. */
import type { Vantage } from "./facts.ts";
import type { Piece } from "./payload.ts";

export interface Answer {
  /** Exit code of the script; null if it was killed. */
  code: number | null;
  stdout: Buffer;
  /** Its last 4 KiB. */
  stderr: string;
}

export interface RunOptions {
  /** It may read the payload and what `onLine` returns, and nothing beyond: the next script comes the same way. */
  script: string;
  /** Follows the script on its standard input. */
  payload?: Buffer | Piece[];
  /** Takes what the script puts out instead of the answer, which then has none. */
  output?: Output;
  /** Seconds until the script is ended, from when it can run: what it takes to connect does not count. */
  deadline: number;
  /** Called with each line of output as it comes; what it returns is written to the script's standard input. */
  onLine?: (line: string) => string | undefined;
  /** Ends the script's input and, if it does not stop by itself, the script. */
  signal: AbortSignal;
}

/** Where a large answer goes. */
export interface Output {
  /** Bytes after which there is too much of it. */
  most: number;
  /** Called with each piece; it has been dealt with on return. What it throws ends the run. */
  take: (bytes: Buffer) => void;
}

export interface Transport {
  vantage: Vantage;
  /** Said once per process before the first change, when there is something an operator should know. */
  notice?: string;
  /**
   * Begins to connect, where there is something to connect to. Resolves when that has succeeded or failed at first; what
   * went wrong is told by the first script.
   */
  dial?(): Promise<void>;
  /** The next script comes over a new connection, where there is one. */
  renew?(): void;
  /**
   * Runs a POSIX shell script on the host.
   *
   * @throws CannotLook when the host cannot be reached, answers beyond all bounds or is lost on the way: a script that
   *   was running may then have done anything up to its end
   * @throws Cancelled when the signal came before the script was sent
   */
  run(options: RunOptions): Promise<Answer>;
}
