/**
 * Loading `wizards/`: read everything, check everything, and return a fleet or every mistake at once.
 *
 * Layout: `fleet.yaml`; `harness/` with the harnesses' locks; `base/` with config.yaml, one overlay per environment, SOUL.md,
 * channel_aliases.json, skins/;
 * and a folder per house with house.yaml, config.yaml, SOUL.md, and where it wants them channel_aliases.json and skins/.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { backupProblems } from "./backup.ts";
import { deadmanKeyProblems } from "./deadman.ts";
import { deployHookFindings } from "./deploy-hook.ts";
import { hostProblems, type HealthPorts } from "./droplet.ts";
import { goldenLayer, overlay } from "./golden.ts";
import { harnessFacts, knownHarnessVersions } from "./harness/facts.ts";
import { readHarness } from "./harness/read.ts";
import { hermesProblems } from "./hermes-schema.ts";
import { houseFromData, houseProblems, sharedPlaceProblems } from "./house.ts";
import { jobProblems } from "./jobs.ts";
import { isMap, type Layer, mergeLayers } from "./merge.ts";
import {
  type BannedFamily,
  type DigitalOceanSpec,
  ENVIRONMENTS,
  type Environment,
  type HostSpec,
  type House,
  type HouseSources,
  type LoadedFleet,
} from "./model.ts";
import { mergePackages } from "./packages.ts";
import { FleetError, type Path, type Problem, valueProblem } from "./problem.ts";
import { scheduledProblems } from "./scheduled.ts";
import type { Finding } from "./rules/finding.ts";
import {
  configFindings,
  effectiveFindings,
  hostFindings,
  houseFindings,
  housePortClashes,
  type Rulebook,
  textFindings,
} from "./rules/model.ts";
import { checkSchema, type FleetData, fleetSchema, type HouseData, houseSchema } from "./schema.ts";
import {
  type DataFile,
  dataFolder,
  type DataFolder,
  placeOf,
  type Read,
  readText,
  readYaml,
} from "./yaml.ts";

/** Loads and checks a fleet. Throws a {@link FleetError} that lists every problem; reads nothing outside the folder. */
export function loadFleet(directory: string): LoadedFleet {
  const problems: Problem[] = [];
  const folder = keep(dataFolder(directory), problems);
  if (folder === undefined) throw new FleetError(problems);

  const fleetFile = keep(readYaml(folder, "fleet.yaml"), problems);
  const fleet = fleetFile && keep(checkSchema(fleetSchema, fleetFile), problems);
  if (fleetFile && fleet) problems.push(...fleetProblems(folder, fleetFile, fleet));

  const base = readBase(folder, problems);
  const read = houseNames(folder, fleet).map((name) => readHouse(folder, name, problems));
  if (fleet === undefined || !knownHarnessVersions().includes(fleet.harness.version))
    throw new FleetError(problems);

  const common: Rulebook = {
    ...{ banned: fleet.banned, policies: fleet.policies },
    facts: harnessFacts(fleet.harness.version),
  };
  const fleetHarness = fleetFile && readHarness(folder, fleetFile, fleet.harness, problems);
  if (fleetFile) {
    const at = (path: Path) => placeOf(fleetFile, ["hosts", ...path]);
    problems.push(...findingProblems(hostFindings(fleet.hosts, common), at));
  }
  problems.push(...proseProblems(folder, { "base/SOUL.md": base.soul }, common));
  const houses: { house: House; source: DataFile }[] = [];
  const sources: Record<string, HouseSources> = {};
  for (const { name, source, data, files } of read) {
    if (source === undefined || data === undefined) continue;
    const harness = data.harness ? readHarness(folder, source, data.harness, problems) : fleetHarness;
    if (harness === undefined) continue;
    const facts = harnessFacts(harness.version);
    const rules: Rulebook = { ...common, facts };
    const house = houseFromData(name, data, fleet, { facts, harness });
    houses.push({ house, source });
    problems.push(
      ...houseProblems(house, source, fleet, facts),
      ...scheduledIn(source, [], data.scheduled),
      ...backupIn(source, [], data.backup, fleet.defaults.backup?.recipients !== undefined),
    );
    const at = (path: Path) => placeOf(source, path);
    problems.push(...findingProblems(houseFindings(house, source.value, rules), at));
    const scripts = readScripts(folder, name, data, problems);
    data.jobs.forEach((job, index) => {
      const found = jobProblems(job, house, facts.platforms, scripts[job.script ?? ""]);
      for (const { path, message, value, allowed } of found) {
        problems.push(valueProblem(placeOf(source, ["jobs", index, ...path]), message, value, allowed));
      }
    });
    // What is derived from a wrong chain would only repeat its problems.
    if (house.providers.length === 0) continue;
    const config = mergeConfigs(base.layers, files.config, (merged) => {
      const at = (path: Path) => ({ ...merged.origin(path), path });
      const found = [
        ...hermesProblems(merged, house, facts),
        ...findingProblems(configFindings(merged.value, house, rules), at),
      ];
      // The golden layer goes on top of what is sound.
      if (found.length > 0) return found;
      const effective = overlay(merged.value, goldenLayer(fleet, house, merged.value, facts));
      return findingProblems(effectiveFindings(effective, rules), at);
    });
    problems.push(...config.problems);
    sources[name] = {
      config: config.value,
      soul: [base.soul, files.soul].map((text) => (text ?? "").trim()).join("\n\n") + "\n",
      skin: readSkin(folder, house.skin, name, placeOf(source, ["skin"]), problems),
      channelAliases: readAliases(folder, name, facts.platforms, problems),
      scripts,
    };
    const prose = { [`${name}/SOUL.md`]: files.soul, ...scriptFiles(name, scripts) };
    problems.push(...proseProblems(folder, prose, rules));
  }
  if (fleetFile && fleet.deployHook) {
    const found = deployHookFindings(
      present(fleet.deployHook),
      fleet.hosts,
      houses.map(({ house }) => house),
    );
    problems.push(...findingProblems(found, (path) => placeOf(fleetFile, ["deployHook", ...path])));
  }
  if (fleetFile) problems.push(...hostProblems(fleetFile, fleet, healthPorts(houses)));
  const clashes = housePortClashes(
    houses.map(({ house }) => house),
    common,
  );
  problems.push(...sharedPlaceProblems(houses, clashes));
  if (fleetFile) problems.push(...deadmanKeyProblems(houses, fleetFile));
  if (problems.length > 0) throw new FleetError(problems);
  return {
    banned: fleet.banned,
    policies: fleet.policies,
    hosts: Object.fromEntries(
      Object.entries(fleet.hosts).map(([name, data]) => [name, hostFromData(name, data, fleet)]),
    ),
    ...(fleet.digitalocean && { digitalocean: present(fleet.digitalocean) as DigitalOceanSpec }),
    rollout: fleet.rollout,
    houses: houses.map(({ house }) => house),
    ...(fleet.deployHook && { deployHook: present(fleet.deployHook) }),
    sources,
  };
}

