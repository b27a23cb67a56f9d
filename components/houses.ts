/** The houses of a fleet, and the hosts that they stand on. */
import * as pulumi from "@pulumi/pulumi";

import { DEADMAN_SHAPES, deadmanKeys } from "../fleet/deadman.ts";
import { renderHouse, type LoadedFleet } from "../fleet/index.ts";
import type { House, RenderedHouse } from "../fleet/model.ts";
import type { Connection } from "../provider/sdk.ts";
import { BACKUP_NEEDED } from "./backup/part.ts";
import type { Rented } from "./digital-ocean.ts";
import { Host, type HarnessFrom } from "./host.ts";
import { rolloutOrder } from "./rollout.ts";
import { resolveKeys, type HouseKeys } from "./secrets.ts";
import { StackError, type StackSettings } from "./stack.ts";
import { neededKeys, WizardHouse } from "./wizard-house.ts";

/** A house with all that is known of it before anything is made. */
export interface HousePlan {
  house: House;
  rendered: RenderedHouse;
  /** Value of every key it needs, by name; a secret. */
  keys: Record<string, pulumi.Output<string>>;
}

/**
 * What each house is to be, in the order of the roll-out. `configured` is the configuration object `wizard-houses:keys`,
 * parsed. Makes no resource. Throws a `FleetError` or a `KeysError` where the data do not fit.
 */
export function planHouses(fleet: LoadedFleet, settings: StackSettings, configured: unknown): HousePlan[] {
  const plans = fleet.houses.map((house) => ({
    house,
    rendered: renderHouse(fleet, house, settings.environment),
  }));
  const keys = resolveKeys({
    configured,
    houses: plans.map(({ house, rendered }) => ({
      name: house.name,
      keys: neededKeys(house, rendered),
      shapes: Object.fromEntries(
        deadmanKeys(house.deadman).map(({ secret, key }) => [key, DEADMAN_SHAPES[secret]]),
      ),
    })),
    dev: settings.placeholders,
  });
  return plans.map((plan) => ({ ...plan, keys: asSecrets(keys[plan.house.name]) }));
}

export interface HousesArgs {
  fleet: LoadedFleet;
  settings: StackSettings;
  plans: HousePlan[];
  /** How this stack reaches the hosts that are there already, by name. */
  hosts: Record<string, Connection>;
  /** The hosts that are rented, by name. */
  rented: Record<string, Rented>;
  /** Whom a host's records have things down for, one name per stack. Example: `wizard-houses/prod`. */
  claimant: string;
}

/** Makes the houses by name, each after those it waits for, and each host with the first of its houses. */
export function makeHouses(args: HousesArgs): Map<string, WizardHouse> {
  const { fleet, settings, plans, hosts, rented, claimant } = args;
  const names = plans.map(({ house }) => house.name);
  const order = rolloutOrder(fleet.rollout, names, settings.afterCanary);
  const harnessFrom = harnessSource(settings);
  const grounds = new Map<string, Host>();
  const made = new Map<string, WizardHouse>();
  for (const { house, rendered, keys } of plans) {
    const { connection: host, machine } = rented[house.host] ?? { connection: hosts[house.host] };
    const spec = fleet.hosts[house.host];
    if (host === undefined || spec === undefined)
      throw new StackError([`house ${house.name} names the host ${house.host}, which the fleet lacks`]);
    const on = { host, ...(machine && { machine }) };
    const before = (order[house.name] ?? []).flatMap((other) => made.get(other) ?? []);
    const neighbours = fleet.houses.filter((other) => other.host === house.host);
    // A host changes with the first of its houses and not earlier, so that a canary goes alone with its packages too.
    const ground =
      grounds.get(host.name) ??
      new Host(`${host.name}-host`, {
        ...{ ...on, packages: spec.packages, claimant, after: before, harnessFrom, houses: neighbours },
        ...(neighbours.some((one) => one.backup) && { needed: BACKUP_NEEDED }),
      });
    grounds.set(host.name, ground);
    const about = { house, rendered, keys, salt: claimant, activation: settings.activation };
    made.set(house.name, new WizardHouse(house.name, { ...on, ...about, after: [ground, ...before] }));
  }
  return made;
}

const asSecrets = (values: HouseKeys[string] = {}): HousePlan["keys"] =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, pulumi.secret(value)]));

/** The URL is a secret whether the configuration says so or not. */
function harnessSource({ harnessWheels: wheels, harnessIndex: index }: StackSettings): HarnessFrom {
  return {
    ...(wheels !== undefined && { wheels }),
    ...(index !== undefined && { index: pulumi.secret(index) }),
  };
}
