/** Pure: what the engine's events say about the houses, and the exit code that follows. */
import { createHash } from "node:crypto";
import path from "node:path";

import { CANNOT_LOOK } from "../provider/errors.ts";
import type { EngineEvent, ResourceState, Step } from "./events.ts";
import { formatPropertyPath, parsePropertyPath, valueAt } from "./property-path.ts";

/** One property that is not what the program says. Values are ready to print. */
export interface Drift {
  house: string;
  /** The part of the house, e.g. `golden-state`; where none is named, the kind of thing, e.g. `files`. */
  aspect: string;
  /** File, link, unit or cron file; empty for what concerns the house as a whole. */
  file: string;
  property: string;
  got: string;
  want: string;
}

/** A house that could not be looked at. */
export interface Unreachable {
  house: string;
  reason: string;
}

export interface Failure {
  /** Empty for what concerns no house, e.g. an error in the program. */
  house: string;
  message: string;
}

export interface Findings {
  drift: Drift[];
  unreachable: Unreachable[];
  /** Violations of mandatory policies. */
  policy: Failure[];
  /** Everything else that went wrong, follow-up messages of the engine left out. */
  failures: Failure[];
  /** Houses the engine compared. */
  houses: number;
  /** Files, links, units and cron files of these houses. */
  files: number;
}

const RELEASE = "host:index:Release";
const HOUSE = "fleet:index:WizardHouse";
/** Maps of a release whose entries have a name of their own. */
const COLLECTIONS = ["files", "links", "directories", "units", "cron", "layout"];
/** Steps that change something, as opposed to looking, or to being a half of a `replace`. */
const CHANGES = new Set(["create", "update", "delete", "replace"]);

/** Messages by which the engine reports once more what it has reported, or what follows from it. */
const FOLLOW_UPS = [
  /registration isn't pending/,
  /^(update|preview|destroy|refresh) (failed|canceled)$/,
  /^resource monitor shut down/,
  /^one or more (operations|resource)/i,
];

export function findingsOf(events: readonly EngineEvent[]): Findings {
  const steps = events.flatMap((event) => (event.resourcePreEvent ? [event.resourcePreEvent.metadata] : []));
  const houseOf = houseResolver(steps);
  const unreachable = unreachableHouses(events, houseOf);
  const blind = new Set(unreachable.map((entry) => entry.house));
  const releases = steps.filter(
    (step) => step.type === RELEASE && step.new !== null && step.op !== "refresh",
  );
  return {
    drift: distinct(changesOf(steps).flatMap((step) => driftOf(step, houseOf, blind))),
    unreachable,
    policy: distinct(
      events.flatMap(({ policyEvent }) =>
        policyEvent?.enforcementLevel === "mandatory"
          ? [
              {
                house: policyEvent.resourceUrn ? houseOf(policyEvent.resourceUrn) : "",
                message: `${policyEvent.policyName}: ${tidy(policyEvent.message)}`,
              },
            ]
          : [],
      ),
    ),
    failures: failuresOf(events, houseOf, blind),
    houses: new Set(releases.map((step) => step.urn)).size,
    files: releases.reduce((sum, step) => sum + countEntries(step.new), 0),
  };
}

/** 0 clean, 7 drift, 4 a house could not be looked at, 5 policy, 1 anything else; the graver one wins. */
export function exitCodeOf(findings: Findings): number {
  if (findings.policy.length > 0) return 5;
  if (findings.failures.length > 0) return 1;
  if (findings.unreachable.length > 0) return 4;
  return findings.drift.length > 0 ? 7 : 0;
}

/** Maps a resource to its house: the nearest WizardHouse above it, else what its inputs or its name say. */
function houseResolver(steps: readonly Step[]): (urn: string) => string {
  const states = new Map<string, ResourceState>();
  for (const step of steps) {
    const state = step.new ?? step.old;
    if (state) states.set(step.urn, state);
  }
  return (urn) => {
    for (let at: string | undefined = urn; at; at = states.get(at)?.parent) {
      if (typeOf(at) === HOUSE) return nameOf(at);
    }
    const inputs = states.get(urn)?.inputs;
    if (typeof inputs?.house === "string") return path.posix.basename(inputs.house);
    const host = valueAt(inputs, ["host", "name"]);
    return typeof host === "string" ? host : nameOf(urn);
  };
}

/** `urn:pulumi:dev::wizard-houses::fleet:index:WizardHouse$host:index:Release::ezra-release` */
const nameOf = (urn: string): string => urn.slice(urn.lastIndexOf("::") + 2);
const typeOf = (urn: string): string => (urn.split("::")[2] ?? "").split("$").at(-1) ?? "";

function unreachableHouses(events: readonly EngineEvent[], houseOf: (urn: string) => string): Unreachable[] {
  const found = events.flatMap(({ diagnosticEvent }) =>
    diagnosticEvent?.urn && diagnosticEvent.message.includes(CANNOT_LOOK)
      ? [{ house: houseOf(diagnosticEvent.urn), reason: tidy(diagnosticEvent.message) }]
      : [],
  );
  // A house is named once, however many of its resources share its fate.
  return [...new Map(found.reverse().map((entry) => [entry.house, entry])).values()].reverse();
}

