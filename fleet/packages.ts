/** Debian packages: their names and versions, as the Debian Policy Manual allows them, and lists laid over one another. */
import type { PackageSpec } from "./model.ts";

/** Without a `-` at the end: to apt-get `curl-` means that curl goes. */
export const PACKAGE_NAME = {
  expression: /^[a-z0-9][a-z0-9+.-]{0,98}[a-z0-9+.]$/,
  words: "the name of a Debian package: lower-case letters, digits and + - . , at least two characters",
};

export const PACKAGE_VERSION = {
  expression: /^(?:\d{1,9}:)?\d[A-Za-z0-9.+~-]{0,199}$/,
  words: 'the exact version of a Debian package, e.g. "7.88.1-10+deb12u8"',
};

type Said = Record<string, { version?: string | undefined; held?: boolean | undefined }>;

/** Lists of packages laid over one another, key by key: what a later one leaves out stays as it was. */
export function mergePackages(...lists: readonly Said[]): Record<string, PackageSpec> {
  const merged: Record<string, PackageSpec> = {};
  for (const [name, { version, held }] of lists.flatMap((list) => Object.entries(list))) {
    const before = merged[name] ?? { held: false };
    merged[name] = {
      ...before,
      ...(version !== undefined && { version }),
      ...(held !== undefined && { held }),
    };
  }
  return merged;
}
