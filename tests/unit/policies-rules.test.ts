/** Each rule on what the components make of the wizards, with one thing changed at a time. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import fc from "fast-check";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";

import { projectFile } from "../../fleet/project-file.ts";
import { RULES } from "../../policies/rules.ts";
import { DROPLET, HOOK, House, RELEASE_CASES, RESOURCE_CASES } from "./policies-cases.ts";
import {
  CANARY,
  ENVIRONMENTS,
  RELEASE,
  type Registered,
  unknownStringValue,
  type Violation,
  violations,
  wizardResources,
} from "./policies-fixture.ts";

let resources: Registered[];
beforeAll(async () => {
  resources = await wizardResources("prod");
});

const releases = (): Registered[] => structuredClone(resources.filter(({ type }) => type === RELEASE));
const released = (name: string): Registered => {
  const found = releases().find((one) => one.name === `${name}-release`);
  if (found === undefined) throw new Error(`no release of ${name}`);
  return found;
};
const houseOf = (name: string): House => new House(released(name));

function expectOnly(found: readonly Violation[], rule: string, says: string | undefined): void {
  expect(JSON.stringify(found)).not.toContain(CANARY);
  if (says === undefined) {
    expect(found).toEqual([]);
    return;
  }
  expect([...new Set(found.map((one) => one.rule))], JSON.stringify(found, null, 1)).toEqual([rule]);
  expect(found.map(({ message }) => message).join("\n")).toContain(says);
}

test.each(ENVIRONMENTS)("the wizards pass every rule in %s", async (environment) => {
  expect(violations(await wizardResources(environment))).toEqual([]);
});

describe.each(RELEASE_CASES)("$rule: $what", ({ rule, change, says }) => {
  test(says === undefined ? "passes" : "is refused", () => {
    const house = houseOf("bezalel");
    change(house);
    expectOnly(violations([house.release]), rule, says);
  });
});

describe.each(RESOURCE_CASES)("$rule: $what", ({ rule, resources: given, says }) => {
  test(says === undefined ? "passes" : "is refused", () => {
    expectOnly(violations(given), rule, says);
  });
});

test("ports-unique: two houses of a host on one port, the later one is told whose it is", () => {
  const [ezra, allegro] = [houseOf("ezra"), houseOf("allegro")];
  const port = /port: (\d+)/.exec(ezra.inputs.files["config.yaml"]?.content ?? "")?.[1] ?? "";
  const other = /port: (\d+)/.exec(allegro.inputs.files["config.yaml"]?.content ?? "")?.[1] ?? "";
  const moved = JSON.parse(JSON.stringify(allegro.release).replaceAll(other, port)) as Registered;
  const [only, ...more] = violations([ezra.release, moved]);
  expect(more).toEqual([]);
  expect(only).toMatchObject({ rule: "ports-unique", resource: "allegro-release" });
  expect(only?.message).toContain("ports.health is taken on host tower by ezra-release");
});

test("ports-unique: a resource that is shown twice does not clash with itself", () => {
  expect(violations([released("ezra"), released("ezra")])).toEqual([]);
});

test("deploy-hook-alone: no wizard on the hook's host, whichever of the two comes first", () => {
  const hook = { type: "fleet:index:DeployHook", name: "hook", inputs: structuredClone(HOOK) };
  const ezra = released("ezra");
  expect(violations([hook, ezra])).toEqual([]);
  hook.inputs["host"] = ezra.inputs["host"];
  const messages = (...given: Registered[]) => violations(given).map(({ message }) => message);
  expect(messages(hook, ezra)).toEqual([
    'house ezra, ezra-release: host.name is the host of hook ("tower"); allowed: another host than the hook\'s',
  ]);
  expect(messages(ezra, hook)).toEqual([
    'hook: host.name has ezra-release on it ("tower"); allowed: a host without wizards',
  ]);
});

test("a file of the project is judged by the very bytes that would reach a host, or not passed", () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), "project-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const named = (text: string, sha256?: string): Registered => {
    const source = path.join(folder, "x.sh");
    writeFileSync(source, text);
    const held = projectFile(path.relative(process.cwd(), source), process.cwd());
    const release = released("bezalel");
    Object.assign(release.inputs["files"] as object, {
      "x.sh": { ...held, ...(sha256 && { sha256 }), mode: "0640" },
    });
    return release;
  };
  const messages = (release: Registered) => violations([release]).map(({ message }) => message);
  expect(messages(named("echo nothing to see\n"))).toEqual([]);
  const key = `sk-${"or-v1-0123456789abcdef".repeat(3)}`;
  expect(messages(named(`KEY=${key}\n`))).toEqual([expect.stringContaining('files."x.sh".source')]);
  expect(messages(named("echo\n", "0".repeat(64)))).toEqual([
    expect.stringContaining("is no file of this project that holds what its digest says"),
  ]);
});

test("a violation names house, resource, property, what was found and what to do", () => {
  const house = houseOf("bezalel");
  house.config("tts.provider", "parrot");
  expect(violations([house.release]).map(({ message }) => message)).toEqual([
    'house bezalel, bezalel-release: files."config.yaml".content.tts.provider is no provider of the fleet ("parrot"); ' +
      "allowed: edge, elevenlabs, openai, xai, minimax, mistral, gemini, deepinfra, neutts, kittentts, piper",
  ]);
});

describe("whatever is changed in a passing house, exactly the rule for it speaks", () => {
  const failing = RELEASE_CASES.filter(({ says }) => says !== undefined);
  const passing = RELEASE_CASES.filter(({ says }) => says === undefined);

  test("any house, any failing case, on top of any passing one", () => {
    const cases = fc.record({
      house: fc.constantFrom("ezra", "allegro", "bezalel"),
      fault: fc.constantFrom(...failing),
      noise: fc.constantFrom(...passing),
    });
    fc.assert(
      fc.property(cases, ({ house: name, fault, noise }) => {
        // Two changes of one rule may be of one and the same thing, and then they are another case.
        fc.pre(fault.rule !== noise.rule);
        const house = houseOf(name);
        // Where both write the same entry, the fault stays.
        noise.change(house);
        fault.change(house);
        const rules = [...new Set(violations([house.release]).map((one) => one.rule))];
        expect(rules).toEqual([fault.rule]);
      }),
      { numRuns: 60, examples: [] },
    );
  });

  test("file-modes: any mode that gives others or the group more, and no other", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0o7777 }), (bits) => {
        const house = houseOf("ezra");
        house.inputs.files["SOUL.md"]!.mode = bits.toString(8).padStart(4, "0");
        const sound = (bits & 0o7027) === 0;
        expect(violations([house.release]).map(({ rule }) => rule)).toEqual(sound ? [] : ["file-modes"]);
      }),
      { numRuns: 60 },
    );
  });

  test("secrets-stay-secret: any random word in any file", () => {
    const word = fc
      .string({
        unit: fc.constantFrom(..."ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"),
        minLength: 40,
        maxLength: 64,
      })
      .filter(
        (text) => /[0-9]/.test(text) && /[a-z]/.test(text) && /[A-Z]/.test(text) && new Set(text).size > 20,
      );
    const file = fc.constantFrom("SOUL.md", "skins/ezra.yaml", "golden.yaml", "gateway/check-host.sh");
    fc.assert(
      fc.property(word, file, (text, path) => {
        const house = houseOf("ezra");
        house.append(path, `# ${text}`);
        const found = violations([house.release]);
        expect(found.map(({ rule }) => rule)).toEqual(["secrets-stay-secret"]);
        expect(found[0]?.message).not.toContain(text);
      }),
      { numRuns: 30 },
    );
  });
});

/** Places that a rule judges, each of which may be unknown on a stack that was never created. */
const POLICED: Readonly<Record<string, readonly (readonly string[])[]>> = {
  "banned-provider": [
    ["files"],
    ["files", "config.yaml"],
    ["files", "config.yaml", "content"],
    ["files", "jobs.json", "content"],
    ["files", "golden.yaml", "content"],
    ["files", ".env", "content"],
    ["units"],
    ["units", "hermes-ezra.service", "content"],
    ["cron"],
    ["cron", "wizard-ezra", "entries"],
    ["cron", "wizard-ezra", "entries", "0", "command"],
    ["check", "argv"],
  ],
  "soul-gate": [["files", "config.yaml", "content"], ["files"]],
  "golden-state": [
    ["files", "config.yaml", "content"],
    ["files", ".env", "content"],
    ["house"],
    ["health", "unit"],
    ["units", "hermes-ezra.service", "content"],
  ],
  "deadman-present": [
    ["files", "deadman/deadman.sh", "content"],
    ["files", "deadman/deadman.conf", "content"],
    ["cron"],
    ["house"],
  ],
  "request-log-present": [["files", "request-log/request-log.py", "content"], ["cron"], ["house"]],
  "cron-safe": [
    ["cron", "wizard-ezra", "entries", "0", "schedule"],
    ["cron", "wizard-ezra", "entries", "0", "user"],
    ["cron", "wizard-ezra", "entries"],
    ["files", "jobs.json", "content"],
    ["group"],
  ],
  "ports-unique": [
    ["files", "config.yaml", "content"],
    ["files", "golden.yaml", "content"],
    ["files", ".env", "content"],
    ["health", "http"],
    ["host", "name"],
  ],
  "secrets-stay-secret": [
    ["files", "SOUL.md", "content"],
    ["units", "hermes-ezra.service", "content"],
    ["cron", "wizard-ezra", "entries", "0", "command", "0"],
    ["check", "argv"],
  ],
  "file-modes": [
    ["files", "SOUL.md", "mode"],
    ["files", "SOUL.md", "owner"],
    ["directories", "home", "group"],
    ["directories"],
    ["group"],
  ],
  "unit-hardened": [["units", "hermes-ezra.service", "content"], ["units"], ["house"], ["group"]],
  "ssh-pinned": [["host"], ["host", "transport"]],
};

