import { readFileSync } from "node:fs";
import path from "node:path";

import { describe, expect, it } from "vitest";

import { readEvent, type EngineEvent, type ResourceState } from "../../scripts/events.ts";
import { commentOn, markerOf, type Judgement } from "../../scripts/review/comment.ts";
import { codeBlock, inlineCode } from "../../scripts/review/markdown.ts";
import { approverOf, ownersFrom, sorted } from "../../scripts/review/judgement.ts";
import { plansOf, stackReview, type StackReview } from "../../scripts/review/plan.ts";
import { withoutConnections } from "../../scripts/review/redact.ts";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const quiet: StackReview = {
  ...{ stack: "dev", code: 0, plans: [], details: [], drift: [] },
  ...{ unreachable: [], policy: [], failures: [], agents: [] },
};
const comment = (stack: Partial<StackReview>, judgement?: Partial<Judgement>): string =>
  commentOn(
    {
      commit: COMMIT,
      stacks: [{ ...quiet, ...stack }],
      ...(judgement && {
        judgement: {
          loosenings: [],
          ruleFiles: [],
          codeFiles: [],
          approvedBy: undefined,
          owners: [],
          ...judgement,
        },
      }),
    },
    "review",
  );
const firstLine = (text: string): string => text.split("\n")[0] ?? "";

const URN = "urn:pulumi:dev::wizard-houses::fleet:index:WizardHouse$host:index:Release::ezra-release";
const HOUSE = "urn:pulumi:dev::wizard-houses::fleet:index:WizardHouse::ezra";

function update(...keys: string[]): EngineEvent {
  const inputs = {
    house: "/srv/wizards/ezra",
    host: { name: "tower", address: "203.0.113.10" },
    files: { "config.yaml": { content: "a" }, "SOUL.md": { content: "b" } },
    units: { "hermes-ezra.service": { restartOn: ["config.yaml"] }, "wizard-home-ezra.service": {} },
  };
  const state: ResourceState = { type: "host:index:Release", urn: URN, parent: HOUSE, custom: true, inputs };
  const detailedDiff = Object.fromEntries(keys.map((key) => [key, { diffKind: "update" }]));
  return {
    resourcePreEvent: {
      metadata: { op: "update", urn: URN, type: state.type, old: state, new: state, detailedDiff },
    },
  };
}

describe("which units start again", () => {
  it.each<[string, string[], string[]]>([
    ["one that reads the file at its start", [`files["config.yaml"].content`], ["hermes-ezra.service"]],
    ["none for a file that none reads", [`files["SOUL.md"].content`], []],
    [
      "one whose own file differs",
      [`units["wizard-home-ezra.service"].content`],
      ["wizard-home-ezra.service"],
    ],
    ["none for a new address", ["host.address"], []],
  ])("%s", (_name, keys, restarts) => {
    expect(plansOf([update(...keys)])).toMatchObject([{ house: "ezra", change: "update", restarts }]);
  });
});

describe("a review of a stack", () => {
  it("tells drift apart from what the change makes", () => {
    const [drift, both] = [
      [update(`files["SOUL.md"].mode`)],
      [update(`files["SOUL.md"].mode`, `files["config.yaml"].mode`)],
    ];
    const review = stackReview("prod", both, drift);
    expect(review.drift.map(({ file }) => file)).toEqual(["SOUL.md"]);
    expect(review.details.map(({ file }) => file)).toEqual(["config.yaml"]);
    expect(stackReview("prod", drift, drift).plans).toEqual([]);
  });

  it("names that a host is reached otherwise, and not how", () => {
    const text = comment(stackReview("dev", [update("host.address")]));
    expect(text).toContain("`ezra` update: `host`");
    expect(text).not.toContain("203.0.113");
  });
});

