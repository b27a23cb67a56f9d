/** The words of a command that has options of its own. */
import path from "node:path";

import { UsageError } from "./arguments.ts";

export interface Words {
  /** What is no option, in order. */
  names: string[];
  /** Values by option; the empty text for those without one. */
  options: Record<string, string>;
}

/**
 * Reads `--name value`, `--name=value` and `--flag`. Throws a {@link UsageError} that ends with `usage`.
 *
 * @param known by option, whether it has a value
 */
export function readWords(
  words: readonly string[],
  known: Readonly<Record<string, boolean>>,
  usage: string,
  command = "this command",
): Words {
  const read: Words = { names: [], options: {} };
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    if (!word.startsWith("-")) {
      read.names.push(word);
      continue;
    }
    const [option = "", ...rest] = word.split("=");
    const hasValue = known[option];
    if (hasValue === undefined) throw new UsageError(`${option} is no option of ${command}; ${usage}`);
    const value = rest.length > 0 ? rest.join("=") : hasValue ? words[++at] : "";
    if (hasValue ? value === undefined || value === "" : rest.length > 0)
      throw new UsageError(`${option} ${hasValue ? "needs a value" : "has no value"}; ${usage}`);
    read.options[option] = value ?? "";
  }
  return read;
}

/** An absolute path for one that is relative to where npm was called, and not to the checkout. */
export const asGiven = (file: string): string => path.resolve(process.env["INIT_CWD"] ?? ".", file);

/** A whole number from 1. Throws a {@link UsageError}. */
export function wholeNumber(option: string, value: string, most: number): number {
  if (/^[1-9]\d{0,8}$/.test(value) && Number(value) <= most) return Number(value);
  throw new UsageError(`${option} is ${JSON.stringify(value)}; allowed is a whole number from 1 to ${most}`);
}