describe("what the same update makes is judged once it is known", () => {
  test.each([
    { rule: "ssh-pinned", type: "release", at: ["host", "hostKey"], wrong: "ssh-ed25519 AAAA" },
    { rule: "droplet", type: "droplet", at: ["userData"], wrong: "ssh_pwauth: true" },
  ])("$rule: $at", ({ rule, type, at, wrong }) => {
    const make = () =>
      type === "release"
        ? released("ezra")
        : { type: "digitalocean:index/droplet:Droplet", name: "ark", inputs: structuredClone(DROPLET) };
    const judged = (value: string) => {
      const one = make();
      setAt(one.inputs, at, value);
      return violations([one]).filter((found) => found.rule === rule);
    };
    expect(judged(unknownStringValue)).toEqual([]);
    expect(judged(wrong)).toHaveLength(1);
  });
});

describe("what is not known at preview is a violation, because the SDK would turn the rule advisory", () => {
  const cases = Object.entries(POLICED).flatMap(([rule, paths]) => paths.map((at) => ({ rule, at })));

  test.each(cases)("$rule: $at", ({ rule, at }) => {
    const release = released("ezra");
    setAt(release.inputs, at, unknownStringValue);
    const found = violations([release]).filter((one) => one.rule === rule);
    expect(found.length).toBeGreaterThan(0);
    expect(found.some(({ message }) => message.includes("is not known at preview"))).toBe(true);
  });

  test.each(RESOURCE_CASES.filter(({ says }) => says === undefined))("$rule: $what, any input", (one) => {
    const [first] = one.resources;
    for (const key of Object.keys(first?.inputs ?? {})) {
      const given = structuredClone(one.resources);
      setAt(given[0]?.inputs ?? {}, [key], unknownStringValue);
      expect(() => violations(given)).not.toThrow();
    }
  });

  test("no unknown value anywhere escapes from a rule, nor hides what another place has to say", () => {
    const paths = everyPath(released("ezra").inputs);
    fc.assert(
      fc.property(fc.constantFrom(...paths), (at) => {
        const house = houseOf("ezra");
        if (at[0] !== "files" || at.length > 1) house.inputs.files["zz.sh"] = { content: "x", mode: "0666" };
        setAt(house.inputs, at, unknownStringValue);
        const found = violations([house.release]);
        if (at.length > 1) expect(found.some(({ rule }) => rule === "file-modes")).toBe(true);
      }),
      { numRuns: 150 },
    );
  });
});

