/**
 * The final state every tool of the bench has to reach, item by item: what our own program and provider make of a house,
 * told in words that an Ansible role and a pyinfra deploy understand as well.
 */
import { spawnSync } from "node:child_process";

import { bytesOf } from "../fleet/project-file.ts";
import {
  current,
  currentTarget,
  HARNESS,
  layoutPath,
  marker,
  markerContent,
  releaseFiles,
  releaseFolder,
  releaseInputs,
  wantedLinks,
  wantsLink,
  type Attributes,
} from "../provider/resources/release/layout.ts";
import { packages as packagesResource } from "../provider/resources/packages.ts";
import { release as releaseResource } from "../provider/resources/release/release.ts";
import { user as userResource } from "../provider/resources/user.ts";
import { checkObject } from "../provider/schema/spec.ts";
import { types } from "../provider/schema/types.ts";
import type { Resource } from "../provider/resource.ts";
import type { Values } from "../provider/values.ts";
import { PROJECT } from "../scripts/stack.ts";
import { STACK } from "./project.ts";
import type { DeclaredResource } from "./resources.ts";

export interface WantedFolder extends Attributes {
  path: string;
}

export interface WantedFile extends WantedFolder {
  content: string;
}

export interface WantedLink {
  path: string;
  target: string;
}

/** The comment field of accounts that our provider makes. */
const ACCOUNT_COMMENT = "wizard house";

/** A house with everything that is managed of it. Paths are absolute on the host. */
export interface WantedHouse {
  name: string;
  /** Name of the machine it stands on. */
  host: string;
  path: string;
  /** Debian packages its host must have. The first house of each host tells them, for all of them. */
  packages: string[];
  account: { name: string; home: string; shell: string; comment: string };
  /** The release's id, as in `releases/<id>`. */
  release: string;
  /** Parents before children. */
  folders: WantedFolder[];
  files: WantedFile[];
  /** What `current` must point at: the switch. */
  current: WantedLink;
  /** Links that reach through `current`, and the release's own to its harness. */
  links: WantedLink[];
  unit: string;
  /** URL on the host that answers 200 while the gateway is well. */
  health: string;
}

/** Evaluates the program in `project` with these keys. Throws an `Error` on a resource the bench cannot describe. */
export function wantedHouses(project: string, keys: Record<string, string>): WantedHouse[] {
  const resources = declaredResources(project, keys);
  const known = ["host:index:Packages", "host:index:User", "host:index:Release"];
  const unknown = resources.filter(({ type }) => !known.includes(type));
  if (unknown.length > 0) {
    const names = [...new Set(unknown.map(({ type }) => type))].join(", ");
    throw new Error(
      `the program declares ${names}, which bench/wanted.ts does not describe to the other tools: add it there, to bench/ansible and to bench/pyinfra`,
    );
  }
  const ofType = (resource: Resource, type: string): Map<string, Values> =>
    new Map(
      resources
        .filter((declared) => declared.type === type)
        .map((declared) => [declared.name, completed(resource, declared)]),
    );
  const packages = ofType(packagesResource, "host:index:Packages");
  const accounts = ofType(userResource, "host:index:User");
  return [...ofType(releaseResource, "host:index:Release")].map(([release, values]) => {
    const name = release.replace(/-release$/, "");
    const account = accounts.get(`${name}-user`);
    if (account === undefined) throw new Error(`house ${name} has no account`);
    const house = wantedHouse(project, name, values, account);
    const theirs = packages.get(`${house.host}-packages`);
    packages.delete(`${house.host}-packages`);
    return { ...house, packages: theirs === undefined ? [] : packageNames(theirs) };
  });
}

/** Versions and holds are not told to the other tools: no house of the bench asks for them. */
function packageNames(values: Values): string[] {
  const wanted = values["packages"] as Record<string, { version?: string; held?: boolean }>;
  const special = Object.entries(wanted).filter(
    ([, { version, held }]) => version !== undefined || held === true,
  );
  if (special.length > 0)
    throw new Error(`the bench knows of no versions and holds of packages: ${special.join(", ")}`);
  return Object.keys(wanted).sort();
}

