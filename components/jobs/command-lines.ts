/** How `merge-jobs.py` is called. Pure: what looks at hosts without the engine needs it too. */
import { harnessPython } from "../gateway/harness.ts";

/**
 * Command lines of `merge-jobs.py` for a house, to be run on its host as its user, with nothing on standard input:
 * `apply` after every switch of `current` (to another release or back), `compare` and `findings` to look for drift,
 * `withdraw` before the house is taken down. What they print and how they end is at the top of the script.
 */
export function mergeJobs(path: string): Record<"apply" | "compare" | "findings" | "withdraw", string[]> {
  const script = [harnessPython(path), "-I", "-S", "-B", `${path}/current/jobs/merge-jobs.py`];
  const [jobs, banned, home] = ["jobs.json", "jobs/banned.json"]
    .map((name) => `${path}/current/${name}`)
    .concat(`${path}/home`) as [string, string, string];
  return {
    apply: [...script, "apply", jobs, home],
    compare: [...script, "compare", jobs, home],
    findings: [...script, "findings", banned, home],
    withdraw: [...script, "withdraw", jobs, home],
  };
}
