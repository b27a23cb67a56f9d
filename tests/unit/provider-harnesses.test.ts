/** The resource `Harnesses` as data: facts in, exact steps out; and the answer of a host read strictly. */
import { describe, expect, it } from "vitest";

import { harnessId } from "../../fleet/harness/lock.ts";
import { factScript, noFacts, parseFacts, type Facts } from "../../provider/host/facts.ts";
import type { HarnessesFacts, HarnessState } from "../../provider/host/harness-facts.ts";
import { planScript, type Step } from "../../provider/host/steps.ts";
import { check } from "../../provider/operations.ts";
import { harnesses as resource } from "../../provider/resources/harnesses.ts";
import type { Values } from "../../provider/values.ts";

const HASH = "b".repeat(64);
const LOCK = `hermes-agent==0.19.0 \\\n    --hash=sha256:${HASH}\n`;
const ID = harnessId("0.19.0", LOCK);
const OTHER = "0.18.0-0123456789ab";
const BY = "wizard-houses/prod";
const host = { name: "forge", transport: "ssh", address: "203.0.113.1", user: "root" };
const HOST_KEY = `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${"A".repeat(43)}`;
const LIVE = { prefix: "", owners: true };

const wanted = { version: "0.19.0", lock: LOCK, houses: ["/srv/wizards/a", "/srv/wizards/b"] };
const declare = (more: Values = {}): { inputs: Values; failures: unknown[] } =>
  check(resource, {
    host: { ...host, hostKey: HOST_KEY },
    harnesses: { [ID]: wanted },
    claimant: BY,
    ...more,
  });

function facts(state: HarnessState, more: Partial<Extract<HarnessesFacts, { readable: true }>> = {}): Facts {
  const harnesses: HarnessesFacts = {
    ...{ readable: true, machine: "x86_64", wheels: new Set<string>(), claims: [] },
    ...more,
    states: new Map([[ID, state]]),
  };
  const none = new Map();
  const rest = { paths: none, folders: none, texts: none, answers: none, accounts: none, units: none };
  return { ...rest, packages: undefined, harnesses };
}
const both = ["/srv/wizards/a", "/srv/wizards/b"].map((house) => ({ id: ID, house, by: BY }));
const stepsFor = (found: Facts, more?: Values): Step[] =>
  resource.reconcile(declare(more).inputs, undefined, found).plan.steps;
const kinds = (steps: Step[]): string[] => steps.map((step) => step.do);

describe("what is done", () => {
  it("where nothing is there: build, then put in place, note, and tidy up", () => {
    expect(stepsFor(facts({ kind: "absent" }))).toEqual([
      { do: "build-harness", id: ID, lock: LOCK },
      { do: "commit" },
      { do: "place-harness", id: ID },
      { do: "want-harness", id: ID, by: BY, houses: ["/srv/wizards/a", "/srv/wizards/b"] },
      { do: "prune-harnesses" },
    ]);
  });

  it("from an index: its URL is not in the script", () => {
    const index = "https://user:CANARY@index.example/simple";
    const steps = stepsFor(facts({ kind: "absent" }), { index });
    expect(steps[0]).toMatchObject({ do: "build-harness", index });
    const { text, payload } = planScript({ lock: "/opt/hermes/.lock", steps }, LIVE);
    expect(text).not.toContain("CANARY");
    expect(Buffer.concat(payload as Buffer[]).toString()).toBe(`${LOCK}[global]\nindex-url = ${index}\n`);
  });

  it("where it is whole and noted: nothing", () => {
    expect(stepsFor(facts({ kind: "whole" }, { claims: both }))).toEqual([]);
  });

  it("where it is whole and not noted for these houses: only that", () => {
    expect(kinds(stepsFor(facts({ kind: "whole" }, { claims: both.slice(1) })))).toEqual([
      "want-harness",
      "prune-harnesses",
    ]);
    // What another stack has noted is its own.
    const others = both.map((claim) => ({ ...claim, by: "wizard-houses/other" }));
    expect(kinds(stepsFor(facts({ kind: "whole" }, { claims: others })))[0]).toBe("want-harness");
  });

  it("where the record has another one down that is not wanted any more: it is given up", () => {
    const claims = [...both, { id: OTHER, house: "/srv/wizards/a", by: BY }];
    expect(stepsFor(facts({ kind: "whole" }, { claims }))).toEqual([
      { do: "want-harness", id: OTHER, by: BY, houses: [] },
      { do: "prune-harnesses" },
    ]);
  });

  it("where two are missing: both are built before either takes its place", () => {
    const second = `# second\n${LOCK}`;
    const id = harnessId("0.19.0", second);
    const none = facts({ kind: "absent" });
    const states = new Map([ID, id].map((one) => [one, { kind: "absent" } as const]));
    const found = { ...none, harnesses: { ...none.harnesses, states } as HarnessesFacts };
    const two = { [ID]: wanted, [id]: { ...wanted, lock: second } };
    expect(kinds(stepsFor(found, { harnesses: two }))).toEqual([
      ...["build-harness", "build-harness", "commit", "place-harness", "place-harness"],
      ...["want-harness", "want-harness", "prune-harnesses"],
    ]);
  });

  it.each([[{ kind: "half" }], [{ kind: "changed", what: "/opt/hermes/x" }]] as [HarnessState][])(
    "where it is %j: it is built anew",
    (state) => expect(kinds(stepsFor(facts(state, { claims: both })))[0]).toBe("build-harness"),
  );

  it("in a folder that stands for a host: nothing", () => {
    expect(stepsFor({ ...facts({ kind: "absent" }), harnesses: undefined })).toEqual([]);
  });

  it("when it goes: nobody wants it, and what nothing runs with is taken away", () => {
    const plan = resource.remove(
      { inputs: declare().inputs, outputs: {} },
      facts({ kind: "whole" }, { claims: both }),
    );
    expect(plan.steps).toEqual([
      { do: "want-harness", id: ID, by: BY, houses: [] },
      { do: "prune-harnesses" },
      { do: "remove-lock", path: "/opt/hermes/.lock" },
    ]);
  });
});

