/**
 * The resource `Harnesses`: the agent harnesses of a host, each in a virtualenv of its own, installed from a lock and from
 * nothing else.
 *
 * They are one resource because an upgrade must delete none: in an update that goes on after errors, the engine deletes
 * what the program no longer has, also where a house that was skipped still refers to it, and then refuses its own state.
 */
import path from "node:path";

import { HARNESS_ROOT, harnessId, parseLock } from "../../fleet/harness/lock.ts";
import { CannotLook } from "../errors.ts";
import { noFacts, type Facts } from "../host/facts.ts";
import {
  RECORDABLE,
  type HarnessClaim,
  type HarnessesFacts,
  type HarnessState,
} from "../host/harness-facts.ts";
import { chooseWheels, type Wheel } from "../host/local-wheels.ts";
import { CLAIMANT } from "../host/package-facts.ts";
import type { Plan, Step } from "../host/steps.ts";
import type { Resource } from "../resource.ts";
import type { Failure } from "../schema/spec.ts";
import { CONNECTION } from "../schema/types.ts";
import type { Values } from "../values.ts";

interface Wanted {
  version: string;
  lock: string;
  houses: string[];
}
interface HarnessesInputs {
  harnesses: Record<string, Wanted>;
  claimant: string;
  wheels?: string;
  index?: string;
}
const harnessesInputs = (values: Values): HarnessesInputs => values as unknown as HarnessesInputs;

/** Guards all harnesses of a host: two of them share wheels and record. */
const LOCK = `${HARNESS_ROOT}/.lock`;
/** Seconds an installation may take: what is carried over, and byte code made of it. */
const DEADLINE = 1800;
/** Seconds another one is waited for. */
const PATIENCE = 900;

