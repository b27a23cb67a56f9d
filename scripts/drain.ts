/**
 * `npm run drain -- <house> …`: its gateway takes no new work, what is under way gets its time to come to an end, then the
 * gateway is stopped, and stays so until `--undo`. Backups of a drained house are complete, so it is also how one moves.
 */
import os from "node:os";

import { drainCommands, drainedFlag } from "../components/drain/command-lines.ts";
import { setTimeout as sleep } from "node:timers/promises";
import { deadlineFor } from "../provider/host/deadline.ts";
import { factOf, noFacts, printable, questionKey } from "../provider/host/facts.ts";
import { ChangeFailed } from "../provider/errors.ts";
import type { Step } from "../provider/host/steps.ts";
import { current, lockFile, pending } from "../provider/resources/release/layout.ts";
import { restartMark } from "../provider/resources/running.ts";
import { stackOption, UsageError } from "./arguments.ts";
import { ActFailed, actOnHouses, type Act, type HouseSession } from "./house-session.ts";
import { houseHealth } from "./house-health.ts";
import { readWords, wholeNumber } from "./options.ts";
import { say } from "./session.ts";

const USAGE =
  "usage: npm run drain -- <house> … [--wait SECONDS] | --undo <house> … | --status [<house> …] [-s <stack>]";
const OPTIONS = { "--wait": true, "--undo": false, "--status": false };
/** Seconds that work under way gets to come to an end by itself, unless --wait says otherwise. */
const WAIT = 300;
const LONGEST_WAIT = 86_400;
/** Milliseconds between two looks. */
const PAUSE = 2000;
/** Looks after which a gateway that does not say how much is under way is not asked any more. */
const SILENT = 5;

export const main = (args: readonly string[]): Promise<number> =>
  actOnHouses(args, (words) => {
    const { names, options } = readWords(words, OPTIONS, USAGE);
    const { "--wait": wait, "--undo": undo, "--status": status } = options;
    if ([wait, undo, status].filter((option) => option !== undefined).length > 1) throw new UsageError(USAGE);
    if (status !== undefined) return { names, act: tell };
    if (names.length === 0) throw new UsageError(`which house? ${USAGE}`);
    if (undo !== undefined) return { names, act: takeBack };
    const seconds = wait === undefined ? WAIT : wholeNumber("--wait", wait, LONGEST_WAIT);
    return { names, act: (at) => drain(at, seconds) };
  });

async function flagOf({
  house,
  session,
}: Pick<HouseSession, "house" | "session">): Promise<string | undefined> {
  const file = drainedFlag(house.name);
  const { texts } = await session.observe({ ...noFacts, texts: [file] });
  const text = texts.get(file);
  return text === undefined ? undefined : printable(text.replaceAll("\t", " "));
}

/** When and by whom a house was drained; undefined if it is not. */
export const drainedSince = flagOf;

const tell: Act = async (at) => {
  const flag = await flagOf(at);
  return flag === undefined ? "works" : `drained since ${flag}`;
};

export async function drain(at: HouseSession, seconds: number): Promise<string> {
  const { house, session, transport } = at;
  if (transport.vantage.prefix !== "")
    throw new ActFailed("its host is a folder of this machine, where no agent runs");
  await mayChange(at);
  const { begin, look } = drainCommands(house.path);
  const lock = lockFile(house.path);
  const flag = drainedFlag(house.name);
  const text = `${new Date().toISOString().replace(/\.\d+Z$/, "Z")}\tby ${who()}\n`;
  const since = await flagOf(at);
  const steps: Step[] = [
    { do: "ensure-folder", path: flag.slice(0, flag.lastIndexOf("/")) },
    ...(since === undefined
      ? [{ do: "file", path: flag, mode: "0644", owner: "root", group: "root", content: text } as const]
      : []),
    { do: "merge", argv: begin, as: house.user },
  ];
  try {
    await session.change({ lock, steps });
  } catch (error) {
    throw since === undefined ? await withoutFlag(at, error) : error;
  }
  const left = await waitFor(at, look, seconds);
  const { health, stopSeconds } = houseHealth(at);
  const stop: Step[] = [{ do: "stop-unit", unit: health.unit }];
  await session.change({ lock, deadline: deadlineFor(stop, () => stopSeconds), steps: stop });
  const told =
    left === 0
      ? "nothing was under way any more"
      : left === undefined
        ? "its gateway did not say what was under way"
        : `${left} still under way after ${seconds} s were ended`;
  return `drained: ${told}; its gateway is stopped, and stays so until npm run drain -- --undo ${house.name}${stackOption(at.stack)}`;
}

