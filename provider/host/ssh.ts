/**
 * The transport `ssh`: OpenSSH's client to a Debian host.
 *
 * One process of ssh per host is the normal case: it runs a loop that takes one script after another. What runs at the
 * same time gets further sessions over the same connection.
 */
import { Cancelled, CannotLook } from "../errors.ts";
import { ShellEnded } from "./shell-process.ts";
import type { Target } from "./ssh-arguments.ts";
import { atHost, cutOff } from "./ssh-failures.ts";
import { NotConnected, SshLink } from "./ssh-link.ts";
import type { SshWorkplace } from "./ssh-workplace.ts";
import type { Answer, RunOptions, Transport } from "./transport.ts";
import { Turns } from "./turns.ts";

/** Scripts at a time; sshd allows 10 sessions over a connection unless the host says otherwise. */
const SESSIONS = 4;
/** How often a connection that was lost is made again. */
const RECONNECTIONS = 1;

/** The process that owns the workplace closes it: the connections stay open until then. */
export function sshTransport(target: Target, workplace: SshWorkplace): Transport {
  const turns = new Turns(SESSIONS);
  let link: SshLink | undefined;
  let lost = 0;
  /** Why the host is not tried again. */
  let givenUp: string | undefined;

  function giveUp(message: string): CannotLook {
    givenUp = atHost(target, message);
    return new CannotLook(givenUp);
  }

  /** The connection broke under a script. */
  function lose(broken: SshLink, { ending }: ShellEnded): CannotLook {
    const message = cutOff(ending);
    broken.close();
    // Scripts that shared it are told each, but it is one loss.
    if (link === broken && ++lost > RECONNECTIONS) return giveUp(message);
    if (link === broken) link = undefined;
    return new CannotLook(atHost(target, message));
  }

  async function run(options: RunOptions): Promise<Answer> {
    for (;;) {
      if (givenUp !== undefined) throw new CannotLook(givenUp);
      if (options.signal.aborted) throw new Cancelled(`stopped before ${target.name} was asked`);
      link ??= new SshLink(target, workplace);
      const current = link;
      try {
        if (!current.taken) return await current.first(options);
        await current.settled;
        if (current.open) return await current.run(options);
        if (link === current) link = undefined;
      } catch (error) {
        if (error instanceof NotConnected) throw giveUp(error.message);
        if (error instanceof CannotLook)
          throw new CannotLook(atHost(target, error.message), { cause: error });
        if (!(error instanceof ShellEnded)) throw error;
        if (error.ending.ready) throw lose(current, error);
        if (options.signal.aborted) throw new Cancelled(`stopped before ${target.name} was asked`);
        // There was no further session: the host allows fewer, or the connection is just ending.
        if (current.busy > 0) await turns.fewer();
        else if (link === current) link = undefined;
      }
    }
  }

  return {
    vantage: { prefix: "", owners: true },
    async dial() {
      if (givenUp !== undefined) return;
      try {
        link ??= new SshLink(target, workplace);
        await link.attempted;
      } catch {
        // The first script tries the same, and there is somebody to tell then.
      }
    },
    renew() {
      link?.close();
      link = undefined;
    },
    async run(options) {
      await turns.take();
      try {
        return await run(options);
      } finally {
        turns.give();
      }
    },
  };
}