function declaredResources(project: string, keys: Record<string, string>): DeclaredResource[] {
  const start = `const { load } = await import("./toolchain/load.mjs"); await (await load("bench/resources.ts", ["@pulumi/*"])).main(load)`;
  const config = { environment: "prod", transport: "ssh", keys: JSON.stringify(keys) };
  const named = Object.entries(config).map(([key, value]) => [`${PROJECT}:${key}`, value]);
  const child = spawnSync(process.execPath, ["--input-type=module", "-e", start], {
    cwd: project,
    encoding: "utf8",
    input: JSON.stringify({ project: PROJECT, stack: STACK, config: Object.fromEntries(named) as unknown }),
    maxBuffer: 1024 * 1024 * 1024,
  });
  if (child.status !== 0) throw new Error(`the program cannot be evaluated:\n${child.stderr}`);
  return JSON.parse(child.stdout) as DeclaredResource[];
}

/** Inputs as the provider's own `check` completes them. */
function completed(resource: Resource, { name, inputs }: DeclaredResource): Values {
  const { inputProperties, requiredInputs } = resource.spec;
  const checked = checkObject(
    { properties: inputProperties, required: requiredInputs },
    types,
    inputs as Values,
  );
  const { inputs: all, failures } = resource.complete(checked.values);
  const problems = [...checked.failures, ...failures];
  if (problems.length > 0)
    throw new Error(
      `${name}: ${problems.map(({ path: at, reason }) => `${at.join(".")} ${reason}`).join("; ")}`,
    );
  return all;
}

function wantedHouse(
  project: string,
  name: string,
  values: Values,
  account: Values,
): Omit<WantedHouse, "packages"> {
  const inputs = releaseInputs(values);
  const { house, release, directories } = inputs;
  const unit = inputs.health?.unit;
  const running = Object.keys(inputs.units).filter((one) => inputs.units[one]!.running);
  if (unit === undefined || inputs.health?.http === undefined || running.join() !== unit) {
    throw new Error(
      `house ${name}: the bench knows of one running unit, which answers on a URL, not of ${running.join(", ")}`,
    );
  }
  const mark = inputs.layout[".wizard-house"]!;
  const folders = [
    ...Object.entries(inputs.layout)
      .filter(([key]) => key !== ".wizard-house")
      .map(([key, attributes]) => ({ path: layoutPath(inputs, key), ...attributes })),
    ...Object.entries(directories).map(([key, attributes]) => ({ path: `${house}/${key}`, ...attributes })),
  ];
  return {
    name,
    host: (values["host"] as { name: string }).name,
    path: house,
    account: {
      name: account["user"] as string,
      home: account["home"] as string,
      shell: account["shell"] as string,
      comment: ACCOUNT_COMMENT,
    },
    release,
    folders: folders
      .map(({ path, mode, owner, group }) => ({ path, mode, owner, group }))
      .sort((a, b) => (a.path < b.path ? -1 : 1)),
    files: [
      { path: marker(house), ...attributesOf(mark), content: markerContent(inputs) },
      ...releaseFiles(inputs).map((file) => ({
        path: `${releaseFolder(house, release)}/${file.name}`,
        ...attributesOf(file),
        content: bytesOf(file, project).toString("utf8"),
      })),
    ],
    current: { path: current(house), target: currentTarget(release) },
    links: [
      ...(inputs.harness === undefined
        ? []
        : [{ path: `${releaseFolder(house, release)}/${HARNESS}`, target: inputs.harness }]),
      ...wantedLinks(inputs).map(({ path, target }) => ({ path, target })),
      ...Object.entries(inputs.units)
        .filter(([, { enabled }]) => enabled)
        .map(([key, { wantedBy }]) => ({ path: wantsLink(key, wantedBy), target: `../${key}` })),
    ],
    unit,
    health: inputs.health.http,
  };
}

const attributesOf = ({ mode, owner, group }: Attributes): Attributes => ({ mode, owner, group });