function failuresOf(
  events: readonly EngineEvent[],
  houseOf: (urn: string) => string,
  blind: ReadonlySet<string>,
): Failure[] {
  const failures = events.flatMap(({ diagnosticEvent, errorEvent }) => {
    if (errorEvent) return [{ house: "", message: tidy(errorEvent.error) }];
    if (diagnosticEvent?.severity !== "error") return [];
    return [
      {
        house: diagnosticEvent.urn ? placeOf(diagnosticEvent.urn, houseOf) : "",
        message: tidy(diagnosticEvent.message),
      },
    ];
  });
  return distinct(
    failures.filter(
      ({ house, message }) =>
        !blind.has(house) && message !== "" && !FOLLOW_UPS.some((pattern) => pattern.test(message)),
    ),
  );
}

/** Errors of the program carry the stack's own URN, which is no house. */
const placeOf = (urn: string, houseOf: (urn: string) => string): string =>
  typeOf(urn) === "pulumi:pulumi:Stack" ? "" : houseOf(urn);

/** A component has no drift of its own: it is mentioned only where nothing on a host differs. */
function changesOf(steps: readonly Step[]): Step[] {
  const changes = steps.filter((step) => CHANGES.has(step.op));
  const onHosts = changes.filter((step) => (step.new ?? step.old)?.custom === true);
  return onHosts.length > 0 ? onHosts : changes;
}

function driftOf(step: Step, houseOf: (urn: string) => string, blind: ReadonlySet<string>): Drift[] {
  // The stack and the provider are the engine's own bookkeeping and stand for nothing on a host.
  if (/^pulumi:(pulumi|providers):/.test(step.type)) return [];
  const house = houseOf(step.urn);
  const whole = (property: string, got: string, want: string): Drift[] => [
    {
      house,
      aspect: step.type === RELEASE ? "release" : (step.type.split(":").at(-1) ?? ""),
      file: "",
      property,
      got,
      want,
    },
  ];
  if (step.op === "create") return whole("exists", "absent", "present");
  if (step.op === "delete") return whole("exists", "present", "absent");
  const keys = Object.keys(step.detailedDiff ?? {});
  if (keys.length > 0) return keys.map((key) => propertyDrift(step, key, house));
  if (blind.has(house)) return [];
  if ((step.old?.initErrors ?? []).length > 0) return whole("last update", "failed", "succeeded");
  return whole("inputs", "different", "as in the program");
}

function propertyDrift(step: Step, key: string, house: string): Drift {
  const property = parsePropertyPath(key);
  const [top = key, name] = property;
  const got = valueAt(step.old?.inputs, property);
  const want = valueAt(step.new?.inputs, property);
  if (typeof name !== "string" || !COLLECTIONS.includes(String(top))) {
    const isContents = property.at(-1) === "content";
    return {
      house,
      aspect: String(top),
      file: "",
      property: formatPropertyPath(property),
      ...shown(got, want, isContents),
    };
  }
  const part =
    valueAt(step.new?.inputs, [top, name, "part"]) ?? valueAt(step.old?.inputs, [top, name, "part"]);
  const rest = property.slice(2);
  return {
    house,
    aspect: typeof part === "string" ? part : String(top),
    file: name,
    property: rest.length === 0 ? "exists" : formatPropertyPath(rest),
    ...(rest.length === 0
      ? { got: presence(got), want: presence(want) }
      : shown(got, want, rest.at(-1) === "content")),
  };
}

const presence = (value: unknown): string => (value === undefined || value === null ? "absent" : "present");

function shown(got: unknown, want: unknown, isContents: boolean): { got: string; want: string } {
  // Masks are equal; that the values are not is why there is a difference to report.
  if (isSecret(got) && isSecret(want)) return { got: "[another secret]", want: "[secret]" };
  const show = isContents ? showContents : showValue;
  return { got: show(got), want: show(want) };
}

const LONGEST = 100;

/** On one line, without control characters: values come from hosts. Masked secrets stay masked. */
function showValue(value: unknown): string {
  if (value === undefined || value === null) return "absent";
  if (isSecret(value)) return "[secret]";
  const text =
    typeof value === "string" && /^[\x20-\x7e]+$/.test(value) ? value : escapeText(JSON.stringify(value));
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

/** Contents are named by hash and size: a file that is not secret may hold a key somebody pasted into it. */
function showContents(value: unknown): string {
  if (typeof value !== "string") return showValue(value);
  if (/^\(.*\)$/.test(value) && value.length <= LONGEST) return escapeText(value);
  return `sha256 ${createHash("sha256").update(value).digest("hex").slice(0, 12)}…, ${Buffer.byteLength(value)} bytes`;
}

/** The engine's mark of a secret value in JSON. */
const SECRET_MARK = "4dabf18193072939515e22adb298388d";
const isSecret = (value: unknown): boolean =>
  typeof value === "object" && value !== null && SECRET_MARK in value;

/** Makes text from a host harmless on a terminal. */
export function escapeText(text: string): string {
  return text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Takes the engine's colour marks and surrounding blanks off a message. */
function tidy(message: string): string {
  return escapeText(message.replace(/<\{%[^%]*%\}>/g, "").replace(/\r/g, "")).trim();
}

function countEntries(state: ResourceState | null): number {
  return COLLECTIONS.filter((collection) => collection !== "directories").reduce(
    (sum, collection) => sum + Object.keys((state?.inputs?.[collection] as object | undefined) ?? {}).length,
    0,
  );
}

function distinct<T>(items: readonly T[]): T[] {
  return [...new Map(items.map((item) => [JSON.stringify(item), item])).values()];
}
