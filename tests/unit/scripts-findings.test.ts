import { describe, expect, it } from "vitest";

import { readEvent, type EngineEvent, type ResourceState, type Step } from "../../scripts/events.ts";
import { exitCodeOf, findingsOf, type Findings } from "../../scripts/findings.ts";
import { driftReport, failureSummary } from "../../scripts/report.ts";

const HOUSE = "urn:pulumi:dev::wizard-houses::fleet:index:WizardHouse::ezra";
const RELEASE = "urn:pulumi:dev::wizard-houses::fleet:index:WizardHouse$host:index:Release::ezra-release";
const STACK = "urn:pulumi:dev::wizard-houses::pulumi:pulumi:Stack::wizard-houses-dev";

const inputs = {
  house: "/srv/wizards/ezra",
  release: "r-want",
  files: {
    "config.yaml": { content: "a: 1\n", mode: "0640", part: "golden-state" },
    "SOUL.md": { content: "soul", part: "golden-state" },
  },
  links: { "home/SOUL.md": { target: "SOUL.md" } },
  units: { "hermes-ezra.service": { content: "[Unit]", enabled: true, part: "hermes-gateway" } },
  cron: { "wizard-ezra": { entries: [{ schedule: "* * * * *" }], part: "cron-manager" } },
};

function release(state: Record<string, unknown> = inputs, more: Partial<ResourceState> = {}): ResourceState {
  return { type: "host:index:Release", urn: RELEASE, parent: HOUSE, custom: true, inputs: state, ...more };
}

function step(more: Partial<Step>): EngineEvent {
  return {
    resourcePreEvent: {
      metadata: {
        op: "same",
        urn: RELEASE,
        type: "host:index:Release",
        old: release(),
        new: release(),
        ...more,
      },
    },
  };
}

/** A release that drifted: `observed` replaces top-level inputs. */
function drifted(observed: Record<string, unknown>, ...keys: string[]): EngineEvent {
  return step({
    op: "update",
    old: release({ ...inputs, ...observed }),
    detailedDiff: Object.fromEntries(keys.map((key) => [key, { diffKind: "update" }])),
  });
}

const diagnostic = (severity: string, message: string, urn?: string): EngineEvent => ({
  diagnosticEvent: { severity, message, ...(urn === undefined ? {} : { urn }) },
});

const policy = (enforcementLevel: string): EngineEvent => ({
  policyEvent: {
    resourceUrn: RELEASE,
    policyName: "banned-provider",
    enforcementLevel,
    message: "<{%reset%}>No banned provider.\nuses claude<{%reset%}>",
  },
});

const unreachable = [
  step({ op: "update", detailedDiff: {} }),
  diagnostic(
    "warning",
    "Refreshed resource is in an unhealthy state:\n* ezra cannot be looked at: EACCES",
    RELEASE,
  ),
];

