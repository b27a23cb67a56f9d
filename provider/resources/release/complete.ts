/** What follows from a release's inputs: computed paths, rendered cron files, the release id, and what makes no sense. */
import { createHmac } from "node:crypto";

import { cronProblems, renderCronFile, type CronEntry } from "../../../fleet/cron.ts";
import { digestOf, type FileContent } from "../../../fleet/project-file.ts";
import { isRevertUnit, revertUnit, revertUnitName } from "../../host/revert.ts";
import type { Failure } from "../../schema/spec.ts";
import { patterns } from "../../schema/types.ts";
import { hasUnknown, UNKNOWN, type Path, type Value, type Values } from "../../values.ts";
import { contentFailures } from "../owned-files.ts";
import { cronPath, HARNESS, layoutOf, releaseInputs, unitPath } from "./layout.ts";

/** Names at the top of a release that the layout needs for itself. */
const RESERVED_IN_RELEASE = ["units", "cron", HARNESS];
const RESERVED_IN_HOUSE = [
  "releases",
  "current",
  "known-good",
  "rejected",
  "revoked",
  "pending",
  "pending.new",
  "pending.done",
  "displaced",
  ".restoring",
  ".wizard-house",
  ".lock",
];

/** JSON with sorted keys: equal content gives equal text, whatever order the program wrote it in. */
function canonical(value: Value): string {
  if (typeof value === "symbol") throw new Error("an unknown value has no canonical text");
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(",")}}`;
}

/** `part` is a label for reports; renaming it must not make a new release. */
function withoutParts(section: Values): Values {
  return Object.fromEntries(
    Object.entries(section).map(([key, entry]) => {
      if (typeof entry !== "object" || entry === null || Array.isArray(entry)) return [key, entry];
      const { part: _part, ...rest } = entry;
      return [key, rest];
    }),
  );
}

/** What a file holds counts, not how that is said. */
function byDigest(files: Values): Values {
  return Object.fromEntries(
    Object.entries(files).map(([name, file]) => {
      const { content: _content, source: _source, ...rest } = file as Values;
      return [name, { ...rest, sha256: digestOf(file as unknown as FileContent) }];
    }),
  );
}

/**
 * The id of a release: 16 hex digits over names, modes, owners and contents, keyed with the stack's salt, so that equal
 * releases of two stacks have different ids and an id tells nothing about a secret that is part of it.
 */
export function releaseId(inputs: Values): Value {
  const parts: Values = {};
  for (const section of ["files", "links", "units", "cron", "directories"]) {
    parts[section] = withoutParts((inputs[section] as Values | undefined) ?? {});
  }
  for (const key of ["group", "check", "health"]) parts[key] = inputs[key] ?? null;
  if (inputs["harness"] !== undefined) parts["harness"] = inputs["harness"];
  if (hasUnknown(parts) || inputs["salt"] === UNKNOWN) return UNKNOWN;
  parts["files"] = byDigest(parts["files"] as Values);
  return createHmac("sha256", inputs["salt"] as string)
    .update(canonical(parts))
    .digest("hex")
    .slice(0, 16);
}

function pathProblem(name: string): string | undefined {
  if (name === "" || name.startsWith("/")) return "must be a path inside the house, without a leading /";
  if (name.split("/").some((part) => part === "" || part === "." || part === "..")) {
    return "must not have empty, . or .. parts";
  }
  if (/[\u0000-\u001f\u007f]/.test(name)) return "must not have control characters";
  return undefined;
}

function checkNames(section: Values, at: string, reserved: string[], failures: Failure[]): void {
  for (const name of Object.keys(section)) {
    const problem = pathProblem(name);
    if (problem !== undefined) failures.push({ path: [at, name], reason: problem });
    else if (reserved.includes(name.split("/")[0]!)) {
      failures.push({
        path: [at, name],
        reason: `must not be under ${reserved.join(", ")}: the layout uses these`,
      });
    }
  }
}

/** Fills in group, mode and computed properties; reports names and cron entries that cannot be. */
export function complete(given: Values): { inputs: Values; failures: Failure[] } {
  const failures: Failure[] = [];
  const section = (key: string): Values => (given[key] as Values | undefined) ?? {};
  const group = given["group"] ?? UNKNOWN;
  const each = (key: string, defaults: (name: string, entry: Values) => Values): Values =>
    Object.fromEntries(
      Object.entries(section(key)).map(([name, entry]) => [
        name,
        typeof entry === "object" && entry !== null ? defaults(name, entry as Values) : entry,
      ]),
    );

  checkNames(section("files"), "files", RESERVED_IN_RELEASE, failures);
  failures.push(...contentFailures(section("files")));
  checkNames(section("links"), "links", RESERVED_IN_HOUSE, failures);
  checkNames(section("directories"), "directories", RESERVED_IN_HOUSE, failures);
  for (const name of Object.keys(section("units"))) {
    if (!patterns.unit.expression.test(name))
      failures.push({ path: ["units", name], reason: `must be ${patterns.unit.words}` });
  }
  const targets = new Set(Object.keys(section("files")));
  for (const [name, link] of Object.entries(section("links"))) {
    const target = (link as Values)["target"];
    if (typeof target === "string" && !targets.has(target)) {
      failures.push({
        path: ["links", name, "target"],
        reason: `names ${target}, which is not a file of this release`,
      });
    }
  }

  if (given["harness"] !== undefined) targets.add(HARNESS);
  for (const [name, unit] of Object.entries(section("units"))) {
    const restartOn = (unit as Values)["restartOn"];
    (Array.isArray(restartOn) ? restartOn : []).forEach((file, index) => {
      if (typeof file === "string" && !targets.has(file))
        failures.push({
          path: ["units", name, "restartOn", index],
          reason: `names ${file}, which is not a file of this release`,
        });
    });
  }

  // Removing one is removing all it holds: what is not deep down is no folder of one house's.
  ((given["traces"] as Value[] | undefined) ?? []).forEach((folder, index) => {
    if (typeof folder === "string" && !patterns.deep.expression.test(folder))
      failures.push({ path: ["traces", index], reason: `must be ${patterns.deep.words}` });
  });

  const inputs: Values = {
    ...given,
    ...completeHealth(given["health"], Object.keys(section("units")), failures),
    keep: given["keep"] ?? 3,
    revertAfter: given["revertAfter"] ?? 120,
    // Every release is wanted confirmed; a host may say otherwise.
    confirmed: true,
    ...(given["jobs"] !== undefined && { jobs: { ...(given["jobs"] as Values), merged: true } }),
    traces: given["traces"] ?? [],
    links: section("links"),
    files: each("files", (_, file) => ({ mode: "0640", group, ...file })),
    directories: each("directories", (_, folder) => ({ group, ...folder })),
    units: each("units", (name, unit) => ({
      restartOn: [],
      running: unit["enabled"] ?? true,
      ...unit,
      path: unitPath(name),
    })),
    cron: each("cron", (name, file) => ({
      ...file,
      content: cronContent(name, file, failures),
      path: cronPath(name),
    })),
  };
  if (inputs["health"] !== undefined) inputs["units"] = withRevertUnit(inputs);
  // Names that are no paths have no folders, and what is not known yet has no group.
  if (failures.length === 0 && group !== UNKNOWN)
    inputs["layout"] = layoutOf(releaseInputs(inputs)) as unknown as Values;
  inputs["release"] = failures.length > 0 ? UNKNOWN : releaseId(inputs);
  return { inputs, failures };
}

/** A house whose switches are confirmed has a unit that reverts an unconfirmed one at boot, before its others start. */
function withRevertUnit(inputs: Values): Values {
  const house = inputs["house"];
  if (typeof house !== "string") return inputs["units"] as Values;
  const name = revertUnitName(house);
  const { [name]: _former, ...units } = inputs["units"] as Values;
  const unit: Values = {
    content: revertUnit(house, Object.keys(units)),
    ...{ enabled: true, running: false, wantedBy: "multi-user.target", restartOn: [] },
    ...{ path: unitPath(name), part: "release" },
  };
  return { ...units, [name]: unit };
}

/** Health belongs to one unit, which goes without saying where there is one. */
function completeHealth(health: Value | undefined, units: string[], failures: Failure[]): Values {
  if (typeof health !== "object" || health === null || Array.isArray(health)) return {};
  const others = units.filter((name) => !isRevertUnit(name));
  const unit = health["unit"] ?? (others.length === 1 ? others[0]! : undefined);
  if (unit === undefined || (typeof unit === "string" && !units.includes(unit))) {
    const words = units.length === 0 ? "the release has none" : `one of ${units.join(", ")}`;
    failures.push({ path: ["health", "unit"], reason: `must name the unit whose health it is: ${words}` });
  }
  if (health["user"] === undefined && (health["heartbeat"] ?? health["probe"]) !== undefined)
    failures.push({
      path: ["health", "user"],
      reason: "is needed with heartbeat and probe: who may read them",
    });
  const { stableFor, deadline } = health;
  if (typeof stableFor === "number" && typeof deadline === "number" && stableFor >= deadline)
    failures.push({
      path: ["health", "stableFor"],
      reason: `is ${stableFor} s, which no unit can have run within the deadline of ${deadline} s; allowed: less`,
    });
  return { health: { ...health, ...(unit !== undefined && { unit }) } };
}

function cronContent(name: string, file: Values, failures: Failure[]): Value {
  const at: Path = ["cron", name];
  // Debian's cron ignores files whose names have other characters, dots above all.
  if (!/^[A-Za-z0-9_-]+$/.test(name))
    failures.push({ path: at, reason: "must have only letters, digits, _ and -: cron ignores others" });
  if (hasUnknown(file)) return UNKNOWN;
  const entries = file["entries"] as unknown as CronEntry[];
  const problems = entries.flatMap((entry, index) =>
    cronProblems(entry).map((problem) => ({
      path: [...at, "entries", index, ...problem.path],
      reason: `${problem.message}; allowed: ${problem.allowed}`,
    })),
  );
  const names = new Set<string>();
  for (const [index, entry] of entries.entries()) {
    if (names.has(entry.name))
      problems.push({ path: [...at, "entries", index, "name"], reason: `repeats ${entry.name}` });
    names.add(entry.name);
  }
  failures.push(...problems);
  return problems.length > 0 ? UNKNOWN : renderCronFile(entries);
}
