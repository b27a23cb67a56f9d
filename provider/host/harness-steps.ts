/** Steps on harnesses, and their calls of the functions in harness.sh. */
import { HARNESS_PYTHON, HARNESS_ROOT } from "../../fleet/harness/lock.ts";
import { shellQuote } from "../../fleet/shell.ts";
import type { SizedPiece } from "./payload.ts";
import { shellText } from "./shell.ts";

export type HarnessStep =
  /** Puts a wheel of this machine onto the host; `file` is where it is here. */
  | { do: "wheel"; file: string; name: string; sha256: string; bytes: number }
  /** Installs beside everything that is there. From wheels on the host by their stored names, or from an index. */
  | {
      do: "build-harness";
      id: string;
      /** The text of the lock. */
      lock: string;
      /** The index's URL; may hold a password. Absent with `wheels`, and where the host's own settings are to be used. */
      index?: string;
      wheels?: string[];
    }
  /** Puts what was built into its place, and what stands there away. */
  | { do: "place-harness"; id: string }
  /** `by` wants it for these houses and no others. */
  | { do: "want-harness"; id: string; by: string; houses: string[] }
  /** Takes away what nobody wants and no release runs with. */
  | { do: "prune-harnesses" }
  /** The same in a plan that holds another lock than that of the harnesses. */
  | { do: "prune-harnesses-aside" };

const NAMES: Record<HarnessStep["do"], true> = {
  wheel: true,
  "build-harness": true,
  "place-harness": true,
  "want-harness": true,
  "prune-harnesses": true,
  "prune-harnesses-aside": true,
};

export const isHarnessStep = (step: { do: string }): step is HarnessStep => Object.hasOwn(NAMES, step.do);

/** What a script needs before the first call. */
export const harnessFunctions = (): string[] => [
  `harnesses=${shellQuote(HARNESS_ROOT)} building=${shellQuote(shellText("build-harness"))}`,
  shellText("harness"),
];

/**
 * As pip's own file of settings. An index without TLS is none to pip unless it is told so; the hashes of the lock are what
 * counts either way.
 */
function configuration(index: string | undefined): string {
  if (index === undefined) return "";
  const plain = index.startsWith("http:") && URL.canParse(index) ? new URL(index).host : undefined;
  const lines = [`index-url = ${index.replaceAll("%", "%%")}`, ...(plain ? [`trusted-host = ${plain}`] : [])];
  return `[global]\n${lines.join("\n")}\n`;
}

/** What the call reads from standard input. */
export function harnessPayload(step: HarnessStep): SizedPiece[] {
  if (step.do === "wheel") return [{ file: step.file, bytes: step.bytes }];
  if (step.do !== "build-harness") return [];
  return [Buffer.from(step.lock, "utf8"), Buffer.from(configuration(step.index), "utf8")];
}

export function harnessCall(step: HarnessStep): string {
  const call = (...words: (string | number)[]): string =>
    [step.do.replaceAll("-", "_"), ...words.map((word) => shellQuote(String(word)))].join(" ");
  switch (step.do) {
    case "wheel":
      return call(step.name, step.sha256, step.bytes);
    case "build-harness": {
      const from = step.wheels ? "wheels" : step.index === undefined ? "host" : "index";
      const sizes = harnessPayload(step).map((piece) =>
        Buffer.isBuffer(piece) ? piece.length : piece.bytes,
      );
      return call(step.id, HARNESS_PYTHON, ...sizes, from, ...(step.wheels ?? []));
    }
    case "place-harness":
      return call(step.id);
    case "want-harness":
      return call(step.id, step.by, ...step.houses);
    case "prune-harnesses":
    case "prune-harnesses-aside":
      return call();
  }
}
