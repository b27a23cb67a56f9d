/** `npm run drift`: which property of which house is not what the program says. Writes nothing. */
import { runOperation } from "./engine-run.ts";
import { exitCodeOf, findingsOf, type Findings } from "./findings.ts";
import { driftReport } from "./report.ts";
import { openSession, say } from "./session.ts";

/** `--json` prints the findings as one JSON document; other arguments go to the engine. */
export async function main(args: readonly string[]): Promise<number> {
  const asJson = args.includes("--json");
  const session = await openSession(
    args.filter((argument) => argument !== "--json"),
    { needsFleet: true },
  );
  if (!session) return 1;
  let complaints = "";
  const { code, events } = await runOperation(
    session.call,
    [
      ...[
        "preview",
        "--stack",
        session.stack,
        "--refresh",
        "--expect-no-changes",
        "--non-interactive",
        "--color=never",
      ],
      ...session.rest,
    ],
    { onStderr: (text) => (complaints += text) },
  );
  const findings = findingsOf(events);
  const exitCode = driftExitCode(code, findings);
  process.stdout.write(
    `${asJson ? JSON.stringify({ exitCode, ...findings }, undefined, 2) : driftReport(findings)}\n`,
  );
  // An engine that failed before it had anything to report says why on stderr.
  if (exitCode === 1 && findings.failures.length === 0)
    say(complaints.trim() || `the engine ended with code ${code}`);
  return exitCode;
}

/** The engine's own code counts only where the events do not explain it. */
function driftExitCode(code: number, findings: Findings): number {
  const explained = exitCodeOf(findings);
  return explained === 0 && code !== 0 ? 1 : explained;
}
