/**
 * Houses that the next update would take from one host to another, or whose host it would make another machine. Whoever
 * has not drained them loses what is under way, and what the agent wrote since the last backup: it stays on the old host, or
 * is deleted with the old machine.
 */
import { existsSync, readFileSync } from "node:fs";

import { drainedFlag } from "../components/drain/command-lines.ts";
import { dropletName, machineName } from "../fleet/droplet.ts";
import type { DropletSpec, House } from "../fleet/model.ts";
import { hideKnownSecrets } from "../fleet/redact.ts";
import { Cancelled, CannotLook } from "../provider/errors.ts";
import { connectionFailures, sshTarget } from "../provider/host/connection.ts";
import { factOf, noFacts } from "../provider/host/facts.ts";
import { openSession } from "../provider/host/session.ts";
import { sshTransport } from "../provider/host/ssh.ts";
import { SshWorkplace } from "../provider/host/ssh-workplace.ts";
import { current } from "../provider/resources/release/layout.ts";
import type { Values } from "../provider/values.ts";
import { stackOption } from "./arguments.ts";
import { dropletsOf, housesIn, type Deployment } from "./deployment.ts";
import { runWithInput } from "./engine-run.ts";
import { nameOf } from "./places.ts";
import { say, type Session } from "./session.ts";

export const UNDRAINED = "--undrained";

export interface Move {
  house: string;
  /** Its folder on the old host. */
  path: string;
  from: string;
  /** The same where the host becomes another machine, and this one is deleted. */
  to: string;
  /** How the old host is reached, as the state has it: `wizards/` may know it no more. */
  connection: Values;
}

/** Of the hosts of `wizards/`, what says which machine each is to be. */
type Machines = Readonly<
  Record<string, { droplet?: Pick<DropletSpec, "generation"> | undefined } | undefined>
>;

/** Pure. Only from live hosts: in a folder of this machine no agent runs, and nothing can be drained. */
export function movesIn(
  state: Deployment,
  houses: readonly Pick<House, "name" | "host">[],
  hosts: Machines,
): Move[] {
  return housesIn(state).flatMap(({ name, resources }) => {
    const to = houses.find((house) => house.name === name)?.host;
    // One that is there already, while what it was before could not be taken down yet, has moved.
    const release = resources.find((one) => one.type === "host:index:Release" && one.delete !== true);
    const { host, house } = (release?.inputs ?? {}) as { host?: Values; house?: string };
    if (to === undefined || host === undefined || house === undefined) return [];
    if (host["transport"] !== "ssh") return [];
    if (host["name"] === to && !machineGoes(state, host, hosts[to])) return [];
    return [{ house: name, path: house, from: String(host["name"]), to, connection: host }];
  });
}

/** Whether what is reached so is a droplet, and not the one that its host is to be. Of two that are there, one has no house. */
function machineGoes(state: Deployment, { name, address }: Values, host: Machines[string]): boolean {
  const there = dropletsOf(state, String(name)).find(({ outputs }) => outputs?.["ipv4Address"] === address);
  if (there === undefined) return false;
  return (
    host?.droplet === undefined || nameOf(there.urn) !== dropletName(machineName(String(name), host.droplet))
  );
}

/**
 * Says which houses are about to move that nobody has drained, and what to do. A host that cannot be reached keeps nobody:
 * what is on it is lost already, or left as it is.
 *
 * @returns 0 where there are none, otherwise an exit code
 */
export async function refuseUndrainedMoves(session: Session): Promise<number> {
  const state = await stateOf(session);
  if (typeof state === "number") return state;
  const moves =
    state === undefined ? [] : movesIn(state, session.fleet?.houses ?? [], session.fleet?.hosts ?? {});
  if (moves.length === 0) return 0;
  const workplace = new SshWorkplace();
  const stop = new AbortController();
  const abort = (): void => stop.abort();
  process.once("SIGINT", abort);
  try {
    const refused = await Promise.all(
      moves.map((move) => refusal(move, session.stack, workplace, stop.signal)),
    );
    const words = refused.filter((one) => one !== undefined);
    if (words.length === 0) return 0;
    // As the summary of an update has it, which the deploy hook reads.
    say(["What went wrong:", ...words.flatMap((one) => one.split("\n"))].join("\n  "));
    return 1;
  } catch (error) {
    if (!(error instanceof Cancelled)) throw error;
    say("stopped; nothing was changed");
    return 1;
  } finally {
    process.off("SIGINT", abort);
    workplace.close();
  }
}

