/**
 * Changes on a host as data, and the shell script that carries them out.
 *
 * A plan is a list of steps. The script gets them in order under one lock, with file contents on standard input,
 * never in its text, an argument or the environment. Before the first step behind the `commit` mark it waits for a
 * word from this process, so that a plan whose sender has died leaves nothing switched.
 */
import { bytesOf, ProjectFileChanged, type FileContent } from "../../fleet/project-file.ts";
import { shellQuote } from "../../fleet/shell.ts";
import { Conflict } from "../errors.ts";
import type { Vantage } from "./facts.ts";
import {
  harnessCall,
  harnessFunctions,
  harnessPayload,
  isHarnessStep,
  type HarnessStep,
} from "./harness-steps.ts";
import type { Piece } from "./payload.ts";
import { isPackageStep, packageCall, packageFunctions, type PackageStep } from "./package-steps.ts";
import { shellText } from "./shell.ts";

/** An absolute path on the host. */
type HostPath = string;

/**
 * The account a step runs as, where others than root may write to the folder around its path: what is planted or
 * swapped there then counts with that account's rights only. Root if absent.
 */
interface Guarded {
  as?: string;
}

export type Step =
  /** A folder with exactly this mode and owner; made if absent. */
  | ({ do: "folder"; path: HostPath; mode: string; owner: string; group: string } & Guarded)
  /** A folder of the system's that may be missing; one that is there is left as it is. */
  | { do: "ensure-folder"; path: HostPath }
  /** A whole file, atomically: never half written, never readable by more than its mode says. */
  | ({ do: "file"; path: HostPath; mode: string; owner: string; group: string } & FileContent)
  /** Mode and owner of a file whose contents are right. */
  | { do: "attributes"; path: HostPath; mode: string; owner: string; group: string }
  /** A symbolic link, atomically; what stands there must be a link or nothing. */
  | ({ do: "link"; path: HostPath; target: string } & Guarded)
  /** One rename of a file or folder, within a file system. The target must not exist. */
  | { do: "rename"; path: HostPath; to: HostPath }
  /** Moves whatever is at `path` out of the way, to a name in `keep` that nobody uses, so that nothing is lost. */
  | ({ do: "displace"; path: HostPath; keep: HostPath; name: string } & Guarded)
  /** Moves back what was displaced first, if anything was. */
  | ({ do: "restore"; path: HostPath; keep: HostPath; name: string } & Guarded)
  /** A file or link; nothing there is fine. */
  | ({ do: "remove"; path: HostPath } & Guarded)
  /** A folder of ours with all it holds. */
  | { do: "remove-tree"; path: HostPath }
  /** A folder, only if empty. */
  | ({ do: "remove-if-empty"; path: HostPath } & Guarded)
  /** The named files, and the folder with them, if it holds nothing else. */
  | { do: "remove-if-last"; folder: HostPath; names: string[] }
  /** The lock of this plan, and its folder if nothing else is in it. */
  | { do: "remove-lock"; path: HostPath }
  /** Fails unless a link points where it did when it was looked at; nowhere, if the target is empty. */
  | { do: "still"; path: HostPath; target: string }
  /** A line for `id` in a list that others write to as well, unless it has one: id, time, why, with tabs between. */
  | { do: "enlist"; path: HostPath; id: string; why: string }
  /** Takes the lines of these ids from such a list, and the list if nothing is left in it. */
  | { do: "delist"; path: HostPath; ids: string[] }
  /** Sets the time of change to now. */
  | { do: "touch"; path: HostPath }
  /** A system account with its group. */
  | { do: "add-account"; name: string; home: string; shell: string; comment: string; groups: string[] }
  | { do: "change-account"; name: string; home: string; shell: string; groups: string[] }
  | { do: "remove-account"; name: string }
  /** Runs a program in a folder, as an account; it must end with 0 within a minute. */
  | { do: "check"; folder: HostPath; argv: string[]; as: string }
  /** Runs a program that brings something of ours into what the account writes as well. */
  | { do: "merge"; argv: string[]; as: string }
  /** Runs a program that takes it out again, if the account has that program. That it fails is told, and stops nothing. */
  | { do: "withdraw"; argv: string[]; as: string }
  /** Remembers, until the next boot, that a unit runs on what was there before. */
  | { do: "mark-restart"; unit: string }
  /** Makes systemd read changed unit files. */
  | { do: "reload-units" }
  /** Starts a unit anew and waits until it is well; with `http`, until that URL answers 200. Takes the mark away. */
  | { do: "restart-unit"; unit: string; http?: string; deadline: number }
  /** Starts a unit anew without waiting for more than its start. */
  | { do: "start-over"; unit: string }
  | { do: "stop-unit"; unit: string }
  | HealthStep
  /** Behind `commit`, when `pending/` is in place: the host reverts the switch unless it is confirmed. See revert.ts. */
  | { do: "arm"; house: HostPath; timer: string; seconds: number }
  /** Counts the time until then from now. */
  | { do: "watch-for"; house: HostPath; seconds: number }
  /** Fails unless a release still waits for its confirmation; a failure of what follows reverts it at once. */
  | { do: "unconfirmed"; house: HostPath; release: string; kind?: "restore" }
  /** Confirms it. */
  | { do: "confirmed"; house: HostPath; timer: string }
  /** Clears up after a first switch that was cut before it put anything into force. */
  | { do: "forget-pending"; house: HostPath; timer: string }
  /** Takes the timer away that would revert a house. */
  | { do: "disarm"; timer: string }
  /** Sets the time of change of all cron files in a folder, by which cron notices them. */
  | { do: "touch-cron"; folder: HostPath }
  /**
   * Runs a program in the place of an account on the `bytes` of `input`, which is begun anew where the connection has to
   * be; what it made in `folder` goes if it fails.
   */
  | {
      do: "unpack";
      folder: HostPath;
      argv: string[];
      as: string;
      bytes: number;
      input: AsyncIterable<Buffer>;
      seconds: number;
    }
  /**
   * Two folders change places in one step, so that there is no moment without one of them. Which one was at `path` is
   * noted in `pending/` first, for the way back. `python` is root's own.
   */
  | { do: "exchange"; house: HostPath; path: HostPath; with: HostPath; python: HostPath }
  /** The way back of it, as often as one likes. */
  | { do: "exchange-back"; house: HostPath; path: HostPath; with: HostPath; python: HostPath }
  | PackageStep
  | HarnessStep
  /** Everything before is preparation that changes nothing an agent can see; everything after is the switch. */
  | { do: "commit" };