function setAt(tree: Record<string, unknown>, at: readonly string[], value: unknown): void {
  const last = at.at(-1) ?? "";
  const node = at.slice(0, -1).reduce<Record<string, unknown>>((one, step) => {
    return one[step] as Record<string, unknown>;
  }, tree);
  node[last] = value;
}

function everyPath(value: unknown, at: string[] = []): string[][] {
  if (typeof value !== "object" || value === null) return [at];
  const below = Object.entries(value).flatMap(([key, inner]) => everyPath(inner, [...at, key]));
  return at.length === 0 ? below : [at, ...below];
}

describe("the pack", () => {
  test("every rule is registered under its file's name, described, with what to do", () => {
    const files = readdirSync(path.join(import.meta.dirname, "..", "..", "policies", "rules"));
    expect(RULES.map((rule) => `${rule.name}.ts`).sort()).toEqual(files.sort());
    for (const rule of RULES) {
      expect(rule.description.length).toBeGreaterThan(40);
      expect(rule.remediation.length).toBeGreaterThan(40);
    }
  });

  test("every rule has passing and failing cases", () => {
    const cases = [...RELEASE_CASES, ...RESOURCE_CASES];
    for (const { name } of RULES) {
      const own = cases.filter(({ rule }) => rule === name);
      expect(
        own.some(({ says }) => says === undefined),
        `${name} passes`,
      ).toBe(true);
      expect(
        own.some(({ says }) => says !== undefined),
        `${name} fails`,
      ).toBe(true);
    }
  });

  test("no rule concerns itself with other resources", () => {
    expect(violations([{ type: "pulumi:pulumi:Stack", name: "x", inputs: {} }])).toEqual([]);
  });
});