/** @param data without {@link hostProblems} */
function hostFromData(name: string, data: FleetData["hosts"][string], fleet: FleetData): HostSpec {
  const packages = mergePackages(fleet.packages, data.packages);
  if (data.droplet !== undefined) return { name, packages, droplet: present(data.droplet) };
  const { address = "", port, user, hostKey } = data;
  return present({ name, address, port, user, hostKey, packages });
}

function healthPorts(houses: readonly { house: House }[]): HealthPorts {
  const ports: Record<string, number[]> = {};
  for (const { house } of houses) (ports[house.host] ??= []).push(house.ports.health);
  return ports;
}

/** What the rules go by, from fleet.yaml alone. Throws a {@link FleetError} on mistakes in it. */
export function loadRulebook(directory: string): Rulebook {
  const problems: Problem[] = [];
  const folder = keep(dataFolder(directory), problems);
  const file = folder && keep(readYaml(folder, "fleet.yaml"), problems);
  const fleet = file && keep(checkSchema(fleetSchema, file), problems);
  if (folder && file && fleet) problems.push(...fleetProblems(folder, file, fleet));
  if (fleet === undefined || problems.length > 0) throw new FleetError(problems);
  return { banned: fleet.banned, policies: fleet.policies, facts: harnessFacts(fleet.harness.version) };
}

interface Base {
  layers: Record<Environment, Layer[]>;
  soul: string | undefined;
}

function readBase(folder: DataFolder, problems: Problem[]): Base {
  const base = readLayer(folder, "base/config.yaml", problems);
  const layers = Object.fromEntries(
    ENVIRONMENTS.map((environment) => [
      environment,
      [base, readLayer(folder, `base/${environment}.yaml`, problems)].filter((layer) => layer !== undefined),
    ]),
  ) as Record<Environment, Layer[]>;
  return { layers, soul: readProse(folder, "base/SOUL.md", problems) };
}

