/**
 * The lock of a harness: every package of its virtualenv with its exact version and the hashes of its wheels, as pip's own
 * requirements file. What is installed follows from its text alone, so the text names the place on a host as well. Pure.
 */
import { createHash } from "node:crypto";

/** Folder of all harnesses that this program installs on a host. */
export const HARNESS_ROOT = "/opt/hermes";

/** The distribution that is the harness. */
export const HARNESS_PACKAGE = "hermes-agent";

/** The Python that the locks are made for: the one of Debian 12. */
export const HARNESS_PYTHON = "3.11";

/** Name of a harness's folder: the version, then the beginning of its lock's SHA-256. */
export const HARNESS_ID = /^\d+\.\d+\.\d+-[0-9a-f]{12}$/;

/** The name of a lock that nothing else is said about. Example: `hermes-agent-0.19.0.lock`. */
export const lockName = (version: string): string => `${HARNESS_PACKAGE}-${version}.lock`;

/** Example: `0.19.0-52f1c0ffee00`. */
export const harnessId = (version: string, lock: string): string =>
  `${version}-${createHash("sha256").update(lock, "utf8").digest("hex").slice(0, 12)}`;

/** Where the virtualenv is on a host. */
export const harnessFolder = (version: string, lock: string): string =>
  `${HARNESS_ROOT}/${harnessId(version, lock)}`;

/** A package of the lock. */
export interface Locked {
  /** As package indexes compare names: lower case, `-` between words. */
  name: string;
  version: string;
  /** SHA-256 of each wheel that may be installed, one per platform. */
  hashes: string[];
}

export interface LockProblem {
  /** Counted from 1; absent where it is about the whole file. */
  line?: number;
  message: string;
  value?: string;
  allowed: string;
}

const PIN = /^([A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?)==([0-9][A-Za-z0-9.+!]{0,63}) \\$/;
const HASH = /^ {4}--hash=sha256:([0-9a-f]{64})( \\)?$/;
const SHAPE =
  "`name==version \\`, and below it a line `    --hash=sha256:…` for each wheel, all but the last ending in ` \\`";

/** A name as package indexes compare names. */
export const normalName = (name: string): string => name.toLowerCase().replaceAll(/[-_.]+/g, "-");

/**
 * Reads a lock. Only pins with hashes, comments and empty lines are taken: an option such as `--index-url`, a URL or a pin
 * without a hash would install something that the file does not name.
 */
export function parseLock(text: string, version: string): { packages: Locked[]; problems: LockProblem[] } {
  const packages: Locked[] = [];
  const problems: LockProblem[] = [];
  /** The package whose hashes are being read. */
  let open: Locked | undefined;
  text.split("\n").forEach((content, index) => {
    const bad = (message: string): void =>
      void problems.push({ line: index + 1, message, value: content.slice(0, 200), allowed: SHAPE });
    const hash = HASH.exec(content);
    if (open !== undefined) {
      if (!hash) bad("is no hash");
      else open.hashes.push(hash[1]!);
      if (!hash?.[2]) open = undefined;
      return;
    }
    if (content === "" || content.startsWith("#")) return;
    const pin = PIN.exec(content);
    if (!pin) return bad("is no pin with hashes");
    open = { name: normalName(pin[1]!), version: pin[2]!, hashes: [] };
    if (packages.some(({ name }) => name === open?.name)) bad("pins a package twice");
    packages.push(open);
  });
  if (open !== undefined) problems.push({ message: "ends in the middle of a package", allowed: SHAPE });
  const harness = packages.find(({ name }) => name === HARNESS_PACKAGE);
  if (harness?.version !== version) {
    problems.push({
      message: harness ? `pins another ${HARNESS_PACKAGE}` : `does not pin ${HARNESS_PACKAGE}`,
      ...(harness && { value: harness.version }),
      allowed: `${HARNESS_PACKAGE}==${version}`,
    });
  }
  return { packages, problems };
}
