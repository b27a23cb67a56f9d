/** One house: from what house.yaml says to the model, and the checks that need more than its own file's shape. */
import { backupSettings } from "./backup.ts";
import { cronProblems } from "./cron.ts";
import type { HarnessFacts } from "./harness/facts.ts";
import { agentJob } from "./jobs.ts";
import { HARNESS_ROOT } from "./harness/lock.ts";
import type { BannedFamily, Harness, House, ProviderEntry } from "./model.ts";
import { type Path, type Problem, valueProblem } from "./problem.ts";
import { reachProblems } from "./reach.ts";
import { bannedKey, bannedMessage, bannedModel, bannedProvider, bannedUrl } from "./rules/banned-names.ts";
import type { PortClash } from "./rules/ports.ts";
import { scheduledSettings } from "./scheduled.ts";
import type { FleetData, HouseData } from "./schema.ts";
import { type DataFile, placeOf } from "./yaml.ts";

/** Providers beside the harness's registry: its aggregator, and any OpenAI-compatible endpoint. */
const SPECIAL_KEYS: Record<string, string[]> = { openrouter: ["OPENROUTER_API_KEY"], custom: [] };

/** Fills in defaults: path, account, keys of providers, ids of jobs. */
export function houseFromData(
  name: string,
  data: HouseData,
  fleet: FleetData,
  { facts, harness }: { facts: HarnessFacts; harness: Harness },
): House {
  const user = data.user ?? `wizard-${name}`;
  const providers = data.providers.map((entry): ProviderEntry => {
    const keyEnv = entry.keyEnv ?? keysOf(entry.provider, facts)?.[0];
    return {
      provider: entry.provider,
      model: entry.model,
      ...(entry.baseUrl === undefined ? {} : { baseUrl: entry.baseUrl }),
      ...(keyEnv === undefined ? {} : { keyEnv }),
    };
  });
  const backup = backupSettings(fleet.defaults.backup, data.backup);
  return {
    name,
    host: data.host,
    role: data.role,
    path: data.path ?? `/srv/wizards/${name}`,
    user,
    ports: data.ports,
    providers,
    toolsets: data.toolsets,
    skin: data.skin,
    keys: data.keys,
    cron: data.cron.map((entry) => ({ ...entry, user: entry.user ?? user })),
    jobs: data.jobs.map((job) => agentJob(name, job, providers)),
    deadman: settings(fleet.defaults.deadman, data.deadman),
    requestLog: settings(fleet.defaults.requestLog, data.requestLog),
    scheduled: scheduledSettings(fleet.defaults.scheduled, data.scheduled),
    ...(backup !== undefined && { backup }),
    sandbox: data.sandbox,
    harness,
    adopt: data.adopt,
  };
}

/** Everything wrong with one house as such. */
export function houseProblems(
  house: House,
  source: DataFile,
  fleet: FleetData,
  facts: HarnessFacts,
): Problem[] {
  const problems: Problem[] = [];
  const report: Report = (path, message, value, allowed) => {
    problems.push(valueProblem(placeOf(source, path), message, value, allowed));
  };
  if (!Object.hasOwn(fleet.hosts, house.host)) {
    report(["host"], "is no host of the fleet", house.host, Object.keys(fleet.hosts).join(", "));
  }
  chainProblems(house, facts, report);
  house.toolsets.forEach((toolset, index) => {
    if (facts.toolsets.includes(toolset)) return;
    report(["toolsets", index], "is no toolset of the harness", toolset, facts.toolsets.join(", "));
  });
  const reach = { user: house.user, folders: [`${house.path}/home`, ...house.sandbox.write] };
  house.cron.forEach((entry, index) => {
    for (const { path, message, got, allowed } of [...cronProblems(entry), ...reachProblems(entry, reach)]) {
      report(["cron", index, ...path], message, got, allowed);
    }
  });
  for (const list of ["cron", "jobs"] as const) {
    const names = house[list].map((entry) => entry.name);
    names.forEach((name, index) => {
      if (names.indexOf(name) < index)
        report([list, index, "name"], "is used twice", name, "every name once");
    });
  }
  sandboxProblems(house, report);
  if (overlaps(house.path, HARNESS_ROOT) || overlaps(house.path, house.harness.venv))
    report(
      ["path"],
      "overlaps the harness",
      house.path,
      `folders outside ${HARNESS_ROOT} and ${house.harness.venv}`,
    );
  bannedProblems(house, fleet.banned, report);
  return problems;
}