interface ReadHouse {
  name: string;
  source: DataFile | undefined;
  data: HouseData | undefined;
  files: { config: Layer | undefined; soul: string | undefined };
}

function readHouse(folder: DataFolder, name: string, problems: Problem[]): ReadHouse {
  const source = keep(readYaml(folder, `${name}/house.yaml`), problems);
  return {
    name,
    source,
    data: source && keep(checkSchema(houseSchema, source), problems),
    files: {
      config: readLayer(folder, `${name}/config.yaml`, problems),
      soul: readProse(folder, `${name}/SOUL.md`, problems),
    },
  };
}

/** A YAML file whose top is a map; an empty file is an empty map. */
function readLayer(folder: DataFolder, name: string, problems: Problem[]): Layer | undefined {
  const source = keep(readYaml(folder, name), problems);
  if (source === undefined) return undefined;
  if (source.value === null) return { ...source, value: {} };
  if (isMap(source.value)) return { ...source, value: source.value };
  problems.push(valueProblem(placeOf(source, []), "has the wrong type", source.value, "a map"));
  return undefined;
}

function readProse(folder: DataFolder, name: string, problems: Problem[]): string | undefined {
  const text = keep(readText(folder, name), problems);
  if (text?.trim() !== "") return text;
  problems.push({ file: `${folder.label}/${name}`, path: "", message: "is empty", allowed: "Markdown text" });
  return undefined;
}

function mergeConfigs(
  base: Record<Environment, Layer[]>,
  own: Layer | undefined,
  check: (merged: ReturnType<typeof mergeLayers>) => Problem[],
): { value: HouseSources["config"]; problems: Problem[] } {
  const problems: Problem[] = [];
  const entries = ENVIRONMENTS.map((environment) => {
    const merged = mergeLayers([...base[environment], ...(own === undefined ? [] : [own])]);
    problems.push(...merged.problems, ...check(merged));
    return [environment, merged.value];
  });
  return { value: Object.fromEntries(entries) as HouseSources["config"], problems };
}

/** The house's own skin, or the one of that name in `base/`. */
function readSkin(
  folder: DataFolder,
  skin: string,
  house: string,
  place: Parameters<typeof valueProblem>[0],
  problems: Problem[],
): string {
  const name = [`${house}/skins/${skin}.yaml`, `base/skins/${skin}.yaml`].find((file) =>
    existsSync(join(folder.root, file)),
  );
  if (name === undefined) {
    const allowed = `the name of a file in ${folder.label}/${house}/skins/ or ${folder.label}/base/skins/`;
    problems.push(valueProblem(place, "is no skin", skin, allowed));
    return "";
  }
  const source = keep(readYaml(folder, name), problems);
  if (source === undefined) return "";
  const declared = isMap(source.value) ? source.value["name"] : undefined;
  if (declared !== skin) {
    problems.push(
      valueProblem(placeOf(source, ["name"]), "differs from the file's name", declared ?? null, skin),
    );
  }
  return keep(readText(folder, name), problems) ?? "";
}

/** Text of every script that a job of the house names, by file name. */
function readScripts(
  folder: DataFolder,
  house: string,
  data: HouseData,
  problems: Problem[],
): Record<string, string> {
  const names = [...new Set(data.jobs.flatMap(({ script }) => script ?? []))].sort();
  const read = names.map((name) => [name, keep(readText(folder, `${house}/scripts/${name}`), problems)]);
  return Object.fromEntries(read.filter(([, text]) => text !== undefined)) as Record<string, string>;
}

function scheduledIn(source: DataFile, at: Path, said: HouseData["scheduled"]): Problem[] {
  return scheduledProblems(said).map(({ path, message, value, allowed }) =>
    valueProblem(placeOf(source, [...at, "scheduled", ...path]), message, value, allowed),
  );
}

function backupIn(source: DataFile, at: Path, said: HouseData["backup"], recipients: boolean): Problem[] {
  return backupProblems(said, recipients).map(({ path, message, value, allowed }) =>
    valueProblem(placeOf(source, [...at, "backup", ...path]), message, value, allowed),
  );
}

