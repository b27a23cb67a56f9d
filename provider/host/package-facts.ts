/** Which packages are on a host, and which of them are ours: the question to dpkg, and the parser of its answer. */
import { PACKAGE_NAME } from "../../fleet/packages.ts";
import { shellQuote } from "../../fleet/shell.ts";
import { CannotLook } from "../errors.ts";
import { shellText } from "./shell.ts";

/**
 * The host's own record of what this program did to its packages. Root's; read here, written by packages.sh. No house
 * can have this name, whose deadman switch keeps a folder beside it.
 */
export const PACKAGE_RECORD = "/var/lib/wizard-houses/packages.list";

/** Who a package of ours is recorded for. */
export const CLAIMANT = {
  expression: /^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$/,
  words: "letters, digits and . _ / -, e.g. wizard-houses/prod",
};

export type PackageFact =
  | { kind: "absent" }
  /** `status` is `installed`, or where a dpkg was cut off in the middle how far it got, e.g. `half-configured`. */
  | { kind: "present"; version: string; held: boolean; status: string };

/** A line of the record. */
export type PackageNote =
  /** It was not there, or not on hold, before this program came; `by` wants it to be. */
  | { what: "installed" | "held"; name: string; by: string }
  /** It came along with one of ours. */
  | { what: "dependency"; name: string };

export type PackageFacts =
  | { readable: true; found: Map<string, PackageFact>; notes: PackageNote[] }
  | { readable: false; reason: string };

/** Stands before the answer to {@link packageScript}. */
export const PACKAGES_MARK = "packages";

/** The part of a facts script that asks for packages. */
export function packageScript(names: string[]): string {
  return `set -- ${names.map(shellQuote).join(" ")}\nrecord=${shellQuote(PACKAGE_RECORD)}\n${shellText("look-packages")}`;
}

const NO_DPKG = "127";
/** Stands for a record that is there and is no readable file. */
const NO_FILE = "?";
/** Bytes of the record that are read; a host has tens of packages of ours. */
const MAX_RECORD = 65_536;
const LINE =
  /^(\S{2,100}) ([a-z0-9-]{2,30}) (unknown|install|hold|deinstall|purge) (not-installed|config-files|half-installed|unpacked|half-configured|triggers-awaited|triggers-pending|installed) ([A-Za-z0-9.+~:-]{0,210})$/;
/** Nothing is there but what a removal leaves in /etc. */
const GONE = ["not-installed", "config-files"];
/** Waiting for another package's trigger is part of everyday life. */
const WHOLE = ["installed", "triggers-awaited", "triggers-pending"];

/**
 * Reads the answer behind the mark. What is wrong with it makes packages unreadable and no more: everything else on
 * the host can still be told.
 *
 * @param next takes the next field of the answer
 */
export function parsePackages(names: string[], next: () => string): PackageFacts {
  const answer: Answer = { code: next(), listed: next(), recorded: next() };
  try {
    return { readable: true, found: parseListed(names, answer), notes: parseRecord(answer.recorded) };
  } catch (error) {
    if (error instanceof CannotLook) return { readable: false, reason: error.message };
    throw error;
  }
}

interface Answer {
  /** Exit code of dpkg-query. */
  code: string;
  /** What it said about these packages, and about dpkg itself, whose architecture is the host's own. */
  listed: string;
  recorded: string;
}

function parseListed(names: string[], { code, listed }: Answer): Map<string, PackageFact> {
  if (code === NO_DPKG)
    throw new CannotLook("there is no dpkg: packages are looked after on Debian hosts only");
  // 1 says that dpkg does not know some of them.
  if (code !== "0" && code !== "1") throw new CannotLook("dpkg-query cannot read dpkg's database there");
  const found = new Map<string, PackageFact>(names.map((name) => [name, { kind: "absent" }]));
  const native = /^dpkg ([a-z0-9-]+) /m.exec(listed)?.[1];
  if (native === undefined) throw notUnderstood();
  for (const line of lines(listed)) {
    const match = LINE.exec(line);
    const name = match?.[1] ?? "";
    if (name === "dpkg" && !found.has(name)) continue;
    if (!match || !found.has(name)) throw notUnderstood();
    const [, , architecture, want, status, version] = match as unknown as string[];
    // Of another architecture it is another package: what is wanted is always the host's own.
    if ((architecture !== native && architecture !== "all") || GONE.includes(status!)) continue;
    found.set(name, {
      kind: "present",
      version: version!,
      held: want === "hold",
      status: WHOLE.includes(status!) ? "installed" : status!,
    });
  }
  return found;
}

function parseRecord(text: string): PackageNote[] {
  if (text === NO_FILE) throw new CannotLook(`${PACKAGE_RECORD} is no file that can be read`);
  if (Buffer.byteLength(text) > MAX_RECORD)
    throw new CannotLook(`${PACKAGE_RECORD} is larger than anything this program wrote`);
  return lines(text).map((line) => {
    const [what, name = "", by, ...rest] = line.split(" ");
    if (PACKAGE_NAME.expression.test(name) && rest.length === 0) {
      if (what === "dependency" && by === undefined) return { what, name };
      const claim = what === "installed" || what === "held";
      if (claim && by !== undefined && CLAIMANT.expression.test(by)) return { what, name, by };
    }
    throw new CannotLook(`${PACKAGE_RECORD} has a line that this program did not write`);
  });
}

const notUnderstood = (): CannotLook => new CannotLook("the answer of dpkg-query is not understood");
const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");
