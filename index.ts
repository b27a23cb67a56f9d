/** The program: loads the fleet, makes its houses, exports what an operator wants to read. */
import { fileURLToPath } from "node:url";

import * as pulumi from "@pulumi/pulumi";

import { Host } from "./components/host.ts";
import { rolloutOrder } from "./components/rollout.ts";
import { KeysError, passphraseProblem, resolveKeys } from "./components/secrets.ts";
import { connections, StackError, stackSettings } from "./components/stack.ts";
import { WizardHouse } from "./components/wizard-house.ts";
import { FleetError, loadFleet, renderHouse } from "./fleet/index.ts";

/** By house: host, release id, provider chain, health URL, ports and the names of its keys. */
export const houses = explained(makeHouses);

function makeHouses() {
  const project = pulumi.getProject();
  const stack = pulumi.getStack();
  const config = new pulumi.Config();
  const settings = stackSettings((key) => config.get(key));
  const dev = settings.environment === "dev";
  const passphrase = passphraseProblem(dev, process.env["PULUMI_CONFIG_PASSPHRASE"]);
  if (passphrase !== undefined) throw new StackError([passphrase]);

  const fleet = loadFleet(fileURLToPath(new URL("./wizards", import.meta.url)));
  const hosts = connections(Object.values(fleet.hosts), settings);
  const plans = fleet.houses.map((house) => ({
    house,
    rendered: renderHouse(fleet, house, settings.environment),
  }));
  const keys = resolveKeys({
    configured: keysInClear(`${project}:keys`),
    houses: plans.map(({ house, rendered }) => ({ name: house.name, keys: rendered.keys })),
    dev,
  });
  const order = rolloutOrder(
    fleet.rollout,
    fleet.houses.map((house) => house.name),
    settings.afterCanary,
  );

  const salt = `${project}/${stack}`;
  const grounds = new Map<string, Host>();
  const made = new Map<string, WizardHouse>();
  for (const { house, rendered } of plans) {
    const { name } = house;
    const [host, spec] = [hosts[house.host], fleet.hosts[house.host]];
    if (host === undefined || spec === undefined)
      throw new StackError([`house ${name} names the host ${house.host}, which the fleet lacks`]);
    const args = { host, house, rendered, harness: fleet.harness, salt, activation: settings.activation };
    const secrets = Object.entries(keys[name] ?? {}).map(([key, value]) => [key, pulumi.secret(value)]);
    const before = (order[name] ?? []).flatMap((other) => made.get(other) ?? []);
    // A host changes with the first of its houses and not earlier, so that a canary goes alone with its packages too.
    const ground =
      grounds.get(host.name) ??
      new Host(`${host.name}-host`, { host, packages: spec.packages, claimant: salt, after: before });
    grounds.set(host.name, ground);
    const after = [ground, ...before];
    made.set(name, new WizardHouse(name, { ...args, keys: Object.fromEntries(secrets), after }));
  }
  return Object.fromEntries([...made].map(([name, house]) => [name, house.summary]));
}

/** Read here and wrapped above: as an output, a missing key could only be told of after the first host was dialled. */
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
function explained<Result>(make: () => Result): Result {
  try {
    return make();
  } catch (error) {
    const expected = error instanceof FleetError || error instanceof KeysError || error instanceof StackError;
    throw expected ? new pulumi.RunError(error.message) : error;
  }
}
