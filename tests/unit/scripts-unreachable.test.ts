/** Which houses could not be looked at, from events as the engine sends them, and what is said of them. */
import { describe, expect, it } from "vitest";

import type { EngineEvent } from "../../scripts/events.ts";
import { exitCodeOf, findingsOf, type Findings } from "../../scripts/findings.ts";
import { driftReport, failureSummary, reachedLine } from "../../scripts/report.ts";

const house = (name: string): string => `urn:pulumi:dev::wizard-houses::fleet:index:WizardHouse::${name}`;
const release = (name: string): string =>
  `urn:pulumi:dev::wizard-houses::fleet:index:WizardHouse$host:index:Release::${name}-release`;
const user = (name: string): string =>
  `urn:pulumi:dev::wizard-houses::fleet:index:WizardHouse$host:index:User::${name}-user`;
const packages = (host: string): string =>
  `urn:pulumi:dev::wizard-houses::fleet:index:Host$host:index:Packages::${host}-packages`;

const typeIn = (urn: string): string => urn.split("::")[2]?.split("$").at(-1) ?? "";

/** The beginning of a step of a resource on a host. */
function begins(op: string, urn: string, parent: string, host = "tower"): EngineEvent {
  const inputs = { host: { name: host }, ...(typeIn(urn) === "host:index:Release" && { house: "/srv/x" }) };
  const state = { type: typeIn(urn), urn, parent, custom: true, inputs };
  const [old, next] = [op === "create" ? null : state, op === "delete" ? null : state];
  return { resourcePreEvent: { metadata: { op, urn, type: state.type, old, new: next } } };
}
const step = (op: string, urn: string) => ({ op, urn, type: typeIn(urn), old: null, new: null });
const succeeds = (op: string, urn: string, planning = false): EngineEvent => ({
  resOutputsEvent: { metadata: step(op, urn), planning },
});
const fails = (op: string, urn: string): EngineEvent => ({ resOpFailedEvent: { metadata: step(op, urn) } });
const says = (severity: string, urn: string, message: string): EngineEvent => ({
  diagnosticEvent: { severity, urn, message },
});

const TIMED_OUT = "host tower (192.0.2.1 port 22): connection timed out: check that the host is up";

/** A refresh that cannot look at a house of two resources, as the engine tells it. */
const blindRefresh = (name: string, reason = TIMED_OUT): EngineEvent[] =>
  [user(name), release(name)].flatMap((urn) => [
    begins("refresh", urn, house(name)),
    says(
      "warning",
      urn,
      `Refreshed resource is in an unhealthy state:\n* tower:x cannot be looked at: ${reason}\n`,
    ),
    succeeds("refresh", urn),
  ]);
/** The update that follows it and fails for the same reason: of the second resource there is no word. */
const blindUpdate = (name: string): EngineEvent[] => [
  begins("update", user(name), house(name)),
  says("error", user(name), `tower:x cannot be looked at: ${TIMED_OUT}\n`),
  fails("update", user(name)),
];
const reachingUpdate = (name: string, planning = false): EngineEvent[] =>
  [user(name), release(name)].flatMap((urn) => [
    begins("update", urn, house(name)),
    succeeds("update", urn, planning),
  ]);

const summary = (findings: Findings, stack = "dev"): string[] =>
  failureSummary(findings, { stack, whole: true }).split("\n");

