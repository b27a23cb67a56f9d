/**
 * What is on a host: a request for facts, the read-only shell script that answers it, and the parser of its answer.
 *
 * The script starts three processes however many paths it is asked about (stat, readlink, sha256sum), plus one per entry of a
 * listed folder. It needs a POSIX shell and coreutils, and changes nothing.
 */
import { shellQuote } from "../../fleet/shell.ts";
import { CannotLook } from "../errors.ts";
import { harnessScript, HARNESSES_MARK, parseHarnesses, type HarnessesFacts } from "./harness-facts.ts";
import { packageScript, PACKAGES_MARK, parsePackages, type PackageFacts } from "./package-facts.ts";
import { shellText } from "./shell.ts";

/** Absent and unreadable are different results: only a proven absence may be treated as "gone". */
export type Fact =
  | { kind: "absent" }
  | { kind: "unreadable"; reason: string }
  | { kind: "file"; mode: string; owner: string; group: string; size: number; sha256: string }
  | { kind: "link"; target: string }
  | { kind: "directory"; mode: string; owner: string; group: string }
  | { kind: "other"; what: string };

export interface Account {
  uid: number;
  gid: number;
  comment: string;
  home: string;
  shell: string;
}

/** A systemd unit as the running systemd sees it. */
export interface UnitState {
  /** `loaded`, `not-found`, `masked`, … */
  load: string;
  /** `active`, `inactive`, `failed`, `activating`, … */
  active: string;
  /** `running`, `dead`, `auto-restart`, … */
  sub: string;
  /** `success`, `exit-code`, …; empty for units that have none, such as targets. */
  result: string;
  /** Whether files on disk are newer than what systemd has read. */
  stale: boolean;
  /** Files by which an administrator changes what this one unit says, absolute paths. */
  dropIns: string[];
}

/** Has a minute; what it says is cut at 64 KiB. */
export interface Question {
  user: string;
  argv: string[];
}

/** What a {@link Question} is known by among the facts. */
export const questionKey = ({ user, argv }: Question): string => [user, ...argv].join(" ");

export interface FactRequest {
  /** Absolute paths on the host. Regular files are read for their digest. */
  paths: string[];
  /**
   * Absolute paths where a link or a folder is expected, perhaps in a folder that an agent may write to. Nothing there
   * is opened, so that a pipe, a device or an endless file in its place costs nothing: a regular file is told as
   * `other`. Below something that is no folder they are absent.
   */
  unopened: string[];
  /** Systemd units. Not looked at in a folder that stands for a host. */
  units: string[];
  /** Folders whose entries are wanted; an absent folder has none. */
  folders: string[];
  /** Short files whose words are wanted, in folders that only root may write to. */
  texts: string[];
  /** Programs that only look, each run as an account that is not trusted. Not run in a folder that stands for a host. */
  questions: Question[];
  /** Account names to look up. */
  accounts: string[];
  /** Debian packages, by name. Not looked at in a folder that stands for a host. */
  packages: string[];
  /** Harnesses that this program installs, by id. Not looked at in a folder that stands for a host. */
  harnesses: string[];
}

export interface FolderEntry {
  name: string;
  /** Seconds since the epoch. */
  modified: number;
}

export interface Facts {
  paths: Map<string, Fact>;
  folders: Map<string, FolderEntry[]>;
  /** The last 8 KiB of each, without its last line break; `undefined` in the map means: no such file. */
  texts: Map<string, string | undefined>;
  /** By {@link questionKey}: standard output of those that ended with 0, else `undefined`. Empty where none was run. */
  answers: Map<string, string | undefined>;
  /** `undefined` in the map means: proven not there. */
  accounts: Map<string, Account | undefined>;
  /** Empty where nothing runs: in a folder that stands for a host. */
  units: Map<string, UnitState>;
  /** `undefined` where nothing was asked for, or nothing is installed: in a folder that stands for a host. */
  packages: PackageFacts | undefined;
  /** The same. */
  harnesses: HarnessesFacts | undefined;
}

export const noFacts: FactRequest = {
  paths: [],
  unopened: [],
  units: [],
  folders: [],
  texts: [],
  questions: [],
  accounts: [],
  packages: [],
  harnesses: [],
};

