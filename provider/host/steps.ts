/**
 * Changes on a host as data, and the shell script that carries them out.
 *
 * A plan is a list of steps. The script gets them in order under one lock, with file contents on standard input,
 * never in its text, an argument or the environment. Before the first step behind the `commit` mark it waits for a
 * word from this process, so that a plan whose sender has died leaves nothing switched.
 */
import { shellQuote } from "../../fleet/shell.ts";
import type { Vantage } from "./facts.ts";
import { shellText } from "./shell.ts";

/** An absolute path on the host. */
type HostPath = string;

export type Step =
  /** A folder with exactly this mode and owner; made if absent. */
  | { do: "folder"; path: HostPath; mode: string; owner: string; group: string }
  /** A folder of the system's that may be missing; one that is there is left as it is. */
  | { do: "ensure-folder"; path: HostPath }
  /** A whole file, atomically: never half written, never readable by more than its mode says. */
  | { do: "file"; path: HostPath; mode: string; owner: string; group: string; content: string }
  /** Mode and owner of a file whose contents are right. */
  | { do: "attributes"; path: HostPath; mode: string; owner: string; group: string }
  /** A symbolic link, atomically; what stands there must be a link or nothing. */
  | { do: "link"; path: HostPath; target: string }
  /** One rename of a file or folder, within a file system. The target must not exist. */
  | { do: "rename"; path: HostPath; to: HostPath }
  /** Moves whatever is at `path` out of the way, to a name in `keep` that nobody uses, so that nothing is lost. */
  | { do: "displace"; path: HostPath; keep: HostPath; name: string }
  /** Moves back what was displaced first, if anything was. */
  | { do: "restore"; path: HostPath; keep: HostPath; name: string }
  /** A file or link; nothing there is fine. */
  | { do: "remove"; path: HostPath }
  /** A folder of ours with all it holds. */
  | { do: "remove-tree"; path: HostPath }
  /** A folder, only if empty. */
  | { do: "remove-if-empty"; path: HostPath }
  /** The named files, and the folder with them, if it holds nothing else. */
  | { do: "remove-if-last"; folder: HostPath; names: string[] }
  /** Sets the time of change to now. */
  | { do: "touch"; path: HostPath }
  /** A system account with its group. */
  | { do: "add-account"; name: string; home: string; shell: string; comment: string; groups: string[] }
  | { do: "change-account"; name: string; home: string; shell: string; groups: string[] }
  | { do: "remove-account"; name: string }
  /** Everything before is preparation that changes nothing an agent can see; everything after is the switch. */
  | { do: "commit" };

export interface Plan {
  /** File that is locked while the plan is carried out; its folder is made if absent. */
  lock: HostPath;
  steps: Step[];
}

export interface Script {
  text: string;
  /** What follows the script on standard input: the contents of all files, one after another. */
  payload: Buffer;
  /** Whether the script stops at a `commit` and waits. */
  commits: boolean;
}

/** What the script prints where it waits, and what it waits for. */
export const READY = "ready to commit";
export const GO = "go";
/** The script's last line when every step succeeded. */
export const DONE = "done";
/** Exit code of a script that could not get the lock. */
const LOCKED = 73;

/** The script of a plan. Every value in it goes through one quoting function. */
export function planScript(plan: Plan, vantage: Vantage): Script {
  const real = (path: HostPath): string => shellQuote(vantage.prefix + path);
  const owner = (step: { owner: string; group: string }): string => shellQuote(`${step.owner}:${step.group}`);
  const contents: Buffer[] = [];
  const line = (step: Step): string => {
    switch (step.do) {
      case "folder":
      case "attributes":
        return `${step.do} ${real(step.path)} ${shellQuote(step.mode)} ${owner(step)}`;
      case "file": {
        const content = Buffer.from(step.content, "utf8");
        contents.push(content);
        return `file ${real(step.path)} ${shellQuote(step.mode)} ${owner(step)} ${content.length}`;
      }
      case "link":
        return `link ${real(step.path)} ${shellQuote(step.target)}`;
      case "rename":
        return `mv -T -- ${real(step.path)} ${real(step.to)}`;
      case "displace":
      case "restore":
        return `${step.do} ${real(step.path)} ${real(step.keep)} ${shellQuote(step.name)}`;
      case "remove":
        return `rm -f -- ${real(step.path)}`;
      case "remove-tree":
        return `rm -rf --one-file-system -- ${real(step.path)}`;
      case "remove-if-empty":
        return `remove_if_empty ${real(step.path)}`;
      case "ensure-folder":
        return `(umask 022; mkdir -p -- ${real(step.path)})`;
      case "remove-if-last":
        return `remove_if_last ${real(step.folder)} ${step.names.map(shellQuote).join(" ")}`;
      case "touch":
        return `touch -c -- ${real(step.path)}`;
      case "add-account":
        return `add_account ${[step.name, step.home, step.shell, step.comment, step.groups.join(",")].map(shellQuote).join(" ")}`;
      case "change-account":
        return `change_account ${[step.name, step.home, step.shell, step.groups.join(",")].map(shellQuote).join(" ")}`;
      case "remove-account":
        return `remove_account ${shellQuote(step.name)}`;
      case "commit":
        return "commit";
    }
  };
  const live = vantage.prefix === "";
  const text = [
    `owners=${vantage.owners ? "yes" : "no"} ready=${shellQuote(READY)} go=${shellQuote(GO)} etc=${real("/etc")}`,
    shellText("steps"),
    shellText(live ? "accounts-live" : "accounts-folder"),
    `(umask 022; mkdir -p -- ${real(plan.lock.slice(0, plan.lock.lastIndexOf("/")))})`,
    `exec 9>>${real(plan.lock)}`,
    `flock -w 30 9 || { echo ${shellQuote(`another change holds ${plan.lock}`)} >&2; exit ${LOCKED}; }`,
    ...plan.steps.map(line),
    `echo ${DONE}`,
  ].join("\n");
  return { text, payload: Buffer.concat(contents), commits: plan.steps.some((step) => step.do === "commit") };
}