/**
 * Where a drain could not begin, the gateway works on: the flag goes, which would keep updates and the deadman switch from it.
 * Returns what to tell.
 */
async function withoutFlag({ house, session }: HouseSession, error: unknown): Promise<unknown> {
  if (!hasNotMerged(error)) return error;
  const flag = drainedFlag(house.name);
  try {
    await session.change({ lock: lockFile(house.path), steps: [{ do: "remove", path: flag }] });
  } catch (again) {
    if (!(again instanceof Error)) return error;
    return new ActFailed(
      `${error.message}\n  It works on, but ${flag} is there (${again.message}): updates and its deadman switch ` +
        "leave the house alone until you remove that",
      { cause: again },
    );
  }
  return new ActFailed(`${error.message}\n  It is not drained, and works on`, { cause: error });
}

/** Whether `drain.py` has failed; steps behind it were not done. */
const hasNotMerged = (error: unknown): error is ChangeFailed =>
  error instanceof ChangeFailed && error.aftermath === "switched";

/** Waits until nothing is under way. Returns how much still is; undefined where the gateway does not say. */
async function waitFor(
  { house, session, signal }: HouseSession,
  look: string[],
  seconds: number,
): Promise<number | undefined> {
  const question = { user: house.user, argv: look };
  let active: number | undefined;
  let silent = 0;
  for (const end = Date.now() + seconds * 1000; Date.now() < end && !signal.aborted;) {
    await sleep(PAUSE);
    const { answers } = await session.observe({ ...noFacts, questions: [question] });
    const said = parsed(answers.get(questionKey(question)));
    if (said === undefined || !said.draining) {
      if (++silent >= SILENT) return undefined;
      continue;
    }
    if (said.active !== active) say(`${house.name}: ${said.active} under way`);
    active = said.active;
    if (active === 0) return 0;
  }
  if (signal.aborted) throw new ActFailed("stopped while waiting; it takes no new work, and runs on");
  return active;
}

/** The answer is an agent's to forge: nothing follows from it but how long is waited. */
function parsed(answer: string | undefined): { draining: boolean; active: number } | undefined {
  try {
    const { draining, active } = JSON.parse(answer ?? "") as Record<string, unknown>;
    return typeof active === "number" ? { draining: draining === true, active } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Can be cut off anywhere and said again. Jobs go on first, since what could not be done while the flag is there is still
 * told by it; where it is gone, the unit's mark tells until the gateway is well.
 */
export const takeBack: Act = async (at) => {
  const { house, session, stack } = at;
  const { health, stopSeconds } = houseHealth(at);
  const mark = restartMark(health.unit);
  const [since, facts] = await Promise.all([flagOf(at), session.observe({ ...noFacts, unopened: [mark] })]);
  if (since === undefined && factOf(facts, mark).kind === "absent")
    return "it is not drained; nothing was changed";
  await mayChange(at);
  const steps: Step[] = [
    { do: "merge", argv: drainCommands(house.path).end, as: house.user },
    { do: "mark-restart", unit: health.unit },
    { do: "remove", path: drainedFlag(house.name) },
    { do: "start-over", unit: health.unit },
    health,
  ];
  try {
    await session.change({
      lock: lockFile(house.path),
      deadline: deadlineFor([health], () => stopSeconds),
      steps,
    });
  } catch (error) {
    if (!hasNotMerged(error) || since === undefined) throw error;
    const again = `npm run drain -- --undo ${house.name}${stackOption(stack)}`;
    throw new ActFailed(`${error.message}\n  It is still drained. When that is put right: ${again}`, {
      cause: error,
    });
  }
  return `works again, and is well${since === undefined ? "" : `; it was drained since ${since}`}`;
};

async function mayChange({ house, session, stack }: HouseSession): Promise<void> {
  const { path } = house;
  const facts = await session.observe({ ...noFacts, unopened: [current(path)], folders: [pending(path)] });
  if (factOf(facts, current(path)).kind !== "link")
    throw new ActFailed(`there is no house on its host: npm run up${stackOption(stack)}`);
  if ((facts.folders.get(pending(path)) ?? []).length > 0)
    throw new ActFailed("something waits for its confirmation there; look again in some minutes");
}

/** For whoever reads the flag on the host. */
function who(): string {
  try {
    return os
      .userInfo()
      .username.replace(/[^\w.-]/g, "_")
      .slice(0, 32);
  } catch {
    return "an operator";
  }
}
