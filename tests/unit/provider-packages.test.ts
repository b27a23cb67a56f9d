/** Packages as data: facts in, exact steps out; what dpkg answers, and what is made of it. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { changes } from "../../provider/diff.ts";
import { CannotLook } from "../../provider/errors.ts";
import { factScript, noFacts, parseFacts, type Facts } from "../../provider/host/facts.ts";
import {
  parsePackages,
  type PackageFact,
  type PackageFacts,
  type PackageNote,
} from "../../provider/host/package-facts.ts";
import type { PackageStep } from "../../provider/host/package-steps.ts";
import { planScript, type Step } from "../../provider/host/steps.ts";
import { check } from "../../provider/operations.ts";
import { packages } from "../../provider/resources/packages.ts";
import { failureList } from "../../provider/schema/spec.ts";
import { formatPath, type Values } from "../../provider/values.ts";

const ME = "fleet/prod";
const host = { name: "forge", transport: "local", root: "x" };
type Wanted = Record<string, { version?: string; held?: boolean }>;
type Found = Record<string, PackageFact>;

const declare = (wanted: Wanted) => check(packages, { host, claimant: ME, packages: wanted as Values });
const present = (more: Partial<Extract<PackageFact, { kind: "present" }>> = {}): PackageFact => ({
  kind: "present",
  version: "1.0",
  held: false,
  status: "installed",
  ...more,
});
const absent: PackageFact = { kind: "absent" };
const facts = (found: Found, notes: PackageNote[] = []): Facts => ({
  ...({ paths: new Map(), folders: new Map(), accounts: new Map(), units: new Map() } as Facts),
  packages: { readable: true, found: new Map(Object.entries(found)), notes },
});
const plan = (wanted: Wanted, found: Found, notes?: PackageNote[]) =>
  packages.reconcile(declare(wanted).inputs, undefined, facts(found, notes)).plan;
const observe = (wanted: Wanted, seen: Facts) =>
  packages.observe({ inputs: declare(wanted).inputs, outputs: {} }, seen)!;
const drift = (wanted: Wanted, found: Found, notes?: PackageNote[]): string[] => {
  const { inputs } = observe(wanted, facts(found, notes));
  return changes(inputs, declare(wanted).inputs).map(({ path }) => formatPath(path));
};
const patient = { by: ME, wait: 120 };

describe("a plan", () => {
  const mine = (name: string): PackageNote => ({ what: "installed", name, by: ME });
  const mineHeld = (name: string): PackageNote => ({ what: "held", name, by: ME });
  const theirs = (what: "installed" | "held", name: string): PackageNote => ({ what, name, by: "other" });
  const came: PackageNote = { what: "dependency", name: "jq" };

  it.each<[what: string, Wanted, Found, PackageNote[], PackageStep[], drift: string[]]>([
    ["is empty where all is as wanted", { jq: { version: "1.0" } }, { jq: present() }, [], [], []],
    [
      "is empty for any version where none is wanted",
      { jq: {} },
      { jq: present({ version: "9" }) },
      [],
      [],
      [],
    ],
    [
      "installs at once whatever is missing or of another version",
      { jq: {}, git: { version: "2.0" }, curl: {} },
      { jq: absent, git: present(), curl: present() },
      [],
      [{ do: "install-packages", packages: ["jq", "git=2.0"], ...patient }],
      ["packages.git.version", "packages.jq"],
    ],
    [
      "finishes what a killed dpkg left half done",
      { jq: {} },
      { jq: present({ status: "half-configured" }) },
      [mine("jq")],
      [{ do: "install-packages", packages: ["jq"], ...patient }],
      ["packages.jq.status"],
    ],
    [
      "puts on hold, and notes that it was not",
      { jq: { held: true } },
      { jq: present() },
      [],
      [
        { do: "claim-packages", what: "held", packages: ["jq"], by: ME },
        { do: "hold-packages", packages: ["jq"], wait: 120 },
      ],
      ["packages.jq.held"],
    ],
    [
      "notes no hold that an administrator set",
      { jq: { held: true } },
      { jq: present({ held: true }) },
      [],
      [],
      [],
    ],
    [
      "puts on hold again what changes its version, which apt forgets",
      { jq: { version: "2.0", held: true } },
      { jq: present({ held: true }) },
      [],
      [
        { do: "install-packages", packages: ["jq=2.0"], ...patient },
        { do: "hold-packages", packages: ["jq"], wait: 120 },
      ],
      ["packages.jq.version"],
    ],
    [
      "releases a hold",
      { jq: {} },
      { jq: present({ held: true }) },
      [],
      [{ do: "unhold-packages", packages: ["jq"], ...patient }],
      ["packages.jq.held"],
    ],
    [
      "forgets a hold of ours that somebody else released",
      { jq: {} },
      { jq: present() },
      [mine("jq"), mineHeld("jq")],
      [{ do: "unhold-packages", packages: ["jq"], ...patient }],
      ["packages.jq.noted"],
    ],
    [
      "claims what another of ours installed or held",
      { jq: { held: true } },
      { jq: present({ held: true }) },
      [theirs("installed", "jq"), theirs("held", "jq")],
      [
        { do: "claim-packages", what: "installed", packages: ["jq"], by: ME },
        { do: "claim-packages", what: "held", packages: ["jq"], by: ME },
      ],
      ["packages.jq.noted"],
    ],
    [
      "claims what came along with one of ours",
      { jq: {} },
      { jq: present() },
      [came],
      [{ do: "claim-packages", what: "installed", packages: ["jq"], by: ME }],
      ["packages.jq.noted"],
    ],
    [
      "gives back what is ours and no longer wanted, be it there or not",
      { jq: {} },
      { jq: present() },
      [mine("jq"), mine("git"), mineHeld("git"), mineHeld("curl"), theirs("installed", "rsync")],
      [{ do: "give-back-packages", packages: ["git", "curl"], ...patient }],
      ["packages.curl", "packages.git"],
    ],
  ])("%s", (_, wanted, found, notes, steps, differs) => {
    expect(plan(wanted, found, notes).steps).toEqual(steps);
    expect(drift(wanted, found, notes)).toEqual(differs);
  });

  it("tells drift exactly when there is something to do", () => {
    const name = fc.constantFrom("jq", "git");
    const version = fc.constantFrom("1.0", "2.0");
    const fact = fc.oneof(
      fc.constant(absent),
      fc.record({
        kind: fc.constant("present" as const),
        version,
        held: fc.boolean(),
        status: fc.constantFrom("installed", "half-configured"),
      }),
    );
    const note = fc.oneof(
      fc.record({
        what: fc.constantFrom("installed" as const, "held" as const),
        name: fc.constantFrom("jq", "git", "curl"),
        by: fc.constantFrom(ME, "other"),
      }),
      fc.record({ what: fc.constant("dependency" as const), name }),
    );
    const wish = fc.record({ version, held: fc.boolean() }, { requiredKeys: [] });
    fc.assert(
      fc.property(
        fc.dictionary(name, wish),
        fc.record({ jq: fact, git: fact }),
        fc.array(note, { maxLength: 4 }),
        (wanted, found, notes) => {
          expect(drift(wanted, found, notes).length > 0).toBe(plan(wanted, found, notes).steps.length > 0);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("for a removal gives back what is ours, and leaves", () => {
    const state = { inputs: declare({ jq: {}, git: {} }).inputs, outputs: {} };
    const steps = (notes: PackageNote[]) =>
      packages.remove(state, facts({ jq: present(), git: present() }, notes)).steps;
    const leave: Step = { do: "remove-lock", path: "/var/lib/wizard-houses/.lock" };
    expect(steps([mine("jq"), mineHeld("git"), theirs("installed", "git")])).toEqual([
      { do: "give-back-packages", packages: ["jq", "git"], ...patient },
      leave,
    ]);
    expect(steps([theirs("installed", "jq")])).toEqual([leave]);
  });

  it("may take longer than others: packages have to be fetched", () => {
    expect(plan({ jq: {} }, { jq: absent }).deadline).toBeGreaterThan(600);
  });
});

describe("in a folder that stands for a host", () => {
  const vantage = { prefix: "/tmp/x", owners: false };
  const request = { ...noFacts, packages: ["jq"] };
  const nothing = parseFacts(request, vantage, Buffer.from("stat\0links\0digests\0end\0"));

  it("nothing is looked at, installed or removed, and what is wanted is taken as given", () => {
    expect(factScript(request, vantage)).not.toContain("dpkg");
    const { inputs } = declare({ jq: { version: "1.0" } });
    expect(packages.observe({ inputs, outputs: {} }, nothing)?.inputs).toEqual(inputs);
    expect(packages.reconcile(inputs, undefined, nothing).plan.steps).toEqual([]);
    expect(packages.remove({ inputs, outputs: {} }, nothing).steps).toEqual([]);
  });

  it("which is not so on a real host", () => {
    const real = { prefix: "", owners: true };
    expect(factScript(request, real)).toContain("dpkg-query");
    const answer =
      "stat\0links\0digests\0packages\x000\0dpkg amd64 install installed 1.21\njq amd64 install installed 1.7\0\0end\0";
    const { packages: seen } = parseFacts(request, real, Buffer.from(answer));
    expect(seen).toEqual({
      readable: true,
      found: new Map([["jq", present({ version: "1.7" })]]),
      notes: [],
    });
  });
});

describe("the answer about packages", () => {
  const parse = (code: string, listed: string, recorded = ""): PackageFacts => {
    const fields = [code, `dpkg amd64 install installed 1.21.22\n${listed}`, recorded];
    return parsePackages(["jq", "git", "g++"], () => fields.shift()!);
  };
  it("without dpkg itself in it proves nothing absent", () => {
    const fields = ["1", "", ""];
    expect(parsePackages(["jq"], () => fields.shift()!)).toMatchObject({ readable: false });
  });
  const found = (listed: string) => {
    const answer = parse("1", listed);
    if (!answer.readable) throw new Error(answer.reason);
    return Object.fromEntries(answer.found);
  };

  it("tells what is there, on hold, half there, and nothing but settings", () => {
    expect(
      found(
        "jq amd64 hold installed 1:1.7-1\ngit all install half-configured 2.0~rc1\ng++ amd64 deinstall config-files 4:12\n",
      ),
    ).toEqual({
      jq: present({ version: "1:1.7-1", held: true }),
      git: present({ version: "2.0~rc1", status: "half-configured" }),
      "g++": absent,
    });
  });

  it("takes a pending trigger for what it is: everyday life", () =>
    expect(found("jq amd64 install triggers-awaited 1.0")["jq"]).toEqual(present()));

  it("does not take another architecture's package for ours", () =>
    expect(found("jq i386 install installed 1.0")["jq"]).toEqual(absent));

  it("knows what is ours", () => {
    expect(parse("0", "", "dependency git\nheld jq fleet/prod\ninstalled g++ a.b_c-d/e\n")).toMatchObject({
      notes: [
        { what: "dependency", name: "git" },
        { what: "held", name: "jq", by: "fleet/prod" },
        { what: "installed", name: "g++", by: "a.b_c-d/e" },
      ],
    });
  });

  it.each([
    ["no dpkg", "127", "", "", "there is no dpkg: packages are looked after on Debian hosts only"],
    ["a broken database", "2", "", "", "dpkg-query cannot read dpkg's database"],
    ["a package that was not asked for", "0", "curl amd64 install installed 1.0", "", "not understood"],
    ["a state there is not", "0", "jq amd64 install perfect 1.0", "", "not understood"],
    ["a version there cannot be", "0", "jq amd64 install installed 1.0;id", "", "not understood"],
    ["a record that is a folder", "0", "", "?", "is no file that can be read"],
    ["a record that is endless", "0", "", "dependency git\n".repeat(5000), "is larger than anything"],
    ["a record of something else", "0", "", "purged jq me", "a line that this program did not write"],
    ["a record for nobody", "0", "", "installed jq", "a line that this program did not write"],
    ["a record with a command", "0", "", "installed jq;id me", "a line that this program did not write"],
    [
      "a record with more on a line",
      "0",
      "",
      "installed jq me too",
      "a line that this program did not write",
    ],
  ])("%s makes packages, and only packages, unreadable", (_, code, listed, recorded, reason) => {
    const answer = parse(code, listed, recorded);
    expect(answer).toEqual({ readable: false, reason: expect.stringContaining(reason) as string });
    const seen: Facts = { ...facts({}), packages: answer };
    const { inputs } = declare({ jq: {} });
    expect(() => packages.observe({ inputs, outputs: {} }, seen)).toThrow(CannotLook);
    expect(() => packages.reconcile(inputs, undefined, seen)).toThrow(CannotLook);
    expect(() => packages.remove({ inputs, outputs: {} }, seen)).toThrow(CannotLook);
  });
});

describe("a script", () => {
  const real = { prefix: "", owners: true };
  const script = (...steps: Step[]) => planScript({ lock: "/l/.lock", steps }, real).text;

  it("has the functions for packages only if it needs them", () => {
    expect(script({ do: "remove", path: "/a" })).not.toContain("apt-get");
    expect(script({ do: "hold-packages", packages: ["jq"], wait: 1 })).toContain("apt-get");
  });

  it("calls them with one quoted word for each name", () => {
    const text = script(
      { do: "install-packages", packages: ["jq=1.0", "g++"], by: "a/b", wait: 9 },
      { do: "claim-packages", what: "held", packages: ["jq"], by: "a/b" },
      { do: "hold-packages", packages: ["jq"], wait: 9 },
    );
    expect(text.split("\n").slice(-4)).toEqual([
      "install_packages 'a/b' '9' 'jq=1.0' 'g++'",
      "claim_packages 'held' 'a/b' 'jq'",
      "hold_packages '9' 'jq'",
      "echo done",
    ]);
  });
});

describe("check", () => {
  const reasons = (values: Values) =>
    failureList(check(packages, { host, claimant: ME, packages: {}, ...values }).failures);

  it("takes Debian's names and versions", () => {
    const good = {
      "g++": {},
      "libstdc++6": {},
      "0ad": {},
      "python3.11": { version: "1:3.11.2-6+deb12u5~bpo1" },
    };
    expect(reasons({ packages: good })).toEqual([]);
  });

  it.each<[string, Values, string]>([
    [
      "a name that means removal to apt-get",
      { packages: { "curl-": {} } },
      "must be the name of a Debian package",
    ],
    ["an option", { packages: { "-y": {} } }, "must be the name of a Debian package"],
    ["a pattern", { packages: { "lib*": {} } }, "must be the name of a Debian package"],
    ["an architecture", { packages: { "jq:i386": {} } }, "must be the name of a Debian package"],
    ["a pattern for a version", { packages: { jq: { version: "1.*" } } }, "must be the exact version"],
    ["a claimant that is no word", { claimant: "a b" }, "claimant must be letters, digits"],
  ])("refuses %s", (_, values, reason) => {
    expect(reasons(values)).toEqual([expect.stringContaining(reason)]);
  });
});