describe("drift, per event: house, aspect, file, property, got → want", () => {
  const secret = {
    "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
    ciphertext: "[secret]",
  };
  it.each<[string, EngineEvent, string[]]>([
    ["nothing", step({}), []],
    ["looking is no change", step({ op: "refresh" }), []],
    ["halves of a replacement", step({ op: "create-replacement" }), []],
    [
      "mode",
      drifted({ files: { "config.yaml": { mode: "0644" } } }, `files["config.yaml"].mode`),
      ["ezra: golden-state: config.yaml mode: 0644 → 0640"],
    ],
    [
      "content, by hash on both sides",
      drifted(
        { files: { "SOUL.md": { content: "(on the host: sha256 22d0ab…, 21 bytes)" } } },
        `files["SOUL.md"].content`,
      ),
      [
        "ezra: golden-state: SOUL.md content: (on the host: sha256 22d0ab…, 21 bytes) → sha256 ae0facccf0a3…, 4 bytes",
      ],
    ],
    [
      "what a file of the project holds, as a content",
      step({
        op: "update",
        old: release({ files: { "a.sh": { sha256: "(on the host: sha256 22d0ab…, 21 bytes)" } } }),
        new: release({ files: { "a.sh": { sha256: "ab".repeat(32), part: "deadman" } } }),
        detailedDiff: { 'files["a.sh"].sha256': { diffKind: "update" } },
      }),
      ["ezra: deadman: a.sh content: (on the host: sha256 22d0ab…, 21 bytes) → sha256 abababababab…"],
    ],
    [
      "secret content",
      step({
        op: "update",
        old: release({ files: { ".env": { content: secret } } }),
        new: release({ files: { ".env": { content: secret, part: "golden-state" } } }),
        detailedDiff: { 'files[".env"].content': { diffKind: "update" } },
      }),
      ["ezra: golden-state: .env content: [another secret] → [secret]"],
    ],
    [
      "deleted file",
      drifted({ files: {} }, `files["SOUL.md"]`),
      ["ezra: golden-state: SOUL.md exists: absent → present"],
    ],
    [
      "link, without a part of its own",
      drifted({ links: { "home/SOUL.md": { target: "(a file)" } } }, `links["home/SOUL.md"].target`),
      ["ezra: links: home/SOUL.md target: (a file) → SOUL.md"],
    ],
    [
      "disabled unit",
      drifted(
        { units: { "hermes-ezra.service": { enabled: false } } },
        `units["hermes-ezra.service"].enabled`,
      ),
      ["ezra: hermes-gateway: hermes-ezra.service enabled: false → true"],
    ],
    [
      "unit of a host",
      step({
        op: "update",
        urn: "urn:pulumi:dev::wizard-houses::fleet:index:Host$host:index:Unit::tower-a",
        type: "host:index:Unit",
        old: { type: "", urn: "", custom: true, inputs: { unit: "a.service", running: false } },
        new: {
          ...{ type: "", urn: "", custom: true },
          inputs: { host: { name: "tower" }, unit: "a.service", running: true },
        },
        detailedDiff: { running: { diffKind: "update" } },
      }),
      ["tower: unit: a.service running: false → true"],
    ],
    [
      "cron line added",
      drifted(
        { cron: { "wizard-ezra": { entries: [{}, "evil\u001b[2J"] } } },
        `cron["wizard-ezra"].entries[1]`,
      ),
      [String.raw`ezra: cron-manager: wizard-ezra entries[1]: "evil\u001b[2J" → absent`],
    ],
    [
      "what current points at",
      drifted({ release: "r-old" }, "release"),
      ["ezra: release: release: r-old → r-want"],
    ],
    [
      "house deleted on the host",
      step({ op: "create", old: null }),
      ["ezra: release: exists: absent → present"],
    ],
    [
      "provider that has not been set up yet",
      step({ op: "create", old: null, type: "pulumi:providers:host" }),
      [],
    ],
    [
      "house not in the program",
      step({ op: "delete", new: null }),
      ["ezra: release: exists: present → absent"],
    ],
    [
      "last update failed",
      step({ op: "update", old: release(inputs, { initErrors: ["not healthy"] }), detailedDiff: {} }),
      ["ezra: release: last update: failed → succeeded"],
    ],
    [
      "change without details",
      step({ op: "update", detailedDiff: null }),
      ["ezra: release: inputs: different → as in the program"],
    ],
  ])("%s", (_name, event, lines) => {
    const findings = findingsOf([event]);
    expect(driftReport(findings).split("\n").slice(0, lines.length)).toEqual(lines.length === 0 ? [] : lines);
    expect(findings.drift).toHaveLength(lines.length);
    expect(exitCodeOf(findings)).toBe(lines.length === 0 ? 0 : 7);
  });
});

describe("exit codes", () => {
  const drift = drifted({ release: "r-old" }, "release");
  const failure = diagnostic("error", "Running program failed", STACK);
  it.each<[string, EngineEvent[], number]>([
    ["clean", [step({})], 0],
    ["drift", [drift], 7],
    ["not looked at", unreachable, 4],
    ["not looked at wins over drift", [...unreachable, drift], 4],
    ["an error wins over both", [...unreachable, drift, failure], 1],
    ["policy wins over all", [...unreachable, drift, failure, policy("mandatory")], 5],
    ["advice is no violation", [policy("advisory")], 0],
    ["a warning is no error", [diagnostic("warning", "3 pending operations")], 0],
    ["an engine error event", [{ errorEvent: { error: "no" } }], 1],
  ])("%s", (_name, events, code) => {
    expect(exitCodeOf(findingsOf(events))).toBe(code);
  });
});

