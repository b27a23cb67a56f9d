/** A copy of this checkout whose `wizards/` has as many houses as the bench asks for, all made from one real house. */
import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";

import { parse, stringify } from "yaml";

import { PROJECT, ROOT } from "../scripts/stack.ts";
import type { Machine } from "./machines.ts";

/** The house all others are made from. */
const MODEL = "bezalel";
/** Health ports of the houses of one machine count up from here. */
const FIRST_PORT = 8642;
export const STACK = "bench";

/** What the fleet has to know of a machine; without a host key nobody connects to it. */
export type Host = Pick<Machine, "name" | "address"> & Partial<Pick<Machine, "hostKey">>;

/** Names the houses `w001`, `w002`, … and deals them out to the machines in turn. */
export function dealHouses(
  houses: number,
  machines: readonly Host[],
): { name: string; machine: Host; port: number }[] {
  return Array.from({ length: houses }, (_, index) => ({
    name: `w${String(index + 1).padStart(3, "0")}`,
    machine: machines[index % machines.length]!,
    port: FIRST_PORT + Math.floor(index / machines.length),
  }));
}

/** Makes the copy in `dir`, which must not exist yet. The packages are shared with this checkout. */
export function makeProject(dir: string, houses: number, machines: readonly Host[]): void {
  const files = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: ROOT,
    encoding: "utf8",
  }).split("\0");
  for (const file of files) {
    if (file === "" || !existsSync(path.join(ROOT, file))) continue;
    mkdirSync(path.dirname(path.join(dir, file)), { recursive: true });
    cpSync(path.join(ROOT, file), path.join(dir, file), { verbatimSymlinks: true });
  }
  symlinkSync(path.join(ROOT, "node_modules"), path.join(dir, "node_modules"));
  writeFleet(path.join(dir, "wizards"), dealHouses(houses, machines), machines);
  const config = { environment: "prod", transport: "ssh" };
  const named = Object.entries(config).map(([key, value]) => [`${PROJECT}:${key}`, value]);
  writeFileSync(
    path.join(dir, `Pulumi.${STACK}.yaml`),
    stringify({ config: Object.fromEntries(named) as unknown }),
  );
}

function writeFleet(wizards: string, houses: ReturnType<typeof dealHouses>, machines: readonly Host[]): void {
  const fleetFile = path.join(wizards, "fleet.yaml");
  const fleet = parse(readFileSync(fleetFile, "utf8")) as Record<string, unknown>;
  writeFileSync(
    fleetFile,
    stringify({
      ...fleet,
      rollout: "parallel",
      houses: houses.map(({ name }) => name),
      hosts: Object.fromEntries(
        machines.map(({ name, address, hostKey }) => [name, { address, user: "root", hostKey }]),
      ),
    }),
  );
  for (const { name, machine, port } of houses) {
    const folder = path.join(wizards, name);
    cpSync(path.join(wizards, MODEL), folder, { recursive: true });
    const file = path.join(folder, "house.yaml");
    const text = readFileSync(file, "utf8").replaceAll(`/srv/wizards/${MODEL}/`, `/srv/wizards/${name}/`);
    const house = parse(text) as Record<string, unknown>;
    writeFileSync(file, stringify({ ...house, host: machine.name, ports: { health: port } }));
  }
  const wanted = new Set(["base", "fleet.yaml", ...houses.map(({ name }) => name)]);
  for (const name of readdirSync(wizards)) {
    if (!wanted.has(name)) rmSync(path.join(wizards, name), { recursive: true });
  }
}