/** Undefined where there is none yet; where it cannot be read, the engine's exit code, after it has said why. */
async function stateOf({ call, files, stack }: Session): Promise<Deployment | number | undefined> {
  if (files !== undefined && existsSync(files.state)) {
    // As `stack export` gives it, without the time that takes.
    const { version, checkpoint } = JSON.parse(readFileSync(files.state, "utf8")) as {
      version: number;
      checkpoint: { latest?: Deployment["deployment"] | null };
    };
    return { version, deployment: checkpoint.latest ?? {} };
  }
  const compressed =
    files !== undefined && ["gz", "zst"].some((kind) => existsSync(`${files.state}.${kind}`));
  if (files !== undefined && !compressed) return undefined;
  const { code, stdout } = await runWithInput(call, ["stack", "export", "--stack", stack], "");
  return code === 0 ? (JSON.parse(stdout) as Deployment) : code;
}

async function refusal(
  move: Move,
  stack: string,
  workplace: SshWorkplace,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    return (await isDrained(move, workplace, signal)) ? undefined : undrained(move, stack);
  } catch (error) {
    if (!(error instanceof CannotLook)) throw error;
    const why = hideKnownSecrets(error.message);
    say(`${move.house}: moves to ${move.to}; whether it was drained is not known: ${why}`);
    return undefined;
  }
}

/** Whether there is nothing to be lost: it is drained, or is not there any more. */
async function isDrained(
  { house, path, from, connection }: Move,
  workplace: SshWorkplace,
  signal: AbortSignal,
): Promise<boolean> {
  const transport = sshTransport(sshTarget(reachable(connection)), workplace);
  const settled = (): Promise<void> => Promise.resolve();
  const session = openSession({ name: from, transport, signal, settled, inform: () => {} });
  const [link, flag] = [current(path), drainedFlag(house)];
  const facts = await session.observe({ ...noFacts, unopened: [link], texts: [flag] });
  return facts.texts.get(flag) !== undefined || factOf(facts, link).kind === "absent";
}

function reachable(connection: Values): Values {
  const texts = ["address", "user", "hostKey"].every((key) => typeof connection[key] === "string");
  if (texts && connectionFailures(connection).length === 0) return connection;
  throw new CannotLook(`the state does not say how host ${String(connection["name"])} is reached`);
}

/** Pure. What to tell of a house that is not drained. */
export function undrained({ house, from, to }: Move, stack: string): string {
  const option = stackOption(stack);
  const [drain, backup] = [
    `npm run drain -- ${house}${option}`,
    `npm run backup -- ${house} --to FOLDER${option}`,
  ];
  const up = `npm run up${option === "" ? "" : ` --${option}`}`;
  const another = from === to;
  const [happens, wrote] = another
    ? [`its host ${to} becomes another machine, and it`, `be deleted with the machine that is ${to} now`]
    : [`moves from ${from} to ${to} and`, `stay on ${from}`];
  // The commands for single houses go by `host:` of `house.yaml`, which names the new host by now; droplets by the state.
  const steps = another
    ? [drain, backup, up]
    : [`in wizards/${house}/house.yaml, host: ${from} again`, drain, backup, `host: ${to} again, then ${up}`];
  const restore = `npm run restore -- ${house} FOLDER/${house}/… --identity KEYFILE${option}`;
  return [
    `${house}: ${happens} is not drained: what is under way would be cut off, and what its agent ` +
      `wrote since its last backup would ${wrote}. Nothing was changed. In this order:`,
    ...[...steps, restore].map((step, at) => `  ${at + 1}. ${step}`),
    `Or ${another ? "go on" : "move it"} without all that: npm run up --${option} ${UNDRAINED}`,
  ].join("\n");
}