describe("findings", () => {
  it("lists drift of other houses beside a house that could not be looked at", () => {
    const other = RELEASE.replaceAll("ezra", "allegro");
    const report = driftReport(
      findingsOf([
        ...unreachable,
        step({
          op: "update",
          urn: other,
          old: { ...release({ ...inputs, release: "old" }), parent: HOUSE.replace("ezra", "allegro") },
          new: { ...release(), parent: HOUSE.replace("ezra", "allegro") },
          detailedDiff: { release: { diffKind: "update" } },
        }),
      ]),
    );
    expect(report.split("\n")).toEqual([
      "allegro: release: release: old → r-want",
      "ezra: cannot be looked at: EACCES",
      "1 drifted property, 1 house that cannot be looked at",
    ]);
  });

  it("mentions a component only where nothing on a host differs", () => {
    const component = step({
      op: "create",
      urn: HOUSE,
      type: "fleet:index:WizardHouse",
      old: null,
      new: { type: "fleet:index:WizardHouse", urn: HOUSE, parent: STACK },
    });
    const created = step({ op: "create", old: null });
    expect(findingsOf([component, created]).drift.map(({ aspect }) => aspect)).toEqual(["release"]);
    expect(findingsOf([component]).drift.map(({ aspect }) => aspect)).toEqual(["WizardHouse"]);
  });

  it("counts houses and what is in them when there is nothing to report", () => {
    expect(driftReport(findingsOf([step({}), step({ urn: `${RELEASE}2` })]))).toBe(
      "no drift: 2 houses, 10 files",
    );
  });

  it("names the house by its folder where no component is above it", () => {
    const urn = "urn:pulumi:dev::wizard-houses::host:index:Release::some-release";
    const alone = { ...release(), urn, parent: STACK };
    const findings = findingsOf([step({ op: "create", urn, old: null, new: alone })]);
    expect(findings.drift[0]?.house).toBe("ezra");
  });

  it("hides what the engine says only as a consequence, and what belongs to a house that was not looked at", () => {
    const findings = findingsOf([
      ...unreachable,
      diagnostic("error", "ezra cannot be looked at: EACCES", RELEASE),
      diagnostic("error", "cannot complete a resource 'urn' whose registration isn't pending", HOUSE),
      diagnostic("error", "update failed", STACK),
      diagnostic("error", "<{%fg 1%}>port 8643 is taken<{%reset%}>", RELEASE.replaceAll("ezra", "allegro")),
    ]);
    expect(failureSummary(findings, { stack: "dev", whole: false }).split("\n")).toEqual([
      "What went wrong:",
      "  ezra: cannot be looked at: EACCES",
      "  allegro-release: port 8643 is taken",
    ]);
  });

  it("tells what an agent keeps apart from drift, once", () => {
    const found = "in what its agent keeps: config.yaml model.provider: other (family is banned)";
    const events = [
      step({}),
      ...["warning", "warning"].map((severity) => diagnostic(severity, found, RELEASE)),
    ];
    const findings = findingsOf(events);
    expect(exitCodeOf(findings)).toBe(7);
    expect(driftReport(findings).split("\n")).toEqual([`ezra: ${found}`, "1 finding in what agents keep"]);
    const others = [diagnostic("warning", "something else", RELEASE), diagnostic("info", found, RELEASE)];
    expect(findingsOf([step({}), ...others]).agents).toEqual([]);
  });

  it("names the command that answers a failure, once for all houses", () => {
    const left = (house: string) => ({
      house,
      message: `/srv/${house} is left alone since 2026-01-01: silent`,
    });
    const refused = {
      house: "ezra",
      message: "/srv/ezra: release 1 is refused since it failed there (x): change it",
    };
    const failures = [left("noah"), left("ruth"), refused];
    const lines = failureSummary({ ...findingsOf([]), failures }, { stack: "prod", whole: true }).split("\n");
    expect(lines.slice(-2)).toEqual([
      "when it is repaired: npm run deadman -- clear noah ruth -s prod",
      "if the cause lay elsewhere and is gone: npm run rejected -- clear ezra -s prod",
    ]);
  });

  it("says nothing after a run without failures", () => {
    const findings = findingsOf([step({ op: "create", old: null })]);
    expect(failureSummary(findings, { stack: "dev", houses: ["noah"], whole: true })).toBe("");
  });

  it("tells an error whole where nothing has shown it, and the houses that wait for the one that failed", () => {
    const failed = [
      step({ op: "update" }),
      diagnostic("error", "host tower: not healthy\n  last words\n", RELEASE),
    ];
    const findings = findingsOf(failed);
    const houses = ["ezra", "allegro", "noah"];
    const waiting = "  allegro, noah: left as they were, since they wait for a house that failed";
    expect(failureSummary(findings, { stack: "dev", houses, whole: true }).split("\n")).toEqual([
      "What went wrong:",
      "  ezra: host tower: not healthy",
      "    last words",
      waiting,
    ]);
    expect(failureSummary(findings, { stack: "dev", whole: false }).split("\n")).toEqual([
      "What went wrong:",
      "  ezra: host tower: not healthy",
    ]);
    // The canary is dead: the engine came to no house at all.
    const dead = findingsOf(unreachable);
    expect(failureSummary(dead, { stack: "dev", houses, whole: true }).split("\n").at(-1)).toBe(waiting);
    // The program failed: no house is why.
    const broken = findingsOf([...failed, diagnostic("error", "Running program failed", STACK)]);
    expect(failureSummary(broken, { stack: "dev", houses, whole: true })).not.toContain("wait");
  });

  it("names a policy with its whole message", () => {
    const findings: Findings = findingsOf([step({}), policy("mandatory")]);
    expect(driftReport(findings).split("\n")[0]).toBe("policy: ezra: banned-provider: uses claude");
  });
});

