/** Pure: what the engine's events say about the houses, and the exit code that follows. */
import { createHash } from "node:crypto";

import { AGENTS_OWN, BACKUPS, CANNOT_LOOK } from "../provider/errors.ts";
import { CHANGES, type EngineEvent, type ResourceState, type Step } from "./events.ts";
import { escapeText, isFollowUp, lines, tidy } from "./messages.ts";
import { Places, typeOf } from "./places.ts";
import { formatPropertyPath, parsePropertyPath, valueAt } from "./property-path.ts";
import { looksOf, type Unreachable } from "./unreachable.ts";

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

export interface Failure {
  /** Empty for what concerns no house, e.g. an error in the program. */
  house: string;
  message: string;
}

export interface Findings {
  drift: Drift[];
  unreachable: Unreachable[];
  /** Could not be looked at before the update, which reached them: no failure. */
  reached: Unreachable[];
  /** What agents keep that the fleet's rules forbid, or that there is no recent backup of: nothing that `up` puts right. */
  agents: Failure[];
  /** Violations of mandatory policies. */
  policy: Failure[];
  /** Everything else that went wrong, follow-up messages of the engine left out. */
  failures: Failure[];
  /** Names of the houses the program came to; others were left out, as behind one that failed. */
  visited: string[];
  /** Houses the engine compared. */
  houses: number;
  /** Files, links, units and cron files of these houses. */
  files: number;
}

const RELEASE = "host:index:Release";
const UNIT = "host:index:Unit";
/** Maps of a release whose entries have a name of their own. */
export const COLLECTIONS: readonly string[] = [
  "files",
  "links",
  "directories",
  "units",
  "cron",
  "layout",
  "packages",
  "harnesses",
];

export function findingsOf(events: readonly EngineEvent[]): Findings {
  const steps = events.flatMap((event) => (event.resourcePreEvent ? [event.resourcePreEvent.metadata] : []));
  const places = new Places();
  places.learn(steps);
  const houseOf = (urn: string): string => places.houseOf(urn);
  const looks = looksOf(events, places);
  const blind = new Set(looks.unreachable.map((entry) => entry.house));
  const releases = steps.filter(
    (step) => step.type === RELEASE && step.new !== null && step.op !== "refresh",
  );
  return {
    drift: distinct(changesOf(steps).flatMap((step) => driftOf(step, houseOf, blind))),
    ...looks,
    policy: distinct(
      events.flatMap(({ policyEvent }) =>
        policyEvent?.enforcementLevel === "mandatory" ? [violationOf(policyEvent, houseOf)] : [],
      ),
    ),
    agents: distinct(
      events.flatMap(({ diagnosticEvent }) => {
        if (diagnosticEvent?.severity !== "warning" || diagnosticEvent.urn === undefined) return [];
        const message = tidy(diagnosticEvent.message);
        return message.startsWith(AGENTS_OWN) || message.startsWith(BACKUPS)
          ? [{ house: houseOf(diagnosticEvent.urn), message }]
          : [];
      }),
    ),
    failures: failuresOf(events, houseOf),
    visited: visitedHouses(steps, houseOf),
    houses: new Set(releases.map((step) => step.urn)).size,
    files: releases.reduce((sum, step) => sum + countEntries(step.new), 0),
  };
}

/** The engine puts the rule's description before what the rule says; the rule's name stands for it here. */
function violationOf(
  { resourceUrn, policyName, message }: NonNullable<EngineEvent["policyEvent"]>,
  houseOf: (urn: string) => string,
): Failure {
  const house = resourceUrn ? houseOf(resourceUrn) : "";
  const [description = "", ...own] = lines(tidy(message));
  const words = own.length === 0 ? description : own.join(" ");
  // The house is told beside it.
  return { house, message: `${policyName}: ${words.replace(`house ${house}, `, "")}` };
}

/** 0 clean, 7 drift or something to be said of what an agent keeps, 4 a house could not be looked at, 5 policy, 1 anything else; the graver one wins. */
export function exitCodeOf(findings: Findings): number {
  if (findings.policy.length > 0) return 5;
  if (findings.failures.length > 0) return 1;
  if (findings.unreachable.length > 0) return 4;
  return findings.drift.length > 0 || findings.agents.length > 0 ? 7 : 0;
}

/** The release of a house that waits for one that failed is never compared: it is read, at the most. */
function visitedHouses(steps: readonly Step[], houseOf: (urn: string) => string): string[] {
  const compared = steps.filter(
    ({ op, urn }) => op !== "refresh" && op !== "delete" && typeOf(urn) === RELEASE,
  );
  return compared.map(({ urn }) => houseOf(urn));
}

function failuresOf(events: readonly EngineEvent[], houseOf: (urn: string) => string): Failure[] {
  const failures = events.flatMap(({ diagnosticEvent, errorEvent }): Failure[] => {
    if (errorEvent) return [{ house: "", message: tidy(errorEvent.error) }];
    if (diagnosticEvent?.severity !== "error") return [];
    const { urn, message } = diagnosticEvent;
    if (!urn) return [{ house: "", message: tidy(message) }];
    // These are told as houses that could not be looked at.
    return message.includes(CANNOT_LOOK) ? [] : [{ house: houseOf(urn), message: tidy(message) }];
  });
  return distinct(failures.filter(({ message }) => message !== "" && !isFollowUp(message)));
}

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
  // How a host is reached stands in the program alone: nothing on the host is otherwise for it.
  if (keys.length > 0)
    return keys.filter((key) => !/^host(\.|$)/.test(key)).map((key) => propertyDrift(step, key, house));
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
    // A host has several units of its own.
    const unit = step.type === UNIT ? valueAt(step.new?.inputs, ["unit"]) : undefined;
    return {
      house,
      ...(typeof unit === "string" ? { aspect: "unit", file: unit } : { aspect: String(top), file: "" }),
      property: formatPropertyPath(property),
      ...shown(got, want, isContents),
    };
  }
  const part =
    valueAt(step.new?.inputs, [top, name, "part"]) ?? valueAt(step.old?.inputs, [top, name, "part"]);
  const whose = { house, aspect: typeof part === "string" ? part : String(top), file: name };
  const rest = property.slice(2);
  // Files of this project are told by their digest.
  if (rest.join() === "sha256")
    return { ...whose, property: "content", got: showDigest(got), want: showDigest(want) };
  return {
    ...whose,
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

const showDigest = (value: unknown): string =>
  typeof value === "string" && /^[0-9a-f]{64}$/.test(value)
    ? `sha256 ${value.slice(0, 12)}…`
    : showContents(value);

/** The engine's mark of a secret value in JSON. */
const SECRET_MARK = "4dabf18193072939515e22adb298388d";
const isSecret = (value: unknown): boolean =>
  typeof value === "object" && value !== null && SECRET_MARK in value;

function countEntries(state: ResourceState | null): number {
  return COLLECTIONS.filter((collection) => collection !== "directories").reduce(
    (sum, collection) => sum + Object.keys((state?.inputs?.[collection] as object | undefined) ?? {}).length,
    0,
  );
}

function distinct<T>(items: readonly T[]): T[] {
  return [...new Map(items.map((item) => [JSON.stringify(item), item])).values()];
}
