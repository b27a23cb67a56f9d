/** The program: loads the fleet, makes its houses, exports what an operator wants to read. */
import { fileURLToPath } from "node:url";

import * as pulumi from "@pulumi/pulumi";

import { DeployHook, type DeployHookArgs } from "./components/deploy-hook.ts";
import { deploySecrets } from "./components/deploy-secrets.ts";
import { makeHouses, planHouses } from "./components/houses.ts";
import { rentMachines } from "./components/rented.ts";
import { KeysError, passphraseProblem } from "./components/secrets.ts";
import { connections, StackError, stackSettings } from "./components/stack.ts";
import { controlHouse } from "./fleet/deploy-hook.ts";
import { FleetError, loadFleet, type LoadedFleet } from "./fleet/index.ts";
import type { Connection } from "./provider/sdk.ts";

const made = await explained(makeFleet);

/** By house: host, release id, provider chain, health URL, ports and the names of its keys. */
export const houses = made.houses;
/** What is rented, where anything is: what it costs in US dollars a month, and how each droplet is reached. */
export const droplets = made.droplets;

async function makeFleet() {
  const project = pulumi.getProject();
  const config = new pulumi.Config();
  const settings = stackSettings((key) => config.get(key));
  const passphrase = passphraseProblem(settings.placeholders, process.env["PULUMI_CONFIG_PASSPHRASE"]);
  if (passphrase !== undefined) throw new StackError([passphrase]);

  // Whatever can be wrong with the data is told before the first resource.
  const fleet = loadFleet(fileURLToPath(new URL("./wizards", import.meta.url)));
  const hosts = connections(Object.values(fleet.hosts), settings);
  const plans = planHouses(fleet, settings, keysInClear(`${project}:keys`));

  const claimant = `${project}/${pulumi.getStack()}`;
  const hook = deployHook(fleet, hosts, claimant);

  const { rented, summary } = await rentMachines(fleet, settings);
  const all = makeHouses({ fleet, settings, plans, hosts, rented, claimant });
  if (hook !== undefined) new DeployHook("deploy-hook", hook);
  return {
    houses: Object.fromEntries([...all].map(([name, house]) => [name, house.summary])),
    droplets: summary,
  };
}

/** The hook is part of the stack that it brings up; of another there is none. */
function deployHook(
  fleet: LoadedFleet,
  hosts: Record<string, Connection>,
  claimant: string,
): DeployHookArgs | undefined {
  const found = controlHouse(fleet.deployHook, fleet.hosts, pulumi.getStack());
  const host = found && hosts[found.hook.host];
  if (found === undefined || host === undefined) return undefined;
  const { secrets, problems } = deploySecrets((key) =>
    pulumi.runtime.getConfig(`${pulumi.getProject()}:${key}`),
  );
  if (problems.length > 0) throw new StackError(problems);
  const { hook, spec } = found;
  const wrapped = secrets.map((secret) => pulumi.secret(secret));
  return { host, hook, secrets: wrapped, packages: spec.packages, claimant };
}

/** Read here and wrapped at once: as an output, a missing key could only be told of after the first host was dialled. */
function keysInClear(key: string): unknown {
  const text = pulumi.runtime.getConfig(key);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** A mistake in the data is told as it is, without a stack trace. */
async function explained<Result>(make: () => Promise<Result>): Promise<Result> {
  try {
    return await make();
  } catch (error) {
    const expected = error instanceof FleetError || error instanceof KeysError || error instanceof StackError;
    throw expected ? new pulumi.RunError(error.message) : error;
  }
}
