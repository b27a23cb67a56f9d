/** The shell that runs on hosts stands in files of its own, where it can be read and checked as what it is. */
import { readFileSync } from "node:fs";

type ShellFile =
  | "classify"
  | "loop"
  | "look-packages"
  | "packages"
  | "look-harness"
  | "harness"
  | "build-harness"
  | "things"
  | "steps"
  | "units"
  | "health"
  | "arm"
  | "revert"
  | "restore"
  | "accounts-live"
  | "accounts-folder";

const texts = new Map<ShellFile, string>();

/** Text of `provider/host/shell/<name>.sh`, read once. */
export function shellText(name: ShellFile): string {
  let text = texts.get(name);
  if (text === undefined) {
    text = readFileSync(new URL(`./shell/${name}.sh`, import.meta.url), "utf8");
    texts.set(name, text);
  }
  return text;
}
