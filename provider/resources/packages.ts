/** The resource `Packages`: Debian packages that must be on a host. */
import { PACKAGE_NAME } from "../../fleet/packages.ts";
import { CannotLook } from "../errors.ts";
import { CLAIMANT, type PackageFact, type PackageFacts } from "../host/package-facts.ts";
import { noFacts, type Facts } from "../host/facts.ts";
import type { PackageStep } from "../host/package-steps.ts";
import type { Resource } from "../resource.ts";
import type { Failure } from "../schema/spec.ts";
import { CONNECTION } from "../schema/types.ts";
import type { Values } from "../values.ts";
import { LEAVE, SYSTEM_LOCK } from "./system.ts";

interface Wanted {
  version?: string;
  held: boolean;
}
interface PackagesInputs {
  claimant: string;
  packages: Record<string, Wanted>;
}
const packagesInputs = (values: Values): PackagesInputs => values as unknown as PackagesInputs;

/** Seconds that locks of others are waited for: an upgrade by the host itself is usually done by then. */
const LOCK_WAIT = 120;
/** Seconds an installation may take: the wait, and the downloads. */
const DEADLINE = 1200;

type Readable = Extract<PackageFacts, { readable: true }>;

/** @throws CannotLook when dpkg or the record could not be read */
function readable(facts: PackageFacts): Readable {
  if (!facts.readable) throw new CannotLook(facts.reason);
  return facts;
}

/** What is to be done about one wanted package. */
interface Need {
  fact: PackageFact;
  install: boolean;
  hold: boolean;
  unhold: boolean;
  /** Ours by the record, but not for this resource: what another one gives back must stay. */
  claim: ("installed" | "held")[];
}

function needOf(name: string, wanted: Wanted, claimant: string, facts: Readable): Need {
  const fact = facts.found.get(name);
  if (!fact) throw new Error(`no fact was asked for about the package ${name}`);
  const notes = facts.notes.filter((note) => note.name === name);
  const noted = (what: "installed" | "held"): boolean =>
    notes.some((note) => note.what === what && note.by === claimant);
  const held = fact.kind === "present" && fact.held;
  const claim: Need["claim"] = [];
  const ours = fact.kind === "present" && notes.some(({ what }) => what !== "held");
  if (ours && !noted("installed")) claim.push("installed");
  const holdIsOurs = !held || notes.some(({ what }) => what === "held");
  if (wanted.held && holdIsOurs && !noted("held")) claim.push("held");
  const install = fact.kind === "absent" || fact.status !== "installed" || otherVersion(fact, wanted);
  return {
    fact,
    install,
    // apt forgets a hold when it changes the version.
    hold: wanted.held && (!held || install),
    unhold: !wanted.held && (held || noted("held")),
    claim,
  };
}

function otherVersion(fact: Extract<PackageFact, { kind: "present" }>, wanted: Wanted): boolean {
  return wanted.version !== undefined && wanted.version !== fact.version;
}

/** Packages the record has down for this resource, which it no longer wants. */
function surplus({ claimant, packages }: PackagesInputs, { notes }: Readable): string[] {
  const claimed = notes.filter((note) => note.what !== "dependency" && note.by === claimant);
  return [...new Set(claimed.map(({ name }) => name))].filter((name) => !Object.hasOwn(packages, name));
}

function needs(inputs: PackagesInputs, facts: Readable): [name: string, wanted: Wanted, need: Need][] {
  return Object.entries(inputs.packages).map(([name, wanted]) => [
    name,
    wanted,
    needOf(name, wanted, inputs.claimant, facts),
  ]);
}

