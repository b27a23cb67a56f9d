/** `npm run retire -- <house> --abandon`: takes a house whose host is gone for good out of the state. Touches no host. */
import { DEFAULT_STACK, parseArguments, stackOption, UsageError } from "./arguments.ts";
import { agreed, onTerminal } from "./ask.ts";
import { belongings, housesIn, without, type Deployment } from "./deployment.ts";
import { count } from "./messages.ts";
import { recover } from "./recovery.ts";
import { abandoned, refusal, stillThere } from "./retirement.ts";
import { openSession, say, type Session } from "./session.ts";
import { exportState, importState, keepCopy } from "./stack-state.ts";

interface Request {
  houses: string[];
  abandon: boolean;
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
  const text = await exportState(session.call);
  if (text === undefined) return 1;
  const state = JSON.parse(text) as Deployment;
  const wanted = session.fleet.houses.map(({ name }) => name);
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
  const options = rest.filter((argument) => argument.startsWith("-"));
  const unknown = options.find((option) => !["--abandon", "--yes", "-y"].includes(option));
  if (unknown !== undefined) throw new UsageError(`${unknown} is no option of retire; ${USAGE}`);
  const houses = [...new Set(rest.filter((argument) => !argument.startsWith("-")))];
  if (houses.length === 0) throw new UsageError(`which house? ${USAGE}`);
  const abandon = options.includes("--abandon");
  if (!abandon) throw new UsageError(LIVING);
  return { houses, abandon, yes: options.includes("--yes") || options.includes("-y") };
}

const USAGE = "usage: npm run retire -- <house> … --abandon [-s <stack>] [--yes]";
const LIVING =
  "A house on a host that can be reached is retired by taking it out of wizards/ (its line under `houses` in " +
  "wizards/fleet.yaml and its folder) and running npm run up, which removes it from the host.\n" +
  "Where the host is gone for good, add --abandon: the house is then taken out of the state only, and whatever is on " +
  "the host stays there as it is.";

/** Asks as `up` and `destroy` do: not for dev, on a terminal, and elsewhere not without `--yes`. */
async function allowed({ stack }: Session, { houses, yes }: Request): Promise<boolean> {
  if (yes || stack === DEFAULT_STACK) return true;
  const names = houses.join(", ");
  if (!onTerminal()) {
    say(`nothing was changed: without a terminal to ask on, --yes must say that ${names} may be given up`);
    return false;
  }
  const yours = await agreed(`give up ${names}, and leave what is on the host as it is?`);
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
  const gone = belongings(state, names);
  const copy = keepCopy(stack, text, process.env);
  if (!(await importState(call, without(state, new Set(gone.map(({ urn }) => urn)))))) return 1;
  const houses = housesIn(state).filter(({ name }) => names.includes(name));
  const lines = [
    `${names.join(", ")}: taken out of the state of ${stack}, ${count(gone.length, "resource")}: ${abandoned(gone)}`,
    ...houses.flatMap(stillThere),
    `The state as it was: ${copy} (back with: npm run pulumi -- stack import --file ${copy}${stackOption(stack)})`,
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
  return 0;
}
