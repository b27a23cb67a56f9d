/** Reaching the hosts of houses without the engine: for acts of an operator that change no release. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

import { parse } from "yaml";

import { connections, StackError, stackSettings, type StackSettings } from "../components/stack.ts";
import { isDroplet } from "../fleet/droplet.ts";
import { FleetError, loadFleet } from "../fleet/index.ts";
import type { House, LoadedFleet } from "../fleet/model.ts";
import { hideKnownSecrets } from "../fleet/redact.ts";
import { sshTarget } from "../provider/host/connection.ts";
import { localTransport } from "../provider/host/local.ts";
import { openSession, type Session } from "../provider/host/session.ts";
import { sshTransport } from "../provider/host/ssh.ts";
import { SshWorkplace } from "../provider/host/ssh-workplace.ts";
import type { Transport } from "../provider/host/transport.ts";
import { Cancelled, CannotLook, ChangeFailed } from "../provider/errors.ts";
import type { Values } from "../provider/values.ts";
import { parseArguments, UsageError } from "./arguments.ts";
import { rentedHosts } from "./rented-hosts.ts";
import { say } from "./session.ts";
import { PROJECT, ROOT } from "./stack.ts";

export interface HouseSession {
  house: House;
  session: Session;
  /** For what is neither facts nor a plan, such as a file too large for either. */
  transport: Transport;
  fleet: LoadedFleet;
  stack: string;
  settings: StackSettings;
  /** Aborted by Ctrl-C. */
  signal: AbortSignal;
}

/** What is done to one house; the line that is returned is printed behind its name. */
export type Act = (at: HouseSession) => Promise<string>;

/** Why an act was not done; the message is for the operator. */
export class ActFailed extends Error {
  override name = "ActFailed";
}

/** Plain values of a stack's configuration. */
export function stackReader(stack: string): (key: string) => string | undefined {
  const file = path.join(ROOT, `Pulumi.${stack.split("/").at(-1)}.yaml`);
  if (!existsSync(file))
    throw new UsageError(`there is no stack ${stack}: ${path.basename(file)} does not exist`);
  const { config } = parse(readFileSync(file, "utf8")) as { config?: Record<string, unknown> };
  return (key) => {
    const value = config?.[`${PROJECT}:${key}`];
    return value === undefined || typeof value === "object" ? undefined : String(value as string | number);
  };
}

/**
 * Does something to each of the named houses, one after another. Returns the exit code: 0; 1 for wrong arguments or
 * failed acts; else 4 where a host could not be reached.
 *
 * @param read takes the words of the command line that are no option of the stack; returns the names of the houses, all
 *   if empty, and the act. Throws a {@link UsageError}.
 */
export async function actOnHouses(
  args: readonly string[],
  read: (words: readonly string[]) => { names: readonly string[]; act: Act },
): Promise<number> {
  const workplace = new SshWorkplace();
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  try {
    const { stack, rest } = parseArguments(args);
    const { names, act } = read(rest);
    const fleet = loadFleet(path.join(ROOT, "wizards"));
    const settings = stackSettings(stackReader(stack));
    const rented = settings.transport === "ssh" && Object.values(fleet.hosts).some(isDroplet);
    const hosts = {
      ...connections(Object.values(fleet.hosts), settings),
      ...(rented && (await rentedHosts(stack))),
    };
    const known = fleet.houses.map(({ name }) => name);
    const unknown = names.filter((name) => !known.includes(name));
    if (unknown.length > 0)
      throw new UsageError(`there is no house ${unknown.join(", ")}; there are ${known.join(", ")}`);
    let worst = 0;
    for (const house of fleet.houses) {
      if (names.length > 0 && !names.includes(house.name)) continue;
      const reached = hosts[house.host];
      if (reached === undefined)
        throw new UsageError(`the stack ${stack} does not say how the droplet ${house.host} is reached`);
      const connection = reached as unknown as Values;
      const transport =
        connection["transport"] === "ssh"
          ? sshTransport(sshTarget(connection), workplace)
          : localTransport(String(connection["root"]), ROOT);
      const { signal } = stop;
      const settled = (): Promise<void> => Promise.resolve();
      const session = openSession({ name: house.host, transport, signal, settled, inform: () => {} });
      const at = { house, session, transport, fleet, stack, settings, signal };
      worst = graver(worst, await told(house.name, () => act(at)));
    }
    return worst;
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof FleetError || error instanceof StackError))
      throw error;
    say(error.message);
    return 1;
  } finally {
    workplace.close();
  }
}

/** What failed is graver than what could not be reached, as for the engine's findings. */
export const graver = (one: number, other: number): number =>
  one === 1 || other === 1 ? 1 : Math.max(one, other);

/** What a host said may be the last lines of a unit's journal. */
const sayWhy = (name: string, { message }: Error): void => say(hideKnownSecrets(`${name}: ${message}`));

/** Prints what an act returns, or why it failed. Returns its exit code. */
export async function told(name: string, act: () => Promise<string>): Promise<number> {
  try {
    process.stdout.write(`${name}: ${await act()}\n`);
    return 0;
  } catch (error) {
    if (error instanceof CannotLook) {
      sayWhy(name, error);
      return 4;
    }
    if (!(
      error instanceof ChangeFailed ||
      error instanceof UsageError ||
      error instanceof Cancelled ||
      error instanceof ActFailed
    ))
      throw error;
    sayWhy(name, error);
    return 1;
  }
}
