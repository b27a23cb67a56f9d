/** Steps on packages, and their calls of the functions in packages.sh. */
import { shellQuote } from "../../fleet/shell.ts";
import { PACKAGE_RECORD } from "./package-facts.ts";
import { shellText } from "./shell.ts";

interface Patient {
  packages: string[];
  /** Seconds that locks of others, e.g. of unattended upgrades, are waited for. */
  wait: number;
}

export type PackageStep =
  /** Each a name or `name=version`. What was not there before is noted as ours, wanted by `by`. */
  | ({ do: "install-packages"; by: string } & Patient)
  /** Notes that `by` too wants to have, or to have held, what is ours already or is about to be. */
  | { do: "claim-packages"; what: "installed" | "held"; packages: string[]; by: string }
  | ({ do: "hold-packages" } & Patient)
  | ({ do: "unhold-packages"; by: string } & Patient)
  /**
   * `by` wants these no more. Holds of ours are released, and what is ours is removed with what came along with it,
   * unless somebody else wants it or something depends on it.
   */
  | ({ do: "give-back-packages"; by: string } & Patient);

const NAMES: Record<PackageStep["do"], true> = {
  "install-packages": true,
  "claim-packages": true,
  "hold-packages": true,
  "unhold-packages": true,
  "give-back-packages": true,
};

export const isPackageStep = (step: { do: string }): step is PackageStep => Object.hasOwn(NAMES, step.do);

/** What a script needs before the first call. */
export const packageFunctions = (): string[] => [
  `record=${shellQuote(PACKAGE_RECORD)}`,
  shellText("packages"),
];

export function packageCall(step: PackageStep): string {
  const call = (...words: string[]): string =>
    [step.do.replaceAll("-", "_"), ...[...words, ...step.packages].map(shellQuote)].join(" ");
  switch (step.do) {
    case "install-packages":
    case "unhold-packages":
    case "give-back-packages":
      return call(step.by, String(step.wait));
    case "hold-packages":
      return call(String(step.wait));
    case "claim-packages":
      return call(step.what, step.by);
  }
}
