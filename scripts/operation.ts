/** What up, preview and destroy have in common after the engine has started: summary and exit code. */
import { runOperation } from "./engine-run.ts";
import { exitCodeOf, findingsOf } from "./findings.ts";
import { failureSummary } from "./report.ts";
import { say, type Session } from "./session.ts";

/** Runs the operation under Pulumi's own display and sums up what went wrong. Returns the exit code. */
export async function operate(
  session: Session,
  operation: string,
  options: readonly string[],
): Promise<number> {
  const args = [operation, "--stack", session.stack, ...options, ...session.rest];
  const { code, events } = await runOperation(session.call, args, "pulumi");
  const findings = findingsOf(events);
  const summary = failureSummary(findings);
  if (summary !== "") say(`\n${summary}`);
  if (code > 128)
    say(`the engine was ended by a signal (exit code ${code}); the next up clears up what it left`);
  if (code === 0 && findings.unreachable.length === 0) return 0;
  // The engine says 1 for nearly everything; a code of its own, such as 7 or that of a signal, stands.
  const own = exitCodeOf({ ...findings, drift: [] });
  return code > 1 && own <= 1 ? code : own || code;
}
