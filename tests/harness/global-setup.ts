/** Installs the harness before the first test: files that run at a time would each begin to. */
import { HARNESS_VERSION, harnessPython, OLD_HARNESS_VERSION } from "./venv.ts";

export function setup(): void {
  for (const version of [HARNESS_VERSION, OLD_HARNESS_VERSION]) harnessPython(version);
}
