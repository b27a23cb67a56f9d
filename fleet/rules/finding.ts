/** What a rule has against a value. The rules are pure; whoever calls them knows the file or the resource. */
import type { Path } from "../problem.ts";

export interface Finding {
  /** From what the rule was given to the value, e.g. `["providers", 1, "baseUrl"]`; empty for the whole. */
  path: Path;
  /** What is wrong; follows the path in a sentence, e.g. `is not allowed`. Holds no value that may be secret. */
  message: string;
  /** The value found. Whoever prints it goes through `describe`, which hides what may be a secret. */
  got?: unknown;
  /** What would be accepted. */
  allowed: string;
}

/** The same findings, seen from further up. */
export function below(path: Path, findings: readonly Finding[]): Finding[] {
  return findings.map((finding) => ({ ...finding, path: [...path, ...finding.path] }));
}