describe("a house whose host is dead", () => {
  const findings = findingsOf([...blindRefresh("ezra"), ...blindUpdate("ezra")]);

  it("is named once, with its reason, however often the engine says it", () => {
    expect(findings.unreachable).toEqual([{ house: "ezra", host: "tower", reason: TIMED_OUT }]);
    expect(findings.failures).toEqual([]);
    expect(summary(findings)).toEqual(["What went wrong:", `  ezra: cannot be looked at: ${TIMED_OUT}`]);
    expect(exitCodeOf(findings)).toBe(4);
  });

  it("shares a line with the others of its host, and what these share has none of its own", () => {
    const all = findingsOf([
      ...["ezra", "allegro"].flatMap((name) => blindRefresh(name)),
      begins("refresh", packages("tower"), "urn:pulumi:dev::wizard-houses::fleet:index:Host::tower-host"),
      says("warning", packages("tower"), `tower:packages cannot be looked at: ${TIMED_OUT}`),
    ]);
    expect(driftReport(all).split("\n")).toEqual([
      `allegro, ezra: cannot be looked at: ${TIMED_OUT}`,
      "2 houses that cannot be looked at",
    ]);
  });

  it("has a line of its own where the reason is another one", () => {
    const all = findingsOf([...blindRefresh("ezra"), ...blindRefresh("allegro", "no space left")]);
    expect(summary(all)).toEqual([
      "What went wrong:",
      "  allegro: cannot be looked at: no space left",
      `  ezra: cannot be looked at: ${TIMED_OUT}`,
    ]);
  });

  it("is named by its host where only what its houses share is concerned", () => {
    const events = [
      begins("refresh", packages("tower"), ""),
      says("warning", packages("tower"), `tower:packages cannot be looked at: ${TIMED_OUT}`),
    ];
    expect(findingsOf(events).unreachable).toEqual([
      { house: "tower", host: "tower", reason: TIMED_OUT, shared: true },
    ]);
  });
});

describe("a house that could not be looked at before the update reached it", () => {
  it("is no failure and has one line", () => {
    const findings = findingsOf([
      ...["ezra", "allegro"].flatMap((name) => blindRefresh(name)),
      ...["ezra", "allegro"].flatMap((name) => reachingUpdate(name)),
    ]);
    expect(exitCodeOf({ ...findings, drift: [] })).toBe(0);
    expect(summary(findings)).toEqual([""]);
    expect(reachedLine(findings)).toBe(
      `allegro, ezra: could not be looked at before the update, which then reached them (${TIMED_OUT})`,
    );
  });

  it.each<[string, EngineEvent[]]>([
    ["a preview reaches nothing", reachingUpdate("ezra", true)],
    ["half of it was not reached", reachingUpdate("ezra").slice(0, 2)],
    ["another house was", reachingUpdate("allegro")],
    ["having been read is not having been reached", [succeeds("refresh", release("ezra"))]],
  ])("is one where %s", (_name, update) => {
    const findings = findingsOf([...blindRefresh("ezra"), ...update]);
    expect(findings.unreachable.map((entry) => entry.house)).toEqual(["ezra"]);
    expect(reachedLine(findings)).toBe("");
  });

  it("is told with what went wrong there, if something did", () => {
    const findings = findingsOf([
      ...blindRefresh("ezra"),
      ...reachingUpdate("ezra").slice(0, 3),
      says("error", release("ezra"), "host tower: hermes-ezra.service is not well"),
      fails("update", release("ezra")),
    ]);
    expect(findings.unreachable).toEqual([]);
    expect(findings.failures).toEqual([
      { house: "ezra", message: "host tower: hermes-ezra.service is not well" },
    ]);
    expect(exitCodeOf(findings)).toBe(1);
  });
});

describe("a house that was to be taken down", () => {
  // The engine may not even try: another house's failure comes first.
  const findings = findingsOf([...blindRefresh("ezra"), ...blindRefresh("allegro")]);
  const last = (stack: string): string =>
    failureSummary(findings, { stack, whole: true, isLeaving: (name) => name === "ezra" })
      .split("\n")
      .at(-1) ?? "";

  it.each([
    ["dev", "npm run retire -- ezra --abandon"],
    ["prod", "npm run retire -- ezra --abandon -s prod"],
  ])("stays, and how it alone can be given up is said for %s", (stack, command) => {
    expect(last(stack)).toBe(
      `ezra stays in the state until the host can be reached; if it is gone for good: ${command}`,
    );
  });

  it("is not offered to be given up where it is only updated", () => {
    expect(summary(findings).join()).not.toContain("retire");
  });
});
