/** What really is on the hosts, looked at from inside and without any of the tools, and whether it is what was wanted. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";

import { ROOT } from "../scripts/stack.ts";
import { inside, type Machine } from "./machines.ts";
import type { WantedHouse } from "./wanted.ts";

/** One line of text by thing, e.g. `path /srv/wizards/w001` → `folder 0750 root wizard-w001`. */
export type Fingerprint = Record<string, string>;

const SCRIPT = readFileSync(path.join(ROOT, "bench", "host", "fingerprint.py"), "utf8");

/** What the houses' machines have in the place of everything that is managed, by machine. */
export async function fingerprints(
  machines: Machine[],
  houses: WantedHouse[],
): Promise<Record<string, Fingerprint>> {
  const all: Record<string, Fingerprint> = {};
  await Promise.all(
    machines.map(async (machine) => {
      const here = houses.filter((house) => house.host === machine.name);
      const asked = {
        paths: here.flatMap(pathsOf),
        packages: here.flatMap(({ packages }) => packages),
        accounts: here.map(({ account }) => account.name),
        units: Object.fromEntries(here.map(({ unit, health }) => [unit, health])),
      };
      const answer = await inside(machine, ["python3", "-c", SCRIPT], JSON.stringify(asked));
      all[machine.name] = JSON.parse(answer) as Fingerprint;
    }),
  );
  return all;
}

/** The fingerprint a machine has when all its houses are as wanted. */
export function expectedFingerprint(houses: WantedHouse[]): Fingerprint {
  const entries = houses.flatMap((house): [string, string][] => [
    ...house.folders.map((folder): [string, string] => [
      `path ${folder.path}`,
      `folder ${attributes(folder)}`,
    ]),
    ...house.files.map(({ content, ...file }): [string, string] => {
      const digest = createHash("sha256").update(content).digest("hex");
      return [`path ${file.path}`, `file ${attributes(file)} ${digest}`];
    }),
    ...[house.current, ...house.links].map((link): [string, string] => [
      `path ${link.path}`,
      `link to ${link.target}`,
    ]),
    ...house.packages.map((name): [string, string] => [`package ${name}`, "installed"]),
    [`account ${house.account.name}`, accountText(house)],
    [`unit ${house.unit}`, "active, health 200"],
  ]);
  return Object.fromEntries(entries);
}

/** One line for each thing of `wanted` that is another in `found`; none if they are equal. */
export function differences(wanted: Fingerprint, found: Fingerprint): string[] {
  return Object.entries(wanted)
    .filter(([thing, text]) => found[thing] !== text)
    .map(([thing, text]) => `${thing}: ${found[thing] ?? "not looked at"}, wanted ${text}`);
}

/** Everything on the machines that is not as the houses want it. */
export async function hostDifferences(machines: Machine[], houses: WantedHouse[]): Promise<string[]> {
  const found = await fingerprints(machines, houses);
  return machines.flatMap(({ name }) => {
    const wanted = expectedFingerprint(houses.filter((house) => house.host === name));
    return differences(wanted, found[name] ?? {}).map((line) => `${name}: ${line}`);
  });
}

function pathsOf(house: WantedHouse): string[] {
  return [...house.folders, ...house.files, house.current, ...house.links].map((item) => item.path);
}

const attributes = ({ mode, owner, group }: { mode: string; owner: string; group: string }): string =>
  `${mode} ${owner} ${group}`;

const accountText = ({ account: { name, home, shell, comment } }: WantedHouse): string =>
  `group ${name} home ${home} shell ${shell} comment ${comment}`;