describe("readEvent", () => {
  it("drops debug messages, which can hold secrets", () => {
    expect(readEvent(JSON.stringify(diagnostic("debug", "resp: sk-canary")))).toBeUndefined();
  });

  it.each([
    ["what nobody reads", `{"preludeEvent":{"config":{"k":"v"}}}`],
    [
      "that a resource was read",
      `{"sequence":1,"timestamp":2,"resOutputsEvent":{"metadata":{"op":"refresh","urn":"u","type":"t"}}}`,
    ],
  ])("drops %s", (_name, text) => {
    expect(readEvent(text)).toBeUndefined();
  });

  it("keeps warnings", () => {
    const event = diagnostic("warning", "w");
    expect(readEvent(JSON.stringify(event))).toEqual(event);
  });

  it("keeps contents only where they differ, and never outputs", () => {
    const state = { ...release(), outputs: { release: "canary" } };
    const read = (op: string): EngineEvent | undefined =>
      readEvent(JSON.stringify(step({ op, old: state, new: state })));
    expect(JSON.stringify(read("update"))).toContain("a: 1");
    for (const op of ["same", "refresh"]) expect(JSON.stringify(read(op))).not.toContain("a: 1");
    expect(JSON.stringify(read("update"))).not.toContain("canary");
  });

  it("reports the same of events as they come and as they are kept", () => {
    const host = { name: "tower", transport: "local" };
    const shared = { ...release({ host }), parent: STACK, urn: `${RELEASE}2` };
    const events = [step({}), step({ op: "refresh", urn: shared.urn, old: shared, new: shared })];
    const kept = events.flatMap((event) => readEvent(JSON.stringify(event)) ?? []);
    expect(findingsOf(kept)).toEqual(findingsOf(events));
    expect(findingsOf([...kept, diagnostic("error", "no", shared.urn)]).failures).toEqual([
      { house: "tower", message: "no" },
    ]);
  });
});
