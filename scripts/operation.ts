/** What up, preview and destroy have in common after the engine has started: display, question, summary and exit code. */
import { agreed, onTerminal } from "./ask.ts";
import { DEFAULT_STACK, hasOption } from "./arguments.ts";
import { Display, wantsEngineDisplay } from "./display.ts";
import { runOperation } from "./engine-run.ts";
import { exitCodeOf, findingsOf, type Findings } from "./findings.ts";
import { failureSummary, reachedLine } from "./report.ts";
import { say, type Session } from "./session.ts";

export type Operation = "up" | "preview" | "destroy";

const HEADINGS: Readonly<Record<Operation, [doing: string, planning: string]>> = {
  up: ["Updating", "Previewing update"],
  preview: ["Previewing update", "Previewing update"],
  destroy: ["Destroying", "Previewing destroy"],
};

export interface Outcome {
  /** The engine's own. */
  code: number;
  findings: Findings;
  /** Whether errors have been shown already, by the engine's display. */
  shown: boolean;
}

/** Runs the operation and sums up what went wrong. Returns the exit code. */
export async function operate(session: Session, operation: Operation): Promise<number> {
  const outcome = await carryOut(session, operation);
  return typeof outcome === "number" ? outcome : conclude(session, operation, outcome);
}

/**
 * Shows what changes and nothing else, unless the arguments ask for the engine's own display. On a terminal, stacks other
 * than dev are changed only after a look at what would happen and a yes; elsewhere the engine wants `--yes`. Returns an
 * exit code where it did not come to the operation.
 */
export async function carryOut(session: Session, operation: Operation): Promise<Outcome | number> {
  const { rest, call } = session;
  const unasked = operation !== "preview" && isUnasked(session);
  const options = unasked ? ["--yes", "--skip-preview"] : [];
  if (wantsEngineDisplay(rest)) {
    const args = [operation, "--stack", session.stack, ...options, ...rest];
    const { code, events } = await runOperation(call, args, "pulumi");
    return { code, findings: findingsOf(events), shown: true };
  }
  if (unasked || operation === "preview" || !onTerminal() || !asksFirst(rest))
    return await displayed(session, operation, options);
  const code = await preview(session, operation);
  if (code !== 0 && code !== UNREACHABLE) return code;
  if (!(await agreed(`${operation} ${session.stack}?`))) {
    say("nothing was changed");
    return 1;
  }
  return await displayed(session, operation, ["--yes", "--skip-preview"]);
}

/** What the operation would do. Returns the exit code. */
async function preview(session: Session, operation: Operation): Promise<number> {
  if (operation === "destroy")
    return conclude(session, operation, await displayed(session, operation, ["--preview-only"]));
  // `up` has no such option, and `preview` not this one.
  const rest = session.rest.filter((argument) => argument !== "--continue-on-error");
  return conclude(session, "preview", await displayed({ ...session, rest }, "preview", []));
}

/** Houses that cannot be looked at keep nobody from updating the others. */
const UNREACHABLE = 4;

/**
 * Whether nobody is to be asked: in dev, or with `--yes`. Then the preview before the update is left out as well: it
 * would look at every host twice, and with refresh before every update it decides nothing.
 */
function isUnasked({ stack, rest, call }: Session): boolean {
  if (hasOption(rest, "--skip-preview", "-f", "--preview-only")) return false;
  return (
    stack === DEFAULT_STACK ||
    hasOption(rest, "--yes", "-y") ||
    /^(1|true)$/i.test(call.env.PULUMI_SKIP_CONFIRMATIONS ?? "")
  );
}

const asksFirst = (rest: readonly string[]): boolean =>
  !hasOption(rest, "--skip-preview", "-f", "--preview-only", "--non-interactive");

async function displayed(
  session: Session,
  operation: Operation,
  options: readonly string[],
): Promise<Outcome> {
  const { call, stack, rest } = session;
  const planned = operation === "preview" || hasOption([...options, ...rest], "--preview-only");
  const write = (line: string): void => void process.stdout.write(`${line}\n`);
  const display = new Display(write, planned);
  write(`${HEADINGS[operation][planned ? 1 : 0]} (${stack}):`);
  let complaints = "";
  const { code, events } = await runOperation(
    call,
    [operation, "--stack", stack, ...options, ...rest, "--non-interactive", "--color=never"],
    { onStderr: (text) => (complaints += text), onEvent: (event) => display.show(event) },
  );
  const findings = findingsOf(events);
  const reached = reachedLine(findings);
  if (reached !== "") write(reached);
  // An engine that failed before it had anything to report says why on stderr.
  if (code !== 0 && exitCodeOf({ ...findings, drift: [], agents: [] }) === 0 && complaints.trim() !== "")
    say(complaints.trim());
  return { code, findings, shown: false };
}

/** Tells what went wrong. Returns the exit code. */
export function conclude(
  { stack, fleet }: Session,
  operation: Operation,
  { code, findings, shown }: Outcome,
): number {
  const houses = operation === "up" ? fleet?.houses.map(({ name }) => name) : undefined;
  // One that is on another host by now leaves the one that cannot be reached, too.
  const isElsewhere = (house: string, reason: string): boolean => {
    const now = fleet?.houses.find(({ name }) => name === house)?.host;
    const asked = /^host (\S+) /.exec(reason)?.[1];
    return operation === "up" && now !== undefined && asked !== undefined && asked !== now;
  };
  const isLeaving = (house: string, reason: string): boolean =>
    operation === "destroy" || houses?.includes(house) === false || isElsewhere(house, reason);
  const options = { stack, isLeaving, ...(houses && { houses }), whole: !shown };
  const summary = failureSummary(findings, options);
  if (summary !== "") say(`\n${summary}`);
  if (code > 128)
    say(`the engine was ended by a signal (exit code ${code}); the next up clears up what it left`);
  if (code === 0 && findings.unreachable.length === 0) return 0;
  // The engine says 1 for nearly everything; a code of its own, such as 7 or that of a signal, stands.
  const own = exitCodeOf({ ...findings, drift: [], agents: [] });
  return code > 1 && own <= 1 ? code : own || code;
}
