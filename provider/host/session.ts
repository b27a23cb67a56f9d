/**
 * One host during one run of the provider: observations that arrive together share one round trip, changes go one
 * after another. Nothing is dialled before the first of either.
 */
import { hideKnownSecrets } from "../../fleet/redact.ts";
import { CannotLook, Cancelled, ChangeFailed, type Aftermath } from "../errors.ts";
import { explained } from "./advice.ts";
import { USUAL_DEADLINE } from "./deadline.ts";
import { factScript, mergeRequests, parseFacts, printable, type FactRequest, type Facts } from "./facts.ts";
import { REVERTED, STOPPED, TOO_LATE, UNARMED, UNWELL } from "./revert.ts";
import { DONE, GO, planScript, READY, UNDONE, UNMERGED, type Plan } from "./steps.ts";
import type { Answer, Transport } from "./transport.ts";

const OBSERVE_DEADLINE = 60;

/** Lines of a failed script's words that are told. */
const WORDS = 20;

/** What is left behind by scripts that have run the way back. */
const AFTERMATHS: Record<number, Aftermath> = {
  [REVERTED]: "reverted",
  [UNWELL]: "unwell",
  [STOPPED]: "stopped",
  [TOO_LATE]: "unwell",
  [UNMERGED]: "switched",
  [UNARMED]: "as-before",
};

export interface Session {
  /** @throws CannotLook */
  observe(request: FactRequest): Promise<Facts>;
  /** @throws ChangeFailed, CannotLook, Cancelled */
  change(plan: Plan): Promise<void>;
}

export interface SessionOptions {
  /** The host's name in messages. */
  name: string;
  transport: Transport;
  /** Aborted when the engine ends or asks the provider to stop. */
  signal: AbortSignal;
  /** Resolves when no more requests are to be expected just now: see burst.ts. One for all hosts. */
  settled: () => Promise<void>;
  /** Tells the operator something that is not an error. */
  inform: (message: string) => void;
}

/** What a failed script said, line by line: the first says what failed, the rest may be a unit's last log lines. */
function wordsOf({ code, stderr }: Answer): string {
  const lines = stderr
    .trim()
    .split("\n")
    .slice(-WORDS)
    .map((line) => printable(line, 300));
  const [first = "", ...rest] = lines;
  const words = [explained(first), ...rest].join("\n  ");
  return words === "" ? `the script ended with code ${code} and said nothing` : words;
}

export function openSession({ name, transport, signal, settled, inform }: SessionOptions): Session {
  let gathered: { requests: FactRequest[]; answer: Promise<Facts> } | undefined;
  const stopped = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
  let looking: Promise<unknown> = Promise.resolve();
  let changes: Promise<unknown> = Promise.resolve();
  let noticed = false;

  async function ask(requests: FactRequest[]): Promise<Facts> {
    const request = mergeRequests(requests);
    const { vantage } = transport;
    const answer = await transport.run({
      script: factScript(request, vantage),
      deadline: OBSERVE_DEADLINE,
      signal,
    });
    if (signal.aborted) throw new Cancelled(`stopped while looking at ${name}`);
    if (answer.code !== 0) {
      throw new CannotLook(
        `the script ended with code ${answer.code}: ${printable(answer.stderr.trim(), 500)}`,
      );
    }
    return parseFacts(request, vantage, answer.stdout);
  }

  /** Runs one script of a plan. `aftermath` is what is left behind when it fails before or without its own switch. */
  async function runScript(plan: Plan, steps: Plan["steps"], aftermath: Aftermath): Promise<void> {
    const script = planScript({ ...plan, steps }, transport.vantage);
    let left = aftermath;
    let answer: Answer;
    try {
      answer = await transport.run({
        script: script.text,
        payload: script.payload,
        deadline: plan.deadline ?? USUAL_DEADLINE,
        signal,
        ...(script.commits && {
          onLine: (line: string) => {
            if (line !== READY || signal.aborted) return undefined;
            left = plan.confirm === undefined ? "switched" : "unconfirmed";
            return `${GO}\n`;
          },
        }),
      });
    } catch (error) {
      // Lost on the way, the script goes on without us.
      if (error instanceof CannotLook && left !== "as-before") throw new ChangeFailed(error.message, left);
      throw error;
    }
    const said = answer.stdout.toString("utf8");
    if (answer.code === 0 && said.endsWith(`${DONE}\n`)) {
      if (said.split("\n").includes(UNDONE)) inform(hideKnownSecrets(`host ${name}: ${wordsOf(answer)}`));
      return;
    }
    if (signal.aborted && left === "as-before")
      throw new Cancelled(`stopped before anything was switched on ${name}`);
    throw new ChangeFailed(`host ${name}: ${wordsOf(answer)}`, AFTERMATHS[answer.code ?? -1] ?? left);
  }

  async function carryOut(plan: Plan): Promise<void> {
    if (!noticed && transport.notice !== undefined) {
      noticed = true;
      inform(transport.notice);
    }
    if (plan.steps.length > 0) await runScript(plan, plan.steps, "as-before");
    if (plan.confirm === undefined) return;
    if (signal.aborted)
      throw new ChangeFailed(`host ${name}: stopped before it was confirmed`, "unconfirmed");
    // A host that cannot be reached any more since the switch must not be left on it.
    transport.renew?.();
    await runScript(plan, plan.confirm, "unconfirmed");
  }

  return {
    observe(request) {
      const quiet = settled();
      if (gathered) {
        gathered.requests.push(request);
        return gathered.answer;
      }
      const requests = [request];
      // The later it is asked, the more is asked at once: a connection that is being made, or a look that is under way,
      // is waited for. That is what makes it one script however slowly the engine sends its reads.
      const dialled = Promise.race([transport.dial?.(), stopped]);
      const answer = Promise.all([quiet, dialled, looking]).then(() => {
        gathered = undefined;
        return ask(requests);
      });
      looking = answer.then(
        () => undefined,
        () => undefined,
      );
      gathered = { requests, answer };
      return answer;
    },
    change(plan) {
      const result = changes.then(() => carryOut(plan));
      changes = result.catch(() => undefined);
      return result;
    },
  };
}
