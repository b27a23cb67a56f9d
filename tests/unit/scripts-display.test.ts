/** What is shown while the engine works, from events as it sends them. */
import { describe, expect, it } from "vitest";

import { Display, wantsEngineDisplay } from "../../scripts/display.ts";
import type { EngineEvent, Step } from "../../scripts/events.ts";

const PREFIX = "urn:pulumi:dev::wizard-houses::";
const HOUSE = `${PREFIX}fleet:index:WizardHouse::ezra`;
const RELEASE = `${PREFIX}fleet:index:WizardHouse$host:index:Release::ezra-release`;

function step(op: string, more: Partial<Step> = {}): Step {
  const state = { type: "host:index:Release", urn: RELEASE, parent: HOUSE, custom: true };
  return { op, urn: RELEASE, type: "host:index:Release", old: state, new: state, ...more };
}
const component: Partial<Step> = {
  urn: HOUSE,
  type: "fleet:index:WizardHouse",
  old: null,
  new: { type: "fleet:index:WizardHouse", urn: HOUSE },
};
const whole = (begun: Step, planning = false): EngineEvent[] => [
  { resourcePreEvent: { metadata: begun } },
  { resOutputsEvent: { metadata: { ...begun, old: null, new: null }, planning } },
];
const says = (severity: string, message: string, urn?: string, ephemeral = false): EngineEvent => ({
  diagnosticEvent: { severity, message, ephemeral, ...(urn !== undefined && { urn }) },
});
const differing = (...keys: string[]): Partial<Step> => ({
  detailedDiff: Object.fromEntries(keys.map((key) => [key, { diffKind: "update" }])),
});

function shown(events: EngineEvent[], planned = false): string[] {
  const lines: string[] = [];
  const display = new Display((line) => lines.push(line), planned);
  events.forEach((event) => display.show(event));
  return lines;
}

describe("while the engine works", () => {
  it.each<[string, EngineEvent[], string[]]>([
    ["nothing of what stays as it is", [...whole(step("refresh")), ...whole(step("same"))], []],
    ["nothing of components, which are on no host", whole(step("create", component)), []],
    ["a house that is made", whole(step("create", { old: null })), ["  + ezra: release"]],
    ["a house that is taken down", whole(step("delete", { new: null })), ["  - ezra: release"]],
    [
      "which files of a house change, and not the properties that follow from it",
      whole(step("update", differing("release", `files["config.yaml"].content`, `files["SOUL.md"].mode`))),
      ["  ~ ezra: release: config.yaml, SOUL.md"],
    ],
    [
      "the first names of many",
      whole(step("update", differing(...[1, 2, 3, 4, 5, 6].map((n) => `files["${n}"]`)))),
      ["  ~ ezra: release: 1, 2, 3, 4 and 2 more"],
    ],
    [
      "which property changes, where no file does",
      whole(step("update", differing("host.address"))),
      ["  ~ ezra: release: host"],
    ],
    [
      "that a step failed; why comes at the end",
      [
        { resourcePreEvent: { metadata: step("update") } },
        says("error", "not healthy", RELEASE),
        { resOpFailedEvent: { metadata: step("update") } },
      ],
      ["  ! ezra: release: not updated, see below"],
    ],
    [
      "nothing of a house that cannot be looked at: it is named once, at the end",
      [
        says("warning", "Unhealthy:\n* tower:x cannot be looked at: timed out", RELEASE),
        { resourcePreEvent: { metadata: step("update") } },
        says("error", "tower:x cannot be looked at: timed out", RELEASE),
        { resOpFailedEvent: { metadata: step("update") } },
      ],
      [],
    ],
    [
      "other messages, once each",
      [
        { resourcePreEvent: { metadata: step("same") } },
        says("info", "<{%reset%}>a folder\u001b[2J<{%reset%}>\n"),
        says("info", "a folder\u001b[2J"),
        says("warning", "in the way", RELEASE),
        says("info", "looking …", undefined, true),
        says("error", "update failed"),
      ],
      [String.raw`  a folder\u001b[2J`, "  warning: ezra: in the way"],
    ],
  ])("shows %s", (_name, events, lines) => {
    expect(shown(events)).toEqual(lines);
  });
});

describe("at the end", () => {
  const summary: EngineEvent = {
    summaryEvent: { resourceChanges: { same: 81, update: 2, create: 3 }, durationSeconds: 5 },
  };
  it("counts what was done, with the engine's signs", () => {
    expect(shown([summary]).join("\n")).toBe(
      "Resources:\n    + 3 created\n    ~ 2 updated\n    81 unchanged\n\nDuration: 5s",
    );
  });

  it("counts what would be done", () => {
    expect(shown([summary], true).join("\n")).toContain("    + 3 to create\n    ~ 2 to update\n");
  });

  it("tells the advice of policies with the house, though the engine sends it before the resource", () => {
    const advice: EngineEvent = {
      policyEvent: {
        resourceUrn: RELEASE,
        policyName: "two-hosts",
        enforcementLevel: "advisory",
        message: "Better on two.\n",
      },
    };
    expect(shown([advice, ...whole(step("same")), summary])[0]).toBe(
      "  policy (advice): ezra: two-hosts: Better on two.",
    );
  });
});

describe("wantsEngineDisplay", () => {
  it.each([
    [[], false],
    [["--yes", "--policy-pack", "policies", "--expect-no-changes"], false],
    [["--diff"], true],
    [["--json"], true],
    [["-j"], true],
    [["-v=9"], true],
    [["--show-sames"], true],
    [["--suppress-outputs=false"], true],
    [["--help"], true],
    [["-y"], false],
  ])("%j: %s", (args, expected) => {
    expect(wantsEngineDisplay(args)).toBe(expected);
  });
});
