/**
 * `npm run retire -- <house>`: takes down a house that was drained, with its last backup. With `--abandon` it takes one
 * whose host is gone for good out of the state, and touches no host.
 */
import { DEFAULT_STACK, parseArguments, stackOption, UsageError } from "./arguments.ts";
import { agreed, onTerminal } from "./ask.ts";
import {
  belongings,
  hasLeftBehind,
  housesIn,
  leftBehind,
  without,
  withoutReplaced,
  type Deployment,
} from "./deployment.ts";
import { count } from "./messages.ts";
import { readWords } from "./options.ts";
import { recover } from "./recovery.ts";
import { abandoned, refusal, stillThere } from "./retirement.ts";
import { prepared, takeDown } from "./retire-living.ts";
import { openSession, say, type Session } from "./session.ts";
import { exportState, importState, keepCopy } from "./stack-state.ts";

interface Request {
  houses: string[];
  abandon: boolean;
  /** Folder for the last backups; undefined where none are taken. */
  to: string | undefined;
  yes: boolean;
}

export async function main(args: readonly string[]): Promise<number> {
  let request: Request;
  try {
    request = parseRequest(parseArguments(args).rest);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    say(error.message);
    return 1;
  }
  const session = await openSession(args, { needsFleet: true });
  if (!session?.fleet) return 1;
  if (!(await recover(session.call, session.files, { allowed: session.recover, locksOnly: true }, say)))
    return 1;
  if (!request.abandon) {
    if (!(await allowed(session, request)) || !(await prepared(session, request))) return 1;
    return await takeDown(session, request.houses);
  }
  const text = await exportState(session.call);
  if (text === undefined) return 1;
  const state = JSON.parse(text) as Deployment;
  const wanted = Object.fromEntries(session.fleet.houses.map(({ name, host }) => [name, host]));
  const refused = refusal(state, request.houses, wanted, session.stack);
  if (refused !== undefined) {
    say(refused);
    return 1;
  }
  if (!(await allowed(session, request))) return 1;
  return await retire(session, request.houses, text);
}

/** Throws a {@link UsageError} that says what the command is for. */
function parseRequest(rest: readonly string[]): Request {
  const { names, options } = readWords(rest, OPTIONS, USAGE, "retire");
  const houses = [...new Set(names)];
  if (houses.length === 0) throw new UsageError(`which house? ${USAGE}`);
  const { "--abandon": abandon, "--to": to, "--no-backup": none } = options;
  const ways = [abandon, to, none].filter((way) => way !== undefined).length;
  if (ways === 0) throw new UsageError(LIVING);
  if (ways > 1) throw new UsageError(`one of --abandon, --to and --no-backup; ${USAGE}`);
  return {
    ...{ houses, to, abandon: abandon !== undefined },
    yes: options["--yes"] !== undefined || options["-y"] !== undefined,
  };
}

const OPTIONS = { "--abandon": false, "--to": true, "--no-backup": false, "--yes": false, "-y": false };
const USAGE = "usage: npm run retire -- <house> … --to FOLDER | --no-backup | --abandon [-s <stack>] [--yes]";
const LIVING =
  "A house on a host that can be reached is drained first (npm run drain), then retired with --to FOLDER, where its last " +
  "backup goes, or with --no-backup; take it out of wizards/ then (its line under `houses` in wizards/fleet.yaml and its " +
  "folder), or the next npm run up makes it again.\n" +
  "Where the host is gone for good, add --abandon: the house is then taken out of the state only, and whatever is on " +
  "the host stays there as it is.";

/** Asks as `up` and `destroy` do: not for dev, on a terminal, and elsewhere not without `--yes`. */
async function allowed({ stack }: Session, { houses, abandon, yes }: Request): Promise<boolean> {
  if (yes || stack === DEFAULT_STACK) return true;
  const names = houses.join(", ");
  if (!onTerminal()) {
    say(`nothing was changed: without a terminal to ask on, --yes must say that ${names} may be given up`);
    return false;
  }
  const yours = await agreed(
    abandon
      ? `give up ${names}, and leave what is on the host as it is?`
      : `take ${names} down, and leave what the agent wrote as it is?`,
  );
  if (!yours) say("nothing was changed");
  return yours;
}

async function retire(session: Session, names: readonly string[], seen: string): Promise<number> {
  const { call, stack } = session;
  // The engine locks a state only while it writes it, and somebody may have run something during the question.
  const text = await exportState(call);
  if (text === undefined) return 1;
  if (text !== seen) {
    say("nothing was changed: the state has become another one in the meantime; run the command again");
    return 1;
  }
  const state = JSON.parse(text) as Deployment;
  const replaced = housesIn(state).some((house) => names.includes(house.name) && hasLeftBehind(house));
  const gone = replaced ? leftBehind(state, names) : belongings(state, names);
  const copy = keepCopy(stack, text, process.env);
  const next = replaced ? withoutReplaced(state, gone) : without(state, new Set(gone.map(({ urn }) => urn)));
  if (!(await importState(call, next))) return 1;
  const houses = housesIn(state).filter(({ name }) => names.includes(name));
  const lines = [
    `${names.join(", ")}: taken out of the state of ${stack}, ${count(gone.length, "resource")}: ${abandoned(gone)}`,
    ...houses.flatMap(stillThere),
    `The state as it was: ${copy} (back with: npm run pulumi -- stack import --file ${copy}${stackOption(stack)})`,
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
  return 0;
}
