/** Three real machines with a house each, and the fleet that an operator has of them. */

import { ensureTestbed, exec, reset, type Machine } from "../../testbed/index.ts";
import { FAULTS, plantFaults, type Fault } from "../hosts/faults.ts";
import { inside, makeHostFleet, type HostFleet } from "../hosts/fleet.ts";

/** House, and the host it stands on. */
const HOUSES = { bezalel: "forge", ezra: "tower", allegro: "cellar" } as const;
export type HouseName = keyof typeof HOUSES;
export const NAMES = Object.keys(HOUSES) as HouseName[];

/** Seconds, as in the stack's configuration: short, since every fault is waited for. */
export const DEADLINES = { healthDeadline: 12, revertAfter: 14, stableFor: 1, connectDeadline: 8 };

export interface House {
  name: HouseName;
  machine: Machine;
  /** Absolute path on its host. */
  path: string;
  unit: string;
  port: number;
  /** What a script says on its host; it must succeed. */
  host(script: string): Promise<string>;
  holds(script: string): Promise<boolean>;
}

export interface Ground {
  fleet: HostFleet;
  houses: House[];
  /** Every value that any key has or had. */
  secrets: string[];
  /** Makes another release of these houses, sound or with a fault. */
  change(houses: readonly House[], fault?: Fault): void;
  /** Gives every house another value of a key that all of them have. */
  rotate(): Promise<void>;
}

/** The key that is rotated. */
const ROTATED = "GITEA_TOKEN";

/**
 * Houses that are up and well.
 *
 * @param bed name of the test bed, whose machines are made anew
 */
export async function makeGround(bed: string): Promise<Ground> {
  const machines = await ensureTestbed({ count: NAMES.length, bed });
  await Promise.all(machines.map((machine) => reset(machine)));
  await Promise.all(machines.map((machine) => plantFaults(machine)));
  const fleet = await makeHostFleet(
    Object.fromEntries(NAMES.map((name, at) => [HOUSES[name], machines[at]!])),
  );
  fleet.edit("wizards/allegro/house.yaml", "host: tower", "host: cellar");
  // There is no way out of the bed, and a gateway that looks for Telegram in vain takes half a minute to be well.
  fleet.edit("wizards/allegro/config.yaml", "enabled: true", "enabled: false");
  for (const name of ["ezra", "allegro"]) {
    fleet.edit(`wizards/${name}/config.yaml`, "agent:\n", "agent:\n  max_turns: 100\n");
  }
  const settings = Object.entries(DEADLINES).map(([key, value]) => `  wizard-houses:${key}: "${value}"\n`);
  fleet.edit(
    "Pulumi.testbed.yaml",
    /^.*$/s,
    `config:\n  wizard-houses:environment: dev\n  wizard-houses:transport: ssh\n${settings.join("")}`,
  );

  const secrets: string[] = [];
  const set = async (names: readonly string[]): Promise<void> => {
    const pairs = names.flatMap((name) => {
      // Nothing that looks like a real key, which this environment refuses, and nothing else is like it.
      const value = `chaos-canary-of-${name.toLowerCase().replaceAll("_", "-")}-number-${secrets.length}`;
      secrets.push(value);
      return ["--secret", `wizard-houses:keys.${name}=${value}`];
    });
    const { code, stderr } = await fleet.run("pulumi", ["config", "set-all", "--path", ...pairs]);
    if (code !== 0) throw new Error(`keys cannot be set:\n${stderr}`);
  };
  await set(keysOf(fleet));

  let count = 0;
  const ground: Ground = {
    fleet,
    houses: NAMES.map((name, at) => houseOn(name, machines[at]!, fleet)),
    secrets,
    change(houses, fault) {
      for (const { name } of houses) {
        const turns = fault === undefined ? 100 + (++count % 400) : FAULTS[fault];
        // The count makes it another text where the same fault comes twice.
        fleet.edit(
          `wizards/${name}/config.yaml`,
          /max_turns: \d+( #.*)?/,
          `max_turns: ${turns} # ${++count}`,
        );
      }
    },
    rotate: () => set([ROTATED]),
  };
  const { code, stdout, stderr } = await fleet.run("up", ["--yes"]);
  if (code !== 0) throw new Error(`the houses do not come up:\n${stdout}${stderr}`);
  return ground;
}

/** The keys that any of the houses is given. */
function keysOf(fleet: HostFleet): string[] {
  const data = NAMES.map((name) => fleet.read(`wizards/${name}/house.yaml`)).join("");
  return [...new Set(data.match(/\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*_(?:API_KEY|TOKEN)\b/g))];
}

function houseOn(name: HouseName, machine: Machine, fleet: HostFleet): House {
  const port = Number(/health: (\d+)/.exec(fleet.read(`wizards/${name}/house.yaml`))?.[1]);
  return {
    ...{ name, machine, port },
    path: `/srv/wizards/${name}`,
    unit: `hermes-${name}.service`,
    host: (script) => inside(machine, script),
    holds: async (script) => (await exec(machine, script)).code === 0,
  };
}
