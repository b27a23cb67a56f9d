/** What the real components make of the real wizards, as the engine hands it to a policy; and a way to run rules on it. */
import { createRequire } from "node:module";
import path from "node:path";

import type { ResourceValidationArgs, StackValidationArgs } from "@pulumi/policy";
import * as pulumi from "@pulumi/pulumi";

import { ENVIRONMENTS, type Environment, loadFleet, renderHouse } from "../../fleet/index.ts";
import type { DeployHookSettings } from "../../fleet/model.ts";
import { loadRulebook } from "../../fleet/load.ts";
import type { Rulebook } from "../../fleet/rules/model.ts";
import { allPolicies } from "../../policies/rules.ts";
import { complete } from "../../provider/resources/release/complete.ts";
import type { Values } from "../../provider/values.ts";

export const WIZARDS = path.join(import.meta.dirname, "..", "..", "wizards");
export const RELEASE = "host:index:Release";
/** Stands for every key of every house; no violation may repeat it. */
export const CANARY = "canary7F3a91bQ0zT5xW8eR2yU6iP4";

export interface Registered {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
}

/** The SDK wraps a resource's properties in this proxy before it calls a rule; the module is not in its public types. */
export const { unknownCheckingProxy, unknownStringValue, unknownObjectValue } = createRequire(
  import.meta.url,
)("@pulumi/policy/proxy") as {
  unknownCheckingProxy: (props: unknown) => Record<string, unknown>;
  unknownStringValue: string;
  unknownObjectValue: string;
};

export const rulebook: Rulebook = loadRulebook(WIZARDS);

let recording: Registered[] = [];
/** Once for all: what is still under way when mocks are exchanged fails in the new ones. */
const mocked = pulumi.runtime.setMocks(
  {
    newResource: ({ type, name, inputs }) => {
      const given = unwrapped(inputs) as Values;
      // A policy sees what the provider's check has made of the inputs.
      recording.push({ type, name, inputs: type === RELEASE ? complete(given).inputs : given });
      return { id: type.startsWith("fleet:") ? "" : name, state: inputs };
    },
    call: ({ token }) => {
      throw new Error(`No call of ${token} is expected`);
    },
  },
  "wizard-houses",
  "test",
  false,
);

/** Resources of every wizard in an environment, made by the components with recording mocks. */
export async function wizardResources(environment: Environment): Promise<Registered[]> {
  await mocked;
  const registered: Registered[] = [];
  recording = registered;
  const { WizardHouse } = await import("../../components/wizard-house.ts");
  const fleet = loadFleet(WIZARDS);
  const hosts = Object.keys(fleet.hosts);
  for (const house of fleet.houses) {
    const rendered = renderHouse(fleet, house, environment);
    const { port, user } = { port: 22, user: "root", ...fleet.hosts[house.host] };
    const number = hosts.indexOf(house.host);
    const made = new WizardHouse(house.name, {
      host: {
        ...{ name: house.host, transport: "ssh", address: `203.0.113.${number}`, port, user },
        hostKey: hostKey(number + 1),
      },
      house,
      rendered,
      keys: Object.fromEntries(rendered.keys.map((key) => [key, pulumi.secret(`${key}-${CANARY}`)])),
      salt: "wizard-houses/test",
    });
    await new Promise((resolve) => made.summary.release.apply(resolve));
  }
  return registered;
}

/** Resources of a deploy hook as the component makes them. */
export async function hookResources(
  hook: DeployHookSettings,
  secrets: readonly string[],
): Promise<Registered[]> {
  await mocked;
  const registered: Registered[] = [];
  recording = registered;
  const { DeployHook } = await import("../../components/deploy-hook.ts");
  const host = {
    ...({ name: hook.host, transport: "ssh", address: "203.0.113.9", port: 22, user: "root" } as const),
    hostKey: hostKey(9),
  };
  const wrapped = secrets.map((secret) => pulumi.secret(secret));
  new DeployHook("deploy-hook", {
    host,
    hook,
    secrets: wrapped,
    packages: {},
    claimant: "wizard-houses/test",
  });
  await pulumi.runtime.disconnect();
  return registered;
}

export { ENVIRONMENTS };

/** A well-formed ed25519 host key that belongs to nobody. */
export function hostKey(seed: number): string {
  const blob = Buffer.concat([
    Buffer.from("0000000b7373682d6564323535313900000020", "hex"),
    Buffer.alloc(32, seed),
  ]);
  return `ssh-ed25519 ${blob.toString("base64")}`;
}

/** A secret inside an input arrives in an envelope; policies see what is in it. */
function unwrapped(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unwrapped);
  if (typeof value !== "object" || value === null) return value;
  if (pulumi.runtime.specialSigKey in value && "value" in value) return unwrapped(value.value);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, unwrapped(inner)]));
}

/** A violation: by which rule, of which resource, in which words. */
export interface Violation {
  rule: string;
  resource: string;
  message: string;
}

/** Runs the whole pack on resources, in order, as one run of the engine does. */
export function violations(resources: readonly Registered[], book: Rulebook = rulebook): Violation[] {
  const found: Violation[] = [];
  const policies = allPolicies(book);
  const seen = resources.map(({ type, name, inputs }) => ({
    ...{ type, name, urn: `urn:pulumi:test::wizard-houses::${type}::${name}` },
    props: unknownCheckingProxy(inputs),
  }));
  for (const policy of policies) {
    const report = (resource: string) => (message: string) => {
      found.push({ rule: policy.name, resource, message });
    };
    if ("validateStack" in policy) {
      const args = { resources: seen } as unknown as StackValidationArgs;
      void policy.validateStack(args, (message, urn) => report(urn?.split("::").at(-1) ?? "")(message));
    } else if (typeof policy.validateResource === "function") {
      for (const resource of seen)
        void policy.validateResource(resource as unknown as ResourceValidationArgs, report(resource.name));
    }
  }
  return found;
}