describe("what is seen", () => {
  const seen = (found: Facts): Values => {
    const state = { inputs: declare().inputs, outputs: {} };
    const { inputs } = resource.observe(state, found)!;
    const { installed, houses } = (inputs["harnesses"] as Record<string, Values>)[ID]!;
    return { installed: installed!, houses: houses! };
  };
  const houses = ["/srv/wizards/a", "/srv/wizards/b"];

  it.each<[HarnessState, Values[string]]>([
    [{ kind: "whole" }, true],
    [{ kind: "absent" }, "(on the host: absent)"],
    [{ kind: "half" }, "(on the host: its installation was cut off)"],
    [
      { kind: "changed", what: "/opt/hermes/x/lib" },
      "(on the host: changed since it was installed: /opt/hermes/x/lib)",
    ],
  ])("%j", (state, installed) => {
    expect(seen(facts(state, { claims: both }))).toEqual({ installed, houses });
  });

  it("a house that the record lacks", () => {
    expect(seen(facts({ kind: "whole" }, { claims: both.slice(1) }))).toEqual({
      installed: true,
      houses: ["/srv/wizards/b"],
    });
  });

  it("nothing, where it cannot be looked at", () => {
    expect(() => seen(facts({ kind: "unreadable" }))).toThrow("changed while it was looked at");
    const broken: Facts = { ...facts({ kind: "whole" }), harnesses: { readable: false, reason: "no" } };
    expect(() => seen(broken)).toThrow("no");
  });
});

describe("inputs", () => {
  const of = (more: Values): Values => ({ harnesses: { [ID]: { ...wanted, ...more } } });
  it.each<[string, Values, string]>([
    ["a lock that is none", of({ lock: "requests\n" }), "line 1 is no pin with hashes (requests)"],
    ["a lock of another version", of({ version: "0.20.0" }), "pins another hermes-agent (0.19.0)"],
    ["another name than its own", { harnesses: { [OTHER]: wanted } }, `must be called ${ID}`],
    ["two sources", { wheels: "w", index: "https://x/simple" }, "must not be given together"],
    ["an index that is no URL", { index: "ftp://CANARY" }, "must be a URL"],
    ["a house between whose words is a space", of({ houses: ["/srv/a b"] }), "without white space"],
  ])("refuse %s", (_, more, words) => {
    expect(JSON.stringify(declare(more).failures)).toContain(words);
  });

  it("take what is right", () => expect(declare().failures).toEqual([]));
});

describe("a host's answer", () => {
  const request = { ...noFacts, harnesses: [ID] };
  const answer = (...fields: string[]): Buffer =>
    Buffer.from(["stat", "links", "digests", "harnesses", ...fields, "end", ""].join("\0"));
  const parsed = (...fields: string[]) => parseFacts(request, LIVE, answer(...fields)).harnesses;

  it("is asked for by one script that changes nothing", () => {
    const script = factScript(request, LIVE);
    expect(script).toContain(`set -- '${ID}'`);
    expect(script).not.toMatch(/\b(rm|mv|mkdir|touch)\b/);
    expect(factScript(request, { prefix: "/x", owners: false })).not.toContain(ID);
  });

  it("is read", () => {
    const record = `left ${ID} /srv/b -\nwanted ${ID} /srv/a ${BY}\n`;
    expect(parsed("x86_64", record, `${HASH}.x-1-py3-none-any.whl\n*.whl\n`, "whole")).toEqual({
      readable: true,
      machine: "x86_64",
      states: new Map([[ID, { kind: "whole" }]]),
      claims: [
        { id: ID, house: "/srv/b", by: undefined },
        { id: ID, house: "/srv/a", by: BY },
      ],
      wheels: new Set([`${HASH}.x-1-py3-none-any.whl`]),
    });
  });

  it.each([
    ["a record of others", ["x86_64", "rm -rf /\n", "", "whole"]],
    ["no file in the record's place", ["x86_64", "?", "", "whole"]],
    ["a processor of no name", ["$(id)", "", "", "whole"]],
    ["a state that there is not", ["x86_64", "", "", "fine"]],
  ])("with %s makes harnesses unreadable, and nothing else", (_, fields) => {
    expect(parsed(...fields)).toMatchObject({ readable: false });
  });

  it("says what was changed fit to be shown", () => {
    const found = parsed("x86_64", "", "", "changed /opt/\u001b[31m");
    expect(found).toMatchObject({ states: new Map([[ID, { kind: "changed", what: "/opt/\\u001b[31m" }]]) });
  });
});
