/** Reaching the hosts of houses without the engine: for acts of an operator that change no release. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

import { parse } from "yaml";

import { connections, StackError, stackSettings } from "../components/stack.ts";
import { FleetError, loadFleet } from "../fleet/index.ts";
import type { House } from "../fleet/model.ts";
import { sshTarget } from "../provider/host/connection.ts";
import { localTransport } from "../provider/host/local.ts";
import { openSession, type Session } from "../provider/host/session.ts";
import { sshTransport } from "../provider/host/ssh.ts";
import { SshWorkplace } from "../provider/host/ssh-workplace.ts";
import { CannotLook, ChangeFailed } from "../provider/errors.ts";
import type { Values } from "../provider/values.ts";
import { parseArguments, UsageError } from "./arguments.ts";
import { say } from "./session.ts";
import { PROJECT, ROOT } from "./stack.ts";

export interface HouseSession {
  house: House;
  session: Session;
}

/** What is done to one house; the line that is returned is printed behind its name. */
export type Act = (at: HouseSession) => Promise<string>;

/** Plain values of a stack's configuration. */
function stackReader(stack: string): (key: string) => string | undefined {
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
 * failed acts; 4 where a host could not be reached.
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
    const hosts = connections(Object.values(fleet.hosts), stackSettings(stackReader(stack)));
    const known = fleet.houses.map(({ name }) => name);
    const unknown = names.filter((name) => !known.includes(name));
    if (unknown.length > 0)
      throw new UsageError(`there is no house ${unknown.join(", ")}; there are ${known.join(", ")}`);
    let worst = 0;
    for (const house of fleet.houses) {
      if (names.length > 0 && !names.includes(house.name)) continue;
      const connection = hosts[house.host] as unknown as Values;
      const session = openSession({
        name: house.host,
        transport:
          connection["transport"] === "ssh"
            ? sshTransport(sshTarget(connection), workplace)
            : localTransport(String(connection["root"]), ROOT),
        signal: stop.signal,
        settled: () => Promise.resolve(),
        inform: () => {},
      });
      worst = Math.max(worst, await told(house.name, () => act({ house, session })));
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

async function told(name: string, act: () => Promise<string>): Promise<number> {
  try {
    process.stdout.write(`${name}: ${await act()}\n`);
    return 0;
  } catch (error) {
    if (error instanceof CannotLook) {
      say(`${name}: ${error.message}`);
      return 4;
    }
    if (!(error instanceof ChangeFailed || error instanceof UsageError)) throw error;
    say(`${name}: ${error.message}`);
    return 1;
  }
}