/** One request that asks for everything several requests ask for. */
export function mergeRequests(requests: FactRequest[]): FactRequest {
  return {
    paths: [...new Set(requests.flatMap((r) => r.paths))],
    unopened: [...new Set(requests.flatMap((r) => r.unopened))],
    units: [...new Set(requests.flatMap((r) => r.units))],
    folders: [...new Set(requests.flatMap((r) => r.folders))],
    texts: [...new Set(requests.flatMap((r) => r.texts))],
    questions: [
      ...new Map(requests.flatMap((r) => r.questions).map((one) => [questionKey(one), one])).values(),
    ],
    accounts: [...new Set(requests.flatMap((r) => r.accounts))],
    packages: [...new Set(requests.flatMap((r) => r.packages))],
    harnesses: [...new Set(requests.flatMap((r) => r.harnesses))],
  };
}

/** Where the host's root is on the machine that runs the script, and whether owners can be seen there. */
export interface Vantage {
  /** Folder that stands for the host's `/`; empty on a real host. */
  prefix: string;
  /** False where owners cannot be set either (a folder of this machine): what is wanted is then taken as given. */
  owners: boolean;
}

/** Stands in {@link Fact} for an owner that this vantage cannot see. */
export const UNSEEN_OWNER = "";

const unopenedOnly = (request: FactRequest): string[] =>
  request.unopened.filter((path) => !request.paths.includes(path));
const looksAtUnits = (request: FactRequest, vantage: Vantage): boolean =>
  request.units.length > 0 && vantage.prefix === "";
const looksAtPackages = (request: FactRequest, vantage: Vantage): boolean =>
  request.packages.length > 0 && vantage.prefix === "";
const looksAtHarnesses = (request: FactRequest, vantage: Vantage): boolean =>
  request.harnesses.length > 0 && vantage.prefix === "";

/** The script that answers a request; its standard output is what {@link parseFacts} reads. */
export function factScript(request: FactRequest, vantage: Vantage): string {
  const real = (path: string): string => shellQuote(vantage.prefix + path);
  const lines = [
    "LC_ALL=C; export LC_ALL",
    `hashed=${request.paths.length}`,
    `set -- ${[...request.paths, ...unopenedOnly(request)].map(real).join(" ")}`,
    shellText("classify"),
  ];
  for (const folder of request.folders) {
    lines.push(
      `printf 'folder\\0%s\\0' ${real(folder)}; if [ -d ${real(folder)} ]; then cd ${real(folder)} && ` +
        `for e in * .[!.]*; do if [ -e "$e" ] || [ -L "$e" ]; then stat --printf '%Y %n\\0' -- "$e"; fi; done; cd /; fi`,
    );
  }
  for (const text of request.texts) {
    lines.push(
      `printf 'text\\0%s\\0' ${real(text)}; if [ -f ${real(text)} ] && [ ! -L ${real(text)} ]; then printf 'present\\0'; ` +
        `tail -c ${TEXT_BYTES} -- ${real(text)} | tr -d '\\0'; else printf 'absent\\0'; fi; printf '\\0'`,
    );
  }
  if (vantage.prefix === "") {
    for (const { user, argv } of request.questions) {
      const key = shellQuote(questionKey({ user, argv }));
      const as = `--reuid=${shellQuote(user)} --regid=${shellQuote(user)} --clear-groups --no-new-privs --reset-env`;
      lines.push(
        `printf 'answer\\0%s\\0' ${key}; said=$(timeout -k 2 60 setpriv ${as} ${argv.map(shellQuote).join(" ")} ` +
          `</dev/null 2>/dev/null) && c=0 || c=$?; printf '%s\\0%.${ANSWER_BYTES}s\\0' "$c" "$said"`,
      );
    }
  }
  for (const account of request.accounts) {
    const name = shellQuote(account);
    lines.push(
      `printf 'account\\0%s\\0' ${name}`,
      vantage.prefix === ""
        ? `getent passwd ${name} | tr '\\n' '\\0'`
        : `if [ -f ${real("/etc/passwd")} ]; then while IFS= read -r l || [ -n "$l" ]; do case $l in ${name}:*) printf '%s\\0' "$l"; break;; esac; done <${real("/etc/passwd")}; fi`,
    );
  }
  if (looksAtUnits(request, vantage)) {
    lines.push(
      "printf 'units\\0'",
      `systemctl show --property=LoadState,ActiveState,SubState,Result,NeedDaemonReload,DropInPaths -- ${request.units.map(shellQuote).join(" ")} || :`,
      "printf '\\0'",
    );
  }
  if (looksAtPackages(request, vantage)) lines.push(packageScript(request.packages));
  if (looksAtHarnesses(request, vantage)) lines.push(harnessScript(request.harnesses));
  lines.push("printf 'end\\0'");
  return lines.join("\n");
}