/** Waits until a unit is well and has been for a while; takes the mark of `mark-restart` away. */
export interface HealthStep {
  do: "healthy";
  unit: string;
  /** Seconds it gets. */
  deadline: number;
  /** Seconds its process must have run by then. */
  stableFor: number;
  /** URL that must answer 200. */
  http?: string;
  /** File with the pid of the unit's own process, written by `user`. */
  heartbeat?: HostPath;
  /** Account of the unit. */
  user?: string;
  /** Run as `user` with the unit's mounts and environment; must end with 0 within a minute. */
  probe?: string[];
}

/** Folder of the marks of `mark-restart`, one file a unit; it is gone after a boot, and so is their meaning. */
export const RESTART_MARKS = "/run/wizard-houses/restart";

export interface Plan {
  /** File that is locked while the plan is carried out; its folder is made if absent. */
  lock: HostPath;
  steps: Step[];
  /** Steps of a second script, which comes over a new connection when the first has succeeded. */
  confirm?: Step[];
  /** Seconds each script may take; what a usual plan takes if absent. */
  deadline?: number;
  /** Seconds the lock is waited for while another change has it; what a usual plan waits if absent. */
  patience?: number;
}

export interface Script {
  text: string;
  /** What follows the script on standard input: what its steps read, one after another. */
  payload: Piece[];
  /** Whether the script stops at a `commit` and waits. */
  commits: boolean;
}

/** What the script prints where it waits, and what it waits for. */
export const READY = "ready to commit";
export const GO = "go";
/** A line of a script in which a step has failed that stops no other; its words are on standard error. */
export const UNDONE = "left undone";
/** The script's last line when every step succeeded. */
export const DONE = "done";
/** Exit code of a script whose `merge` has failed; everything before it is done. */
export const UNMERGED = 85;
/** Exit code of a script that could not get the lock. */
const LOCKED = 73;
/** Seconds a change waits for another one on the same house, e.g. the deadman switch's. */
const LOCK_WAIT = 30;
/**
 * Seconds the host waits at a `commit` for a sender that may be cut off: less than {@link LOCK_WAIT}, so that who is back
 * on the network and tries again is not kept out by the run that was cut.
 */
