/** Names and versions of Debian packages, as the Debian Policy Manual allows them. */

/** Without a `-` at the end: to apt-get `curl-` means that curl goes. */
export const PACKAGE_NAME = {
  expression: /^[a-z0-9][a-z0-9+.-]{0,98}[a-z0-9+.]$/,
  words: "the name of a Debian package: lower-case letters, digits and + - . , at least two characters",
};

export const PACKAGE_VERSION = {
  expression: /^(?:\d{1,9}:)?\d[A-Za-z0-9.+~-]{0,199}$/,
  words: 'the exact version of a Debian package, e.g. "7.88.1-10+deb12u8"',
};