function stepsFor(inputs: PackagesInputs, facts: Readable): PackageStep[] {
  const all = needs(inputs, facts);
  const which = (pick: (need: Need) => boolean): string[] =>
    all.filter(([, , need]) => pick(need)).map(([name]) => name);
  const rest = { by: inputs.claimant, wait: LOCK_WAIT };
  const steps: PackageStep[] = [
    { do: "unhold-packages", packages: which((need) => need.unhold), ...rest },
    {
      do: "install-packages",
      packages: all
        .filter(([, , need]) => need.install)
        .map(([name, { version }]) => (version === undefined ? name : `${name}=${version}`)),
      ...rest,
    },
    ...(["installed", "held"] as const).map((what): PackageStep => {
      const packages = which((need) => need.claim.includes(what));
      return { do: "claim-packages", what, packages, by: inputs.claimant };
    }),
    { do: "hold-packages", packages: which((need) => need.hold), wait: LOCK_WAIT },
    { do: "give-back-packages", packages: surplus(inputs, facts), ...rest },
  ];
  return steps.filter(({ packages }) => packages.length > 0);
}

/** What was found in place of what was declared; undefined if it is absent. */
function seenAs(declared: Values, wanted: Wanted, need: Need): Values | undefined {
  const { fact } = need;
  if (fact.kind === "absent") return undefined;
  const differs = fact.status !== "installed" || fact.held !== wanted.held || otherVersion(fact, wanted);
  const todo = need.install || need.hold || need.unhold || need.claim.length > 0;
  return {
    ...declared,
    held: fact.held,
    ...(wanted.version !== undefined && { version: fact.version }),
    ...(fact.status !== "installed" && { status: fact.status }),
    // The package is as wanted, and only the record is not right about it.
    ...(todo && !differs && { noted: false }),
  };
}

export const packages: Resource = {
  spec: {
    description:
      "Debian packages that must be on a host. Removed on destroy only where they were not there before.",
    inputProperties: {
      host: CONNECTION,
      packages: {
        type: "object",
        additionalProperties: { $ref: "#/types/host:index:Package" },
        description: "Packages by name.",
      },
      claimant: {
        type: "string",
        description:
          "Whom the host's record has them down for, e.g. `wizard-houses/prod`. A package of ours stays until nobody wants it, so each resource of a host has a name of its own.",
        pattern: CLAIMANT,
      },
    },
    requiredInputs: ["host", "packages", "claimant"],
    properties: {},
  },
  replaceOn: ["host.name", "claimant"],
  complete(inputs) {
    const failures = Object.keys((inputs["packages"] as Values | undefined) ?? {})
      .filter((name) => !PACKAGE_NAME.expression.test(name))
      .map((name): Failure => ({ path: ["packages", name], reason: `must be ${PACKAGE_NAME.words}` }));
    return { inputs, failures };
  },
  id: (inputs) =>
    `${(inputs["host"] as Values)["name"] as string}:packages:${packagesInputs(inputs).claimant}`,
  request: (inputs, old) => ({
    ...noFacts,
    packages: [inputs, ...(old ? [old] : [])].flatMap((values) =>
      Object.keys(packagesInputs(values).packages),
    ),
  }),
  observe(state, { packages: found }: Facts) {
    // In a folder that stands for a host nothing is installed: what is wanted is taken as given.
    if (!found) return { ...state, replaced: [] };
    const facts = readable(found);
    const inputs = packagesInputs(state.inputs);
    const declared = state.inputs["packages"] as Record<string, Values>;
    const seen = needs(inputs, facts).flatMap(([name, wanted, need]): [string, Values][] => {
      const found = seenAs(declared[name]!, wanted, need);
      return found ? [[name, found]] : [];
    });
    const more = surplus(inputs, facts).map((name): [string, Values] => [name, { noted: true }]);
    return {
      inputs: { ...state.inputs, packages: Object.fromEntries([...seen, ...more]) },
      outputs: state.outputs,
      replaced: [],
    };
  },
  preview: () => ({}),
  reconcile: (inputs, _old, { packages: facts }) => ({
    plan: {
      lock: SYSTEM_LOCK,
      steps: facts ? stepsFor(packagesInputs(inputs), readable(facts)) : [],
      deadline: DEADLINE,
    },
    outputs: {},
  }),
  remove(state, { packages: facts }) {
    const none: PackagesInputs = { ...packagesInputs(state.inputs), packages: {} };
    const steps = facts ? [...stepsFor(none, readable(facts)), LEAVE] : [];
    return { lock: SYSTEM_LOCK, steps, deadline: DEADLINE };
  },
};