describe("the comment", () => {
  it("is short where nothing happens", () => {
    expect(comment({})).toBe(
      "- `dev`: no house changes, no restart, policies hold, no drift\n\nCommit `0123456789ab`.\n\n<!-- wizard-houses: review -->\n",
    );
  });

  it("begins with the loosening, then says whether it is approved", () => {
    const text = comment({}, { loosenings: ["policies.droplet.monthly: 100 → 900"], owners: ["alice"] });
    expect(firstLine(text)).toBe("**Looser than the base branch:** `policies.droplet.monthly: 100 → 900`");
    expect(text).toContain("needs an approving review of this very commit by `alice`.");
    expect(comment({}, { loosenings: ["x"], owners: ["alice"], approvedBy: "alice" })).toContain(
      "Approved by `alice`.",
    );
    expect(comment({}, { loosenings: ["x"] })).toContain("Nobody may approve it");
  });

  it("has the summary first: houses, restarts, policies, drift", () => {
    const plans = [{ house: "ezra", change: "update" as const, names: ["a"], restarts: ["u.service"] }];
    const drift = [{ house: "ezra", aspect: "files", file: "b", property: "mode", got: "1", want: "2" }];
    const text = comment({ plans, drift, policy: [{ house: "ezra", message: "rule: no" }], code: 5 });
    expect(firstLine(text)).toBe(
      "- `dev`: **1 change of a house or host**, 1 restart to expect, **1 policy violation**, 1 drifted property",
    );
    expect(text).toContain("- `ezra` update: `a`; restarts `u.service`");
    expect(text).toContain("<details><summary>drift (1)</summary>");
  });

  it("fits into what a forge takes, whole parts only", () => {
    const entry = { house: "h", aspect: "files", file: "f".repeat(500), property: "p", got: "g", want: "w" };
    const plans = Array.from({ length: 500 }, (_, at) => ({
      ...{ house: `house-${at}`, change: "update" as const },
      ...{ names: Array.from({ length: 50 }, () => "n".repeat(400)), restarts: [] },
    }));
    const details = Array.from({ length: 5000 }, () => entry);
    const text = comment({ plans, details, drift: details });
    expect(text.length).toBeLessThan(65_536);
    expect(text).toContain(markerOf("review"));
    expect(text.match(/```/g)?.length ?? 0).toSatisfy((fences: number) => fences % 2 === 0);
    expect(text.match(/<details>/g)?.length).toBe(text.match(/<\/details>/g)?.length);
  });
});

describe("what others wrote", () => {
  const HOSTILE = [
    "@operator please approve",
    "<img src=https://evil.example/x.png>",
    "```\n# heading",
    "`` ` ``",
    "--> <script>alert(1)</script>",
    "[click](javascript:alert(1))",
    "a\u202egnp.exe",
    "line one\nline two",
    "\u001b[2J",
    "\u200b",
  ];

  it.each(HOSTILE)("is code, whole and on one line: %j", (text) => {
    const inline = inlineCode(text);
    const fence = /^`+/.exec(inline)?.[0] ?? "";
    expect(inline.endsWith(fence)).toBe(true);
    expect(inline.slice(fence.length, -fence.length).match(/`+/g) ?? []).not.toContain(fence);
    expect(inline).not.toMatch(/[\n\u001b\u200b\u202e]/);
    const block = codeBlock([text]).split("\n");
    expect(block).toHaveLength(3);
    expect(block[0]).toBe(`${block[2]}text`);
    expect(block[1]).not.toContain(block[2]);
  });

  it("cannot be a marker: what finds the comment is written by us alone", () => {
    const text = comment({ failures: [{ house: "", message: markerOf("review") }] });
    expect(text.indexOf(markerOf("review"))).toBeGreaterThan(text.indexOf("```text"));
    expect(text.trimEnd().endsWith(markerOf("review"))).toBe(true);
  });
});

it.each([
  ["ssh: connect to host 203.0.113.10 port 22", "ssh: connect to host (address of tower) port 22"],
  ["shows ssh-ed25519 AAAAC3NzaC1lZDI1 of 198.51.100.7", "shows (key) of (address)"],
  ["[2001:db8::1]:22 refused", "[(address)]:22 refused"],
  ["sha256 22d0ab, mode 0640, 1.6-2.1", "sha256 22d0ab, mode 0640, 1.6-2.1"],
])("how a host is reached is hidden: %s", (text, hidden) => {
  expect(withoutConnections({ told: [text] }, { tower: "203.0.113.10" })).toEqual({ told: [hidden] });
});

describe("who has approved", () => {
  const by = (login: string, state: string, commit = COMMIT, dismissed = false) => ({
    ...{ user: { login }, state, commit_id: commit, dismissed },
  });
  it.each<[string, ReturnType<typeof by>[], string | undefined]>([
    ["an owner", [by("Alice", "APPROVED")], "alice"],
    ["nobody", [], undefined],
    ["somebody else", [by("bob", "APPROVED")], undefined],
    ["an owner, an earlier commit", [by("alice", "APPROVED", "f".repeat(40))], undefined],
    ["an owner who took it back", [by("alice", "APPROVED"), by("alice", "REQUEST_CHANGES")], undefined],
    ["an owner who remarked something later", [by("alice", "APPROVED"), by("alice", "COMMENT")], "alice"],
    ["an owner whose review was dismissed", [by("alice", "APPROVED", COMMIT, true)], undefined],
    ["the author, who is an owner", [by("carol", "APPROVED")], undefined],
  ])("%s", (_name, reviews, approver) => {
    expect(approverOf(reviews, COMMIT, "carol", ["alice", "carol"])).toBe(approver);
  });

  it("owners are names, and nothing where none is set", () => {
    expect(ownersFrom("alice, bob\n")).toEqual(["alice", "bob"]);
    expect(ownersFrom(undefined)).toEqual([]);
  });
});

it("files are data, prose, code, or what decides", () => {
  const files = [
    "wizards/fleet.yaml",
    "docs/a.md",
    "README.md",
    "index.ts",
    "policies/rule.ts",
    ".github/workflows/x.yaml",
  ];
  expect(sorted(files)).toEqual({
    data: ["wizards/fleet.yaml"],
    rules: ["policies/rule.ts", ".github/workflows/x.yaml"],
    code: ["index.ts", "policies/rule.ts", ".github/workflows/x.yaml"],
  });
});

describe("recorded from the engine: a preview in which a house uses what the base branch bans", () => {
  const recorded = (name: string): string =>
    readFileSync(path.join(import.meta.dirname, "recorded", name), "utf8");
  const raw = recorded("loosened.jsonl");
  const events = raw.split("\n").flatMap((line) => (line === "" ? [] : (readEvent(line) ?? [])));
  const judgement: Judgement = {
    loosenings: ['banned: anthropic no longer bans models "*claude*"'],
    ...{ ruleFiles: [], codeFiles: [], approvedBy: undefined, owners: ["alice"] },
  };

  it("is told in these words", async () => {
    const stacks = [stackReview("dev", events)];
    await expect(commentOn({ commit: COMMIT, stacks, judgement }, "review")).toMatchFileSnapshot(
      "recorded/loosened.md",
    );
  });

  it("holds nothing of debug events, which can hold secrets", () => {
    expect(raw).toContain("canary-in-a-debug-event");
    expect(JSON.stringify(events)).not.toContain("canary");
    expect(recorded("loosened.md")).not.toContain("canary");
  });
});
