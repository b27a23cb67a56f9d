/**
 * System cron entries of a house that would run what its agent can change. Cron starts them outside the sandbox of the
 * gateway's unit, with the agent's home as HOME and working directory: code from there would be the agent's way out.
 *
 * Who may read what lies there as data is listed; all other programs of Debian are taken to run what they are given.
 */
import { posix } from "node:path";

import type { CronEntry, CronProblem } from "./cron.ts";

export interface Reach {
  /** The agent's account. */
  user: string;
  /** Absolute paths of the folders it may write to from inside its sandbox: its home and what the house has opened. */
  folders: readonly string[];
}

/** Programs that take paths as data, and the options by which they would run something nevertheless. */
const DATA_PROGRAMS: Readonly<Record<string, RegExp | undefined>> = {
  ...Object.fromEntries(
    "cat chmod cksum cp cut date df du echo false gzip head ln logger ls mkdir mv rm rmdir sha256sum sleep stat sync tail test touch true truncate wc xz zstd"
      .split(" ")
      .map((name) => [name, undefined]),
  ),
  find: /^-(exec|execdir|ok|okdir)$/,
  // Long options may be shortened.
  tar: /^(-[A-Za-z]*[IF]|--(to-c|use|checkpoint-a|info-s|new-v|rmt|rsh))|^[A-Za-z]*[IF][A-Za-z]*$/,
  rsync: /^(-[A-Za-z]*e|--(rsh|rsync-p|s))/,
};

const SHELLS = ["sh", "dash", "bash"];
const PYTHON = /^python3?(\.\d+)?$/;

/** Programs that run another one, or read settings in HOME that can name one. */
const STEERED = new Set(
  (
    "env nice ionice chrt taskset timeout nohup setsid setpriv flock xargs parallel time watch script stdbuf chronic " +
    "sudo su runuser chroot unshare nsenter systemd-run run-parts start-stop-daemon at batch crontab busybox " +
    "zsh ksh mksh fish csh tcsh perl ruby node nodejs php lua awk gawk mawk tclsh expect java deno bun ed vi vim emacs " +
    "make git hg svn ssh scp sftp wget curl gpg mail tmux screen gdb strace npm npx pip pip3 uv cargo docker podman"
  ).split(" "),
);

const ALLOWED =
  "a script that root owns, e.g. [/bin/sh, /usr/local/sbin/tidy.sh] or [/usr/bin/python3, -I, /usr/local/sbin/tidy.py]; " +
  "what the agent is to run belongs into jobs:";

/** What is wrong with an entry's command, given what the agent of its house can write to. Empty if nothing. */
export function reachProblems(entry: CronEntry, reach: Reach): CronProblem[] {
  const [program = "", ...words] = entry.command;
  const inReach = (word: string): boolean => reach.folders.some((folder) => names(word, folder));
  const problem = (index: number, message: string): CronProblem[] => [
    { path: ["command", index], message, got: entry.command[index] ?? "", allowed: ALLOWED },
  ];
  if (inReach(program)) return problem(0, "would run, outside the sandbox, what the agent can change");

  const touching = words.findIndex(inReach);
  if (entry.user !== reach.user) {
    if (touching < 0) return [];
    const message = `is the agent's to change, and nothing there is done as ${entry.user}`;
    return [{ ...problem(touching + 1, message)[0]!, allowed: `user: ${reach.user}, which is the default` }];
  }

  const name = posix.basename(program);
  if (SHELLS.includes(name) || PYTHON.test(name)) return scriptProblems(name, words, inReach, problem);
  if (STEERED.has(name))
    return problem(0, "can be told by files in the agent's home, or by its arguments, to run something else");
  if (Object.hasOwn(DATA_PROGRAMS, name)) {
    const runs = words.findIndex((word) => DATA_PROGRAMS[name]?.test(word));
    return runs < 0 ? [] : problem(runs + 1, `makes ${name} run a program`);
  }
  // An operator's own program says itself what it does with its arguments.
  if (!/^\/(usr\/)?s?bin\//.test(program) || touching < 0) return [];
  return problem(touching + 1, `may be run by ${program} outside the sandbox, and the agent can change it`);
}

/** An interpreter must be given a script that the agent can neither change nor stand in for. */
function scriptProblems(
  name: string,
  words: readonly string[],
  inReach: (word: string) => boolean,
  problem: (index: number, message: string) => CronProblem[],
): CronProblem[] {
  const script = words.findIndex((word) => !word.startsWith("-"));
  const options = script < 0 ? words : words.slice(0, script);
  if (PYTHON.test(name)) {
    const odd = options.findIndex((word) => !/^-[BEIOSsuq]+$/.test(word));
    if (odd >= 0) return problem(odd + 1, "is no option for a script that cron runs");
    if (!options.some((word) => word.includes("I")))
      return problem(0, "without -I also runs what lies in the agent's home, such as .local/lib/python");
  } else {
    const odd = options.findIndex((word) => !/^-[eufxv]+$/.test(word));
    if (odd >= 0) return problem(odd + 1, "is no option for a script that cron runs");
  }
  const text = words[script];
  if (text === undefined) return problem(0, "is given no script");
  if (!text.startsWith("/"))
    return problem(script + 1, "is a relative path, which cron looks for in the agent's home");
  return inReach(text)
    ? problem(script + 1, "would run, outside the sandbox, what the agent can change")
    : [];
}

/** Whether a word is a path to the folder or into it, also after an option's `=` or spelt in a roundabout way. */
function names(word: string, folder: string): boolean {
  return [word, ...word.split(/[=:,]/)].some((part) => {
    const start = part.indexOf("/");
    if (start < 0) return false;
    const path = posix.normalize(part.slice(start));
    return path === folder || path === `${folder}/` || path.startsWith(`${folder}/`);
  });
}