const SILENCE = 20;

type Functions = "units" | "health" | "arm" | "restore";

/** Which shell functions a step needs, beyond those that every plan has. */
const NEEDS: Partial<Record<Step["do"], readonly Functions[]>> = {
  unpack: ["restore"],
  exchange: ["restore"],
  "exchange-back": ["restore"],
  "mark-restart": ["units"],
  "reload-units": ["units"],
  "restart-unit": ["units"],
  "start-over": ["units"],
  "stop-unit": ["units"],
  healthy: ["units", "health"],
  arm: ["arm"],
  "watch-for": ["arm"],
  unconfirmed: ["arm"],
  confirmed: ["arm"],
  "forget-pending": ["arm"],
  disarm: ["arm"],
  "touch-cron": ["arm"],
  "place-harness": ["units"],
};

/** The functions that the lines of steps call. */
export function stepFunctions(steps: Step[], vantage: Vantage, more: Functions[] = []): string[] {
  const real = (path: HostPath): string => shellQuote(vantage.prefix + path);
  const needed = new Set([...more, ...steps.flatMap((step) => NEEDS[step.do] ?? [])]);
  return [
    `owners=${vantage.owners ? "yes" : "no"} ready=${shellQuote(READY)} go=${shellQuote(GO)} undone=${shellQuote(UNDONE)}`,
    `etc=${real("/etc")}`,
    // As text too, because `as_user` hands it to a shell of another account.
    `things=${shellQuote(shellText("things"))}`,
    'eval "$things"',
    shellText("steps"),
    ...(needed.has("units") ? [`marks=${real(RESTART_MARKS)}`, shellText("units")] : []),
    ...(["health", "arm", "restore"] as const)
      .filter((name) => needed.has(name))
      .map((name) => shellText(name)),
    ...(steps.some(isPackageStep) ? packageFunctions() : []),
    ...(steps.some(isHarnessStep) ? harnessFunctions() : []),
    shellText(vantage.prefix === "" ? "accounts-live" : "accounts-folder"),
  ];
}