const INDEX = {
  expression: /^https?:\/\/[^\s"'\\]+$/,
  words: "a URL with https: or http: and without white space, quotes and backslashes",
};

type Readable = Extract<HarnessesFacts, { readable: true }>;

/** @throws CannotLook when the host's record could not be read */
function readable(facts: HarnessesFacts): Readable {
  if (!facts.readable) throw new CannotLook(facts.reason);
  return facts;
}

/** @throws CannotLook when its files could not be looked at */
function stateOf(id: string, { states }: Readable): HarnessState {
  const state = states.get(id);
  if (!state) throw new Error(`no fact was asked for about the harness ${id}`);
  if (state.kind === "unreadable")
    throw new CannotLook(`${HARNESS_ROOT}/${id}: it changed while it was looked at`);
  return state;
}

function words(state: HarnessState): string {
  if (state.kind === "absent") return "(on the host: absent)";
  if (state.kind === "half") return "(on the host: its installation was cut off)";
  return state.kind === "changed" ? `(on the host: changed since it was installed: ${state.what})` : "";
}

/** What the record has down for this resource. */
const ours = ({ claimant }: HarnessesInputs, { claims }: Readable): HarnessClaim[] =>
  claims.filter(({ by }) => by === claimant);
const housesOf = (id: string, claims: readonly HarnessClaim[]): string[] =>
  claims.filter((claim) => claim.id === id).map(({ house }) => house);
/** Harnesses that the record has down for it, and that it no longer wants. */
const surplus = ({ harnesses }: HarnessesInputs, claims: readonly HarnessClaim[]): string[] =>
  [...new Set(claims.map(({ id }) => id))].filter((id) => !Object.hasOwn(harnesses, id));

const same = (one: readonly string[], other: readonly string[]): boolean =>
  JSON.stringify([...one].sort()) === JSON.stringify([...other].sort());

/** All are built before any takes its place. */
function installations(inputs: HarnessesInputs, ids: string[], facts: Readable): Step[] {
  const { harnesses, wheels: folder, index } = inputs;
  if (ids.length === 0) return [];
  const sent = new Map<string, Step>();
  const builds = ids.map((id): Step => {
    const { version, lock } = harnesses[id]!;
    const build = { do: "build-harness", id, lock } as const;
    if (folder === undefined) return { ...build, ...(index !== undefined && { index }) };
    const { packages } = parseLock(lock, version);
    const chosen = chooseWheels(path.resolve(folder), packages, facts.wheels, facts.machine);
    const stored = ({ name, sha256 }: Wheel): string => `${sha256}.${name}`;
    for (const wheel of chosen) {
      const { file, name, sha256, bytes } = wheel;
      if (file !== undefined) sent.set(stored(wheel), { do: "wheel", file, name, sha256, bytes });
    }
    return { ...build, wheels: chosen.map(stored) };
  });
  const places = ids.map((id): Step => ({ do: "place-harness", id }));
  return [...sent.values(), ...builds, { do: "commit" }, ...places];
}

function stepsFor(inputs: HarnessesInputs, facts: Readable): Step[] {
  const { harnesses, claimant: by } = inputs;
  const ids = Object.keys(harnesses).sort();
  const claims = ours(inputs, facts);
  const missing = ids.filter((id) => stateOf(id, facts).kind !== "whole");
  const unnoted = ids.filter((id) => !same(housesOf(id, claims), harnesses[id]!.houses));
  const steps: Step[] = [
    ...installations(inputs, missing, facts),
    ...[...unnoted, ...surplus(inputs, claims)].map((id): Step => ({
      do: "want-harness",
      id,
      by,
      houses: harnesses[id]?.houses ?? [],
    })),
  ];
  return steps.length === 0 ? [] : [...steps, { do: "prune-harnesses" }];
}

const planOf = (steps: Step[]): Plan => ({ lock: LOCK, steps, deadline: DEADLINE, patience: PATIENCE });

export const harnesses: Resource = {
  spec: {
    description:
      "The agent harnesses of a host, each in a virtualenv of its own, of root's, installed from a lock. One is removed when no release of a house runs with it any more.",
    inputProperties: {
      host: CONNECTION,
      harnesses: {
        type: "object",
        additionalProperties: { $ref: "#/types/host:index:Harness" },
        description: "Harnesses by id: the version and the beginning of the SHA-256 of the lock.",
      },
      claimant: {
        type: "string",
        description: "Whom the host's record has them down for, e.g. `wizard-houses/prod`.",
        pattern: CLAIMANT,
      },
      wheels: {
        type: "string",
        description:
          "Folder of this machine with the wheels, which are carried to the host; relative to the Pulumi project or absolute.",
      },
      index: {
        type: "string",
        description:
          "URL of the package index that the host installs from; what the host's pip is set up with if neither this nor `wheels` is given.",
        pattern: INDEX,
      },
    },
    requiredInputs: ["host", "harnesses", "claimant"],
    properties: {},
  },
  replaceOn: ["host.name", "claimant"],
  complete(given) {
    const failures: Failure[] = [];
    if (given["wheels"] !== undefined && given["index"] !== undefined)
      failures.push({ path: ["wheels"], reason: "must not be given together with index" });
    const completed = Object.entries(given["harnesses"] as Record<string, Values>).map(([id, one]) => {
      const at = ["harnesses", id];
      const { version, lock, houses } = one;
      if (typeof version === "string" && typeof lock === "string") {
        const { problems } = parseLock(lock, version);
        failures.push(
          ...problems.map(({ line, message, value, allowed }): Failure => {
            const place = line === undefined ? "" : `line ${line} `;
            const got = value === undefined ? "" : ` (${value})`;
            return { path: [...at, "lock"], reason: `${place}${message}${got}; allowed: ${allowed}` };
          }),
        );
        const is = harnessId(version, lock);
        if (is !== id)
          failures.push({ path: at, reason: `must be called ${is}, after its version and lock` });
      }
      (Array.isArray(houses) ? houses : []).forEach((house, index) => {
        if (typeof house === "string" && !RECORDABLE.expression.test(house))
          failures.push({ path: [...at, "houses", index], reason: `must be ${RECORDABLE.words}` });
      });
      return [id, { ...one, installed: true }] as const;
    });
    return { inputs: { ...given, harnesses: Object.fromEntries(completed) }, failures };
  },
  id: (inputs) =>
    `${(inputs["host"] as Values)["name"] as string}:harnesses:${harnessesInputs(inputs).claimant}`,
  request: (inputs, old) => ({
    ...noFacts,
    // Without any it is still asked what the record says.
    harnesses: [inputs, ...(old ? [old] : [])].flatMap((values) =>
      Object.keys(harnessesInputs(values).harnesses),
    ),
  }),
  observe(state, { harnesses: found }: Facts) {
    // In a folder that stands for a host nothing is installed: what is wanted is taken as given.
    if (!found) return { ...state, replaced: [] };
    const facts = readable(found);
    const inputs = harnessesInputs(state.inputs);
    const claims = ours(inputs, facts);
    const declared = state.inputs["harnesses"] as Record<string, Values>;
    const seen = Object.entries(inputs.harnesses).map(([id, { houses }]): [string, Values] => {
      const there = stateOf(id, facts);
      const noted = housesOf(id, claims);
      return [
        id,
        {
          ...declared[id],
          houses: same(noted, houses) ? houses : noted,
          installed: there.kind === "whole" ? true : words(there),
        },
      ];
    });
    const more = surplus(inputs, claims).map((id): [string, Values] => [id, { noted: true }]);
    return {
      inputs: { ...state.inputs, harnesses: Object.fromEntries([...seen, ...more]) },
      outputs: state.outputs,
      replaced: [],
    };
  },
  preview: () => ({}),
  reconcile: (values, _old, { harnesses: found }) => ({
    plan: planOf(found ? stepsFor(harnessesInputs(values), readable(found)) : []),
    outputs: {},
  }),
  remove(state, { harnesses: found }) {
    if (!found) return planOf([]);
    const inputs = harnessesInputs(state.inputs);
    const claimed = [...new Set(ours(inputs, readable(found)).map(({ id }) => id))];
    return planOf([
      ...claimed.map((id): Step => ({ do: "want-harness", id, by: inputs.claimant, houses: [] })),
      { do: "prune-harnesses" },
      { do: "remove-lock", path: LOCK },
    ]);
  },
};
