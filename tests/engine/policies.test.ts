/** The pack on the real engine: first previews, unknown values, exit codes, and what holds without it. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { RULES } from "../../policies/rules.ts";
import { House, RELEASE_CASES, RESOURCE_CASES } from "../unit/policies-cases.ts";
import { CANARY, RELEASE, type Registered, wizardResources } from "../unit/policies-fixture.ts";
import { type CommandResult, makeWorkspace, type Workspace } from "./workspace.ts";

let work: Workspace;
beforeAll(() => {
  work = makeWorkspace();
});
afterAll(() => work.cleanup());

const run = (...args: string[]): Promise<CommandResult> => work.run(args);
const preview = (...packs: string[]): Promise<CommandResult> =>
  run("preview", ...packs.flatMap((pack) => ["--policy-pack", pack]));

it("the wizards pass on a stack that was never created, with nothing said about policies", async () => {
  const { code, stdout, stderr } = await preview("policies");
  expect(code, stdout + stderr).toBe(0);
  expect(stdout + stderr).not.toMatch(/policy|violat|advis/i);
});

it("plain pulumi refuses a fleet that breaks a rule, without any pack", async () => {
  const file = path.join(work.dir, "wizards", "bezalel", "config.yaml");
  const before = readFileSync(file, "utf8");
  writeFileSync(file, `${before}\ntts: {provider: parrot}\n`);
  const plain = await run("pulumi", "up", "--yes", "--skip-preview");
  const ours = await run("up");
  writeFileSync(file, before);
  expect(plain.code).not.toBe(0);
  expect(plain.stdout + plain.stderr).toContain("tts.provider: is no provider of the fleet");
  expect(ours.code).toBe(1);
  expect(ours.stderr).toContain("tts.provider: is no provider of the fleet");
});

/** Marks a place whose value another resource makes, and which is therefore not known before that exists. */
const UNKNOWN = "(unknown)";

/** Puts a program in place of the real one: it makes the given resources, as they are. */
function program(resources: readonly Registered[]): void {
  writeFileSync(path.join(work.dir, "resources.json"), JSON.stringify(resources));
  writeFileSync(
    path.join(work.dir, "program.mjs"),
    `import { readFileSync } from "node:fs";
     import pulumi from "@pulumi/pulumi";
     const resources = JSON.parse(readFileSync(new URL("resources.json", import.meta.url), "utf8"));
     const maker = new pulumi.CustomResource("host:index:User", "maker", {
       host: { name: "maker", transport: "local", root: ".dev/maker" }, user: "maker", home: "/srv/maker", uid: undefined,
     });
     const unknown = maker.id;
     const filled = (value) =>
       value === ${JSON.stringify(UNKNOWN)} ? unknown
       : Array.isArray(value) ? value.map(filled)
       : typeof value === "object" && value !== null
         ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, filled(inner)]))
         : value;
     // As components: the engine shows a pack all resources, and none of these needs to be made.
     for (const { type, name, inputs } of resources) {
       const made = new pulumi.ComponentResource(type, name, filled(inputs));
       // What a provider would answer: the inputs.
       made.registerOutputs(filled(inputs));
     }
    `,
  );
}

describe("every rule holds at the first preview", () => {
  let releases: Registered[];
  beforeAll(async () => {
    releases = (await wizardResources("prod")).filter(({ type }) => type === RELEASE);
  });

  /** A resource per rule that breaks it and no other, under the rule's name. */
  const broken = (): Registered[] =>
    RULES.flatMap(({ name }) => {
      const own = RELEASE_CASES.find(({ rule, says }) => rule === name && says !== undefined);
      if (own !== undefined) {
        const release = structuredClone(releases.find((one) => one.name === "bezalel-release"));
        if (release === undefined) throw new Error("no release of bezalel");
        own.change(new House(release));
        // Each on a host of its own, so that their ports do not clash.
        const host = { ...(release.inputs["host"] as object), name };
        return [{ ...release, name: `${name}-release`, inputs: { ...release.inputs, host } }];
      }
      const other = RESOURCE_CASES.find(({ rule, says }) => rule === name && says !== undefined);
      // A firewall of another rule's case must not cover the droplet that has none.
      const apart = ({ type, inputs }: Registered) =>
        /:Firewall$/.test(type) ? { ...inputs, tags: ["none"] } : inputs;
      return (other?.resources ?? []).map((one) => ({
        ...one,
        name: `${name}-${one.name}`,
        inputs: apart(one),
      }));
    });

  it("each violation of a mandatory one is told, and the exit code is 5; what is advised is told too", async () => {
    program(broken());
    const { code, stdout, stderr } = await preview("policies");
    expect(code, stdout + stderr).toBe(5);
    for (const { name, level } of RULES)
      expect(level === "advisory" ? stdout : stderr).toContain(`${name}: `);
    expect(stdout + stderr).not.toContain(CANARY);
  });

  it("what is not known is a violation of every rule that would have to judge it", async () => {
    const release = structuredClone(releases.find((one) => one.name === "ezra-release"));
    if (release === undefined) throw new Error("no release of ezra");
    const inputs = release.inputs as unknown as House["inputs"];
    for (const file of Object.values(inputs.files)) {
      file.content = UNKNOWN;
      file.mode = UNKNOWN;
    }
    for (const one of Object.values(inputs.units)) one.content = UNKNOWN;
    inputs["cron"] = UNKNOWN as never;
    // The key of a host may be made in the same update; how it is reached may not.
    Object.assign(inputs["host"] as object, { hostKey: UNKNOWN, transport: UNKNOWN });
    const others = RESOURCE_CASES.filter(
      ({ rule, says }) => says === undefined && /hook|droplet|firewall/.test(rule),
    );
    const made = others.flatMap(({ rule, resources }, index) =>
      resources.map((one, at) => ({
        ...{ type: one.type, name: `${rule}-${index}-${at}-${one.name}` },
        inputs: Object.fromEntries(Object.keys(one.inputs).map((key) => [key, UNKNOWN])),
      })),
    );
    program([release, ...made]);
    const { code, stdout, stderr } = await preview("policies");
    expect(code, stdout + stderr).toBe(5);
    for (const { name, level } of RULES)
      expect(level === "advisory" ? stdout : stderr).toMatch(new RegExp(`${name}: .*not known at preview`));
    expect(stdout + stderr).not.toContain("can't run policy");
  });
});