/** More than this of a text is nobody's words. */
const TEXT_BYTES = 8192;
const ANSWER_BYTES = 65_536;

const KINDS: Record<number, string> = {
  0o01: "a named pipe",
  0o02: "a character device",
  0o06: "a block device",
  0o14: "a socket",
};

interface Stat {
  type: number;
  mode: string;
  owner: string;
  group: string;
  size: number;
}

function parseStat(text: string, vantage: Vantage): Stat {
  const match = /^([0-9a-f]{1,8}) (\S+) (\S+) (\d+)$/.exec(text);
  if (!match) throw new CannotLook(`the host's answer is not understood (stat ${printable(text)})`);
  const bits = parseInt(match[1]!, 16);
  return {
    type: bits >> 12,
    mode: (bits & 0o7777).toString(8).padStart(4, "0"),
    owner: vantage.owners ? match[2]! : UNSEEN_OWNER,
    group: vantage.owners ? match[3]! : UNSEEN_OWNER,
    size: Number(match[4]),
  };
}

/** Text of a host made safe for a terminal or a log: control characters escaped, length bounded. */
export function printable(text: string, limit = 200): string {
  const escaped = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (c) => {
    return `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
  return escaped.length > limit ? `${escaped.slice(0, limit)}…` : escaped;
}

function parseAccount(line: string): Account {
  const fields = line.split(":");
  const [, , uid, gid, comment, home, shell] = fields;
  if (fields.length !== 7 || !/^\d+$/.test(uid!) || !/^\d+$/.test(gid!)) {
    throw new CannotLook(`the host's passwd entry is not understood: ${printable(line)}`);
  }
  return { uid: Number(uid), gid: Number(gid), comment: comment!, home: home!, shell: shell! };
}

/** The marks behind the digests; a digest's record starts with 64 hex digits and so is never taken for one. */
const isSection = (field: string): boolean =>
  ["folder", "text", "answer", "account", "units", PACKAGES_MARK, HARNESSES_MARK, "end"].includes(field);

/**
 * Reads the answer to {@link factScript}. What a host says is hostile input: anything unexpected is an error.
 *
 * @throws CannotLook when the answer is cut off or malformed
 */
export function parseFacts(request: FactRequest, vantage: Vantage, answer: Buffer): Facts {
  const fields = answer.toString("utf8").split("\0");
  if (fields.pop() !== "" || fields.at(-1) !== "end") throw new CannotLook("the host's answer was cut off");
  let at = 0;
  const next = (): string => {
    const field = fields[at++];
    if (field === undefined) throw new CannotLook("the host's answer was cut off");
    return field;
  };
  const asked = new Set([...request.paths, ...request.unopened]);
  const hostPath = (real: string): string => {
    const path = real.startsWith(vantage.prefix) ? real.slice(vantage.prefix.length) : real;
    if (!asked.has(path))
      throw new CannotLook(`the host's answer names ${printable(real)}, which was not asked for`);
    return path;
  };

  const paths = new Map<string, Fact>();
  for (let field = next(); field !== "stat"; field = next()) {
    const path = hostPath(next());
    paths.set(
      path,
      field === "absent"
        ? { kind: "absent" }
        : { kind: "unreadable", reason: printable(field.slice("unreadable ".length)) },
    );
  }
  const stats = new Map<string, Stat>();
  for (let field = next(); field !== "links"; field = next())
    stats.set(hostPath(next()), parseStat(field, vantage));
  const links: string[] = [];
  let field = next();
  for (; field !== "targets" && field !== "digests"; field = next()) links.push(hostPath(field));
  if (field === "targets") {
    const targets: string[] = [];
    for (field = next(); targets.length < links.length; field = next()) targets.push(field);
    links.forEach((path, index) => paths.set(path, { kind: "link", target: targets[index]! }));
  }
  const digests = new Map<string, string>();
  for (field = next(); !isSection(field); field = next()) {
    const match = /^([0-9a-f]{64}) [ *]([^]*)$/.exec(field);
    if (!match) throw new CannotLook(`the host's answer is not understood (digest ${printable(field)})`);
    digests.set(hostPath(match[2]!), match[1]!);
  }
  const folders = new Map<string, FolderEntry[]>();
  const accounts = new Map<string, Account | undefined>();
  while (field === "folder") {
    const entries: FolderEntry[] = [];
    folders.set(next().slice(vantage.prefix.length), entries);
    for (field = next(); /^\d+ /.test(field); field = next()) {
      const space = field.indexOf(" ");
      entries.push({ name: field.slice(space + 1), modified: Number(field.slice(0, space)) });
    }
  }
  const texts = new Map<string, string | undefined>();
  while (field === "text") {
    const path = next().slice(vantage.prefix.length);
    const present = next() === "present";
    const text = next();
    texts.set(path, present ? text.replace(/\n$/, "") : undefined);
    field = next();
  }
  const answers = new Map<string, string | undefined>();
  while (field === "answer") {
    const [key, code, said] = [next(), next(), next()];
    answers.set(key, code === "0" ? said : undefined);
    field = next();
  }
  while (field === "account") {
    const name = next();
    field = next();
    const found = field.startsWith(`${name}:`);
    accounts.set(name, found ? parseAccount(field) : undefined);
    if (found) field = next();
  }
  const units = new Map<string, UnitState>();
  if (field === "units" && looksAtUnits(request, vantage)) {
    parseUnits(next(), request.units, units);
    field = next();
  }
  let packages: PackageFacts | undefined;
  if (field === PACKAGES_MARK && looksAtPackages(request, vantage)) {
    packages = parsePackages(request.packages, next);
    field = next();
  }
  let harnesses: HarnessesFacts | undefined;
  if (field === HARNESSES_MARK && looksAtHarnesses(request, vantage)) {
    harnesses = parseHarnesses(request.harnesses, printable, next);
    field = next();
  }
  if (field !== "end" || at !== fields.length) {
    throw new CannotLook(`the host's answer is not understood near ${printable(field)}`);
  }

  for (const path of request.paths) {
    if (!paths.has(path)) paths.set(path, fromStat(stats.get(path), digests.get(path)));
  }
  for (const path of unopenedOnly(request)) {
    if (!paths.has(path)) paths.set(path, fromUnopenedStat(stats.get(path)));
  }
  return { paths, folders, texts, answers, accounts, units, packages, harnesses };
}