type Report = (path: Path, message: string, value: unknown, allowed: string) => void;

function chainProblems(house: House, facts: HarnessFacts, report: Report): void {
  house.providers.forEach((entry, index) => {
    const path: Path = ["providers", index];
    const keys = keysOf(entry.provider, facts);
    if (keys === undefined) {
      const allowed = [...Object.keys(SPECIAL_KEYS), ...Object.keys(facts.providers)].sort().join(", ");
      report([...path, "provider"], "is no provider of the harness", entry.provider, allowed);
    } else if (entry.keyEnv !== undefined && keys.length > 0 && !keys.includes(entry.keyEnv)) {
      report([...path, "keyEnv"], `is not read for ${entry.provider}`, entry.keyEnv, keys.join(", "));
    }
    if (entry.provider === "custom" && entry.baseUrl === undefined) {
      report(
        [...path, "baseUrl"],
        "is missing",
        undefined,
        "the URL of the endpoint, e.g. http://127.0.0.1:8080/v1",
      );
    }
    if (entry.provider !== "custom" && entry.baseUrl !== undefined) {
      report(
        [...path, "baseUrl"],
        "is only for provider custom",
        entry.baseUrl,
        "nothing: the harness knows the URL",
      );
    }
    const earlier = house.providers.slice(0, index);
    if (earlier.some((other) => sameEntry(other, entry))) {
      report(path, "stands in the chain twice", `${entry.provider} ${entry.model}`, "every link once");
    }
  });
}

function sandboxProblems(house: House, report: Report): void {
  const { write, allow } = house.sandbox;
  allow.forEach((name, index) => {
    if (allow.indexOf(name) < index)
      report(["sandbox", "allow", index], "stands twice", name, "every name once");
  });
  write.forEach((folder, index) => {
    const path: Path = ["sandbox", "write", index];
    // Below a folder the agent writes to it could plant a link, which root would follow.
    if (write.slice(0, index).some((other) => overlaps(other, folder)))
      report(path, "is inside another folder of the list, or the other way round", folder, "folders apart");
    if (overlaps(house.path, folder))
      report(
        path,
        "overlaps the house itself",
        folder,
        `folders outside ${house.path}: its home is writable anyway`,
      );
    if (overlaps(house.harness.venv, folder))
      report(path, "overlaps the harness", folder, `folders outside ${house.harness.venv}`);
  });
}

function bannedProblems(house: House, banned: readonly BannedFamily[], report: Report): void {
  const judge = (path: Path, family: BannedFamily | undefined, value: string): void => {
    if (family === undefined) return;
    report(path, bannedMessage(family), value, "another family");
  };
  house.providers.forEach((entry, index) => {
    const at = (key: string): Path => ["providers", index, key];
    judge(at("provider"), bannedProvider(banned, entry.provider), entry.provider);
    judge(at("model"), bannedModel(banned, entry.model), entry.model);
    if (entry.baseUrl !== undefined) judge(at("baseUrl"), bannedUrl(banned, entry.baseUrl), entry.baseUrl);
    if (entry.keyEnv !== undefined) judge(at("keyEnv"), bannedKey(banned, entry.keyEnv), entry.keyEnv);
  });
  house.jobs.forEach((job, index) => {
    judge(["jobs", index, "provider"], bannedProvider(banned, job.provider), job.provider);
    judge(["jobs", index, "model"], bannedModel(banned, job.model), job.model);
  });
  house.keys.forEach((key, index) => judge(["keys", index], bannedKey(banned, key), key));
}