/** The call of a step's function. Every value in it goes through one quoting function. */
export function stepLine(step: Step, vantage: Vantage): string {
  const real = (path: HostPath): string => shellQuote(vantage.prefix + path);
  const owner = (one: { owner: string; group: string }): string => shellQuote(`${one.owner}:${one.group}`);
  const as = (one: Guarded): string =>
    one.as === undefined || !vantage.owners ? "" : `as_user ${shellQuote(one.as)} `;
  if (isPackageStep(step)) return packageCall(step);
  if (isHarnessStep(step)) return harnessCall(step);
  switch (step.do) {
    case "folder":
      return `${as(step)}folder ${real(step.path)} ${shellQuote(step.mode)} ${owner(step)}`;
    case "attributes":
      return `${step.do} ${real(step.path)} ${shellQuote(step.mode)} ${owner(step)}`;
    case "file":
      return `file ${real(step.path)} ${shellQuote(step.mode)} ${owner(step)} ${contentsOf(step).length}`;
    case "link":
      return `${as(step)}link ${real(step.path)} ${shellQuote(step.target)}`;
    case "rename":
      return `mv -T -- ${real(step.path)} ${real(step.to)}`;
    case "displace":
    case "restore":
      return `${as(step)}${step.do} ${real(step.path)} ${real(step.keep)} ${shellQuote(step.name)}`;
    case "remove":
      return `${as(step)}remove ${real(step.path)}`;
    case "remove-tree":
      return `rm -rf --one-file-system -- ${real(step.path)}`;
    case "remove-if-empty":
      return `${as(step)}remove_if_empty ${real(step.path)}`;
    case "ensure-folder":
      return `(umask 022; mkdir -p -- ${real(step.path)})`;
    case "remove-if-last":
      return `remove_if_last ${real(step.folder)} ${step.names.map(shellQuote).join(" ")}`;
    case "remove-lock":
      return `remove_lock ${real(step.path)}`;
    case "still":
      return `still ${real(step.path)} ${shellQuote(step.target)}`;
    case "delist":
      return `delist ${real(step.path)} ${step.ids.map(shellQuote).join(" ")}`;
    case "enlist":
      return `enlist ${real(step.path)} ${shellQuote(step.id)} ${shellQuote(step.why)}`;
    case "touch":
      return `touch -c -- ${real(step.path)}`;
    case "add-account":
      return `add_account ${[step.name, step.home, step.shell, step.comment, step.groups.join(",")].map(shellQuote).join(" ")}`;
    case "change-account":
      return `change_account ${[step.name, step.home, step.shell, step.groups.join(",")].map(shellQuote).join(" ")}`;
    case "remove-account":
      return `remove_account ${shellQuote(step.name)}`;
    case "check":
      return `check ${shellQuote(step.as)} ${real(step.folder)} ${step.argv.map(shellQuote).join(" ")}`;
    case "merge":
    case "withdraw":
      return `${step.do} ${shellQuote(step.as)} ${step.argv.map(shellQuote).join(" ")}`;
    case "mark-restart":
      return `mark_restart ${shellQuote(step.unit)}`;
    case "reload-units":
      return "reload_units";
    case "restart-unit":
      return `restart_unit ${shellQuote(step.unit)} ${step.deadline} ${shellQuote(step.http ?? "")}`;
    case "stop-unit":
      return `stop_unit ${shellQuote(step.unit)}`;
    case "commit":
      return `commit ${SILENCE}`;
    case "start-over":
      return `start_over ${shellQuote(step.unit)}`;
    case "healthy":
      return `healthy ${healthArguments(step).map(shellQuote).join(" ")}`;
    case "arm":
      return `arm ${real(step.house)} ${shellQuote(step.timer)} ${step.seconds}`;
    case "watch-for":
      return `watch_for ${real(step.house)} ${step.seconds}`;
    case "unconfirmed":
      return `unconfirmed ${real(step.house)} ${shellQuote(step.release)}${step.kind === undefined ? "" : ` ${step.kind}`}`;
    case "confirmed":
      return `confirmed ${real(step.house)} ${shellQuote(step.timer)}`;
    case "forget-pending":
      return `forget_pending ${real(step.house)} ${shellQuote(step.timer)}`;
    case "disarm":
      return `disarm ${shellQuote(step.timer)}`;
    case "touch-cron":
      return `touch_cron ${real(step.folder)}`;
    case "unpack":
      return `unpack ${real(step.folder)} ${step.bytes} ${step.seconds} ${shellQuote(step.as)} ${step.argv.map(shellQuote).join(" ")}`;
    case "exchange":
    case "exchange-back":
      return `${step.do.replace("-", "_")} ${real(step.house)} ${real(step.path)} ${real(step.with)} ${shellQuote(step.python)}`;
  }
}

const healthArguments = (step: HealthStep): string[] => [
  step.unit,
  String(step.deadline),
  String(step.stableFor),
  step.http ?? "",
  step.heartbeat ?? "",
  step.user ?? "",
  ...(step.probe ?? []),
];

/** @throws Conflict where a file of the project is not what it was any more */
function contentsOf(file: FileContent): Buffer {
  try {
    return bytesOf(file);
  } catch (error) {
    if (!(error instanceof ProjectFileChanged)) throw error;
    throw new Conflict(`${error.message}. Nothing was changed`);
  }
}

/**
 * The script that carries out steps under a plan's lock.
 *
 * @throws Conflict where a file of the project that is to be sent is not what it was when the program ran
 */
export function planScript(
  { lock, steps, patience = LOCK_WAIT }: Pick<Plan, "lock" | "steps" | "patience">,
  vantage: Vantage,
): Script {
  const real = (path: HostPath): string => shellQuote(vantage.prefix + path);
  const payload = steps.flatMap((step): Piece[] => {
    if (step.do === "file") return [contentsOf(step)];
    if (step.do === "unpack") return [step.input];
    return isHarnessStep(step) ? harnessPayload(step) : [];
  });
  const text = [
    ...stepFunctions(steps, vantage),
    `(umask 022; mkdir -p -- ${real(lock.slice(0, lock.lastIndexOf("/")))})`,
    `take_lock ${real(lock)} ${patience} ${LOCKED}`,
    ...steps.map((step) => stepLine(step, vantage)),
    `echo ${DONE}`,
  ].join("\n");
  return { text, payload, commits: steps.some((step) => step.do === "commit") };
}