function readAliases(
  folder: DataFolder,
  house: string,
  platforms: readonly string[],
  problems: Problem[],
): Record<string, Record<string, string>> {
  const names = ["base/channel_aliases.json"];
  if (existsSync(join(folder.root, `${house}/channel_aliases.json`)))
    names.push(`${house}/channel_aliases.json`);
  const layers = names
    .map((name) => readLayer(folder, name, problems))
    .filter((layer) => layer !== undefined);
  for (const layer of layers) {
    for (const [platform, chats] of Object.entries(layer.value)) {
      const place = { file: layer.file, line: layer.line([platform]), path: [platform] };
      if (!platforms.includes(platform)) {
        problems.push(valueProblem(place, "is no platform of the harness", platform, platforms.join(", ")));
      } else if (!isMap(chats) || !Object.values(chats).every((name) => typeof name === "string")) {
        problems.push(valueProblem(place, "has the wrong type", chats, "a map from chat ids to names"));
      }
    }
  }
  const merged = mergeLayers(layers);
  problems.push(...merged.problems);
  return merged.value as Record<string, Record<string, string>>;
}

/** Houses in rollout order; where fleet.yaml cannot say, the folders, so that their mistakes show as well. */
function houseNames(folder: DataFolder, fleet: FleetData | undefined): string[] {
  return fleet === undefined ? houseFolders(folder) : [...new Set(fleet.houses)];
}

/** Folders of the data that are no house's. */
const NOT_HOUSES = ["base", "harness"];

function houseFolders(folder: DataFolder): string[] {
  return readdirSync(folder.root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !NOT_HOUSES.includes(entry.name) && !entry.name.startsWith("."))
    .map((entry) => entry.name)
    .sort();
}

function fleetProblems(folder: DataFolder, source: DataFile, fleet: FleetData): Problem[] {
  const problems: Problem[] = [];
  const versions = knownHarnessVersions();
  if (!versions.includes(fleet.harness.version)) {
    const place = placeOf(source, ["harness", "version"]);
    problems.push(
      valueProblem(
        place,
        "is no harness version this program knows",
        fleet.harness.version,
        versions.join(", "),
      ),
    );
  }
  problems.push(...scheduledIn(source, ["defaults"], fleet.defaults.scheduled));
  // A fleet may leave it to its houses whom they are encrypted to.
  problems.push(...backupIn(source, ["defaults"], fleet.defaults.backup, true));
  fleet.houses.forEach((name, index) => {
    if (fleet.houses.indexOf(name) === index) return;
    problems.push(
      valueProblem(placeOf(source, ["houses", index]), "is listed twice", name, "every house once"),
    );
  });
  for (const name of houseFolders(folder)) {
    if (fleet.houses.includes(name)) continue;
    const allowed = "a folder per house, and every house listed: its place there is its place in a rollout";
    problems.push(
      valueProblem(
        placeOf(source, ["houses"]),
        `does not list the folder ${folder.label}/${name}/`,
        name,
        allowed,
      ),
    );
  }
  fleet.banned.forEach((family: BannedFamily, index) => {
    if ([family.providers, family.models, family.hosts, family.keys].some((list) => list.length > 0)) return;
    const allowed = "at least one of providers, models, hosts, keys";
    problems.push(
      valueProblem(placeOf(source, ["banned", index]), "matches nothing", family.family, allowed),
    );
  });
  return problems;
}

function scriptFiles(house: string, scripts: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(scripts).map(([script, text]) => [`${house}/scripts/${script}`, text]),
  );
}

/** What rules find in text, by file name. */
function proseProblems(
  folder: DataFolder,
  texts: Readonly<Record<string, string | undefined>>,
  rules: Rulebook,
): Problem[] {
  return Object.entries(texts).flatMap(([name, text]) =>
    findingProblems(textFindings(text ?? "", rules), (path) => ({ file: `${folder.label}/${name}`, path })),
  );
}

/** What rules found, with the file and line of each value. */
function findingProblems(
  findings: readonly Finding[],
  place: (path: Path) => { file: string; line?: number; path: Path },
): Problem[] {
  return findings.map(({ path, message, got, allowed }) => valueProblem(place(path), message, got, allowed));
}

/** Value of a successful read; the problems of a failed one are collected. */
function keep<T>(read: Read<T>, problems: Problem[]): T | undefined {
  if (read.ok) return read.value;
  problems.push(...read.problems);
  return undefined;
}

/** The same object without keys that are undefined. */
function present<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== undefined)) as never;
}