/**
 * Two houses of one host must not share a port, an account or a folder (or one inside the other), nor write there.
 *
 * @param clashes the ports that are claimed twice or reserved
 */
export function sharedPlaceProblems(
  houses: readonly { house: House; source: DataFile }[],
  clashes: readonly PortClash[],
): Problem[] {
  const problems: Problem[] = [];
  const sourceOf = (name: string): DataFile | undefined =>
    houses.find(({ house }) => house.name === name)?.source;
  for (const { claim, taken } of clashes) {
    const source = sourceOf(claim.house);
    if (source === undefined) continue;
    const here = placeOf(source, ["ports", claim.service]);
    const other = taken === "reserved" ? undefined : sourceOf(taken.house);
    if (taken === "reserved" || other === undefined) {
      const allowed = "a port that policies.ports-unique in fleet.yaml does not reserve";
      problems.push(valueProblem(here, "is reserved", claim.port, allowed));
      continue;
    }
    const there = placeOf(other, ["ports", taken.service]);
    const message = `is taken on host ${claim.host} by ${taken.house} (${there.file}:${there.line})`;
    problems.push(valueProblem(here, message, claim.port, "one of its own per house of a host"));
  }
  houses.forEach(({ house, source }, index) => {
    for (const { house: other, source: otherSource } of houses.slice(0, index)) {
      if (other.host !== house.host) continue;
      const report = (path: Path, value: unknown): void => {
        const place = placeOf(otherSource, path);
        const where = place.line === undefined ? place.file : `${place.file}:${place.line}`;
        const message = `is taken on host ${house.host} by ${other.name} (${where})`;
        problems.push(
          valueProblem(placeOf(source, path), message, value, "one of its own per house of a host"),
        );
      };
      if (overlaps(other.path, house.path)) report(["path"], house.path);
      if (other.user === house.user) report(["user"], house.user);
    }
  });
  return [...problems, ...foreignHouseProblems(houses)];
}

/** What a house may write to must not be another house, wherever in the fleet's order that one stands. */
function foreignHouseProblems(houses: readonly { house: House; source: DataFile }[]): Problem[] {
  return houses.flatMap(({ house, source }) =>
    house.sandbox.write.flatMap((folder, index) => {
      const place = placeOf(source, ["sandbox", "write", index]);
      return houses
        .filter(({ house: other }) => other !== house && other.host === house.host)
        .filter(({ house: other }) => overlaps(other.path, folder))
        .map(({ house: other }) =>
          valueProblem(place, `overlaps the house ${other.name}`, folder, `folders outside ${other.path}`),
        );
    }),
  );
}

function overlaps(a: string, b: string): boolean {
  return `${a}/`.startsWith(`${b}/`) || `${b}/`.startsWith(`${a}/`);
}

/** Variables the harness reads a provider's key from; `undefined` for a provider it does not have. */
function keysOf(provider: string, facts: HarnessFacts): string[] | undefined {
  if (Object.hasOwn(SPECIAL_KEYS, provider)) return SPECIAL_KEYS[provider];
  return Object.hasOwn(facts.providers, provider) ? facts.providers[provider]?.keys : undefined;
}

function sameEntry(a: ProviderEntry, b: ProviderEntry): boolean {
  return a.provider === b.provider && a.model === b.model && a.baseUrl === b.baseUrl;
}

export { isLocal } from "./rules/chain.ts";

/** Defaults overridden by what a house says; a key it leaves out is the default's. */
function settings<T extends object>(defaults: T, own: { [K in keyof T]?: T[K] | undefined }): RequiredOf<T> {
  const said = Object.entries(own).filter(([, value]) => value !== undefined);
  const all = Object.entries({ ...defaults, ...Object.fromEntries(said) }).filter(
    ([, value]) => value !== undefined,
  );
  return Object.fromEntries(all) as RequiredOf<T>;
}

/** Under exactOptionalPropertyTypes: the same keys, none of them explicitly undefined. */
type RequiredOf<T> = { [K in keyof T]: Exclude<T[K], undefined> };