/** Drop-ins of the distribution's, or for all units of a kind, are not one unit's own. */
function isOwnDropIn(path: string, unit: string): boolean {
  const match = /^\/(?:etc|run)\/systemd\/system(?:\.control)?\/([^/]+)\.d\/[A-Za-z0-9:_.@-]+\.conf$/.exec(
    path,
  );
  return match?.[1] === unit;
}

/** Reads the blocks of `systemctl show`, which come in the order of the question. */
function parseUnits(text: string, asked: string[], units: Map<string, UnitState>): void {
  if (text.trim() === "") throw new CannotLook("systemd does not answer there");
  const blocks = text.trim().split(/\n\n+/);
  if (blocks.length !== asked.length) throw new CannotLook("the host's answer about its units is cut off");
  blocks.forEach((block, index) => {
    const properties = new Map(
      block.split("\n").map((line) => {
        const equals = line.indexOf("=");
        return [line.slice(0, equals), printable(line.slice(equals + 1))] as const;
      }),
    );
    const of = (name: string): string => {
      const value = properties.get(name);
      if (value === undefined) throw new CannotLook(`the host's answer about a unit lacks ${name}`);
      return value;
    };
    units.set(asked[index]!, {
      load: of("LoadState"),
      active: of("ActiveState"),
      sub: of("SubState"),
      result: properties.get("Result") ?? "",
      stale: of("NeedDaemonReload") === "yes",
      dropIns: of("DropInPaths")
        .split(" ")
        .filter((path) => isOwnDropIn(path, asked[index]!)),
    });
  });
}

function fromStat(stat: Stat | undefined, sha256: string | undefined): Fact {
  // It was there when the shell looked and is gone for stat: somebody is changing things under our eyes.
  if (!stat) return { kind: "unreadable", reason: "it changed while it was being looked at" };
  const { mode, owner, group } = stat;
  if (stat.type === 0o04) return { kind: "directory", mode, owner, group };
  if (stat.type !== 0o10) return { kind: "other", what: KINDS[stat.type] ?? "of an unknown kind" };
  if (sha256 === undefined) return { kind: "unreadable", reason: "no permission to read it" };
  return { kind: "file", mode, owner, group, size: stat.size, sha256 };
}

/** As {@link fromStat} where nothing was opened. */
function fromUnopenedStat(stat: Stat | undefined): Fact {
  if (stat?.type === 0o10) return { kind: "other", what: "a plain file" };
  return fromStat(stat, undefined);
}

/** The fact about a path that was asked for. */
export function factOf(facts: Facts, path: string): Fact {
  const fact = facts.paths.get(path);
  if (!fact) throw new Error(`no fact was asked for about ${path}`);
  return fact;
}
