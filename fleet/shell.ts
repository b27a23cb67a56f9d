/** Quoting for the shell. Every word that reaches one goes through here. */

/**
 * One word for a POSIX shell, in single quotes. It is always quoted, so that the result does not depend on a list of
 * harmless characters. Throws on NUL, which no argument can hold.
 */
export function shellQuote(word: string): string {
  if (word.includes("\0")) throw new Error("A word for the shell cannot hold a NUL character");
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
