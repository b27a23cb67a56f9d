/**
 * Stands in for DigitalOcean at the plugin protocol. It takes exactly what the SDK's declarations say, refuses what the
 * real API refuses, and its droplets are real machines.
 */
import { createHash, randomInt, randomUUID } from "node:crypto";

import { difference } from "../../../provider/diff.ts";
import { InitFailed } from "../../../provider/errors.ts";
import type { Made, Managed, Wish } from "../../../provider/managed.ts";
import type { State } from "../../../provider/resource.ts";
import { checkObject } from "../../../provider/schema/spec.ts";
import { UNKNOWN, type Values } from "../../../provider/values.ts";
import type { Account, Thing } from "./account.ts";
import { enforceFirewalls } from "./firewall.ts";
import { endDroplet, machineOfDroplet, powerCycle, startDroplet } from "./machines.ts";
import { sdkResource } from "./sdk-schema.ts";

/** What one kind of thing is beyond its record in the account. */
interface Kind {
  /** As in its module and token: `droplet`. */
  kind: string;
  /** The class: `Droplet`. */
  name: string;
  /** Inputs that cannot be changed. */
  replaceOn?: string[];
  /** Outputs that are not known before it is made. */
  computed?: string[];
  make?(account: Account, inputs: Values): Promise<Thing>;
  /** After a change has been written down. */
  changed?(account: Account, thing: Thing, before: Values): Promise<void>;
  end?(account: Account, thing: Thing): Promise<void>;
  /** Whether it is still there. */
  exists?(account: Account, thing: Thing): boolean;
}

const DROPLET: Kind = {
  kind: "droplet",
  name: "Droplet",
  replaceOn: ["image", "region", "userData", "sshKeys", "vpcUuid", "privateNetworking", "publicNetworking"],
  computed: ["ipv4Address", "ipv6Address", "dropletUrn", "status", "userData"],
  async make(account, inputs) {
    refuse(inputs);
    const droplet = await startDroplet(account, String(randomInt(100_000_000, 999_999_999)), inputs);
    if (account.terms.stillborn?.includes(String(inputs["name"]))) throw new Stillborn(droplet);
    return droplet;
  },
  async changed(account, thing, before) {
    if (before["size"] !== thing.inputs["size"]) await powerCycle(account, thing);
    await enforceFirewalls(account);
  },
  end: endDroplet,
  exists: (account, thing) => machineOfDroplet(account, thing) !== undefined,
};

const fact =
  (facts: (inputs: Values, id: string) => Record<string, unknown>) => (_account: Account, inputs: Values) => {
    const id = randomUUID();
    return Promise.resolve({ id, inputs, facts: facts(inputs, id) });
  };
const enforced = (account: Account): Promise<void> => enforceFirewalls(account);

const KINDS: Kind[] = [
  DROPLET,
  {
    kind: "sshKey",
    name: "SshKey",
    replaceOn: ["publicKey"],
    computed: ["fingerprint"],
    make: (account, inputs) => {
      const taken = account.all("sshKey").some((key) => key.inputs["publicKey"] === inputs["publicKey"]);
      if (taken) throw new Error("SSH Key is already in use on your account");
      const blob = Buffer.from(String(inputs["publicKey"]).split(" ")[1] ?? "", "base64");
      const fingerprint = createHash("md5").update(blob).digest("hex").match(/../g)!.join(":");
      return Promise.resolve({ id: String(randomInt(1_000_000)), inputs, facts: { fingerprint } });
    },
  },
  { kind: "tag", name: "Tag", replaceOn: ["name"] },
  { kind: "firewall", name: "Firewall", changed: enforced, end: enforced },
  { kind: "project", name: "Project" },
  { kind: "projectResources", name: "ProjectResources", replaceOn: ["project"] },
  {
    kind: "dnsRecord",
    name: "DnsRecord",
    replaceOn: ["domain", "type"],
    computed: ["fqdn"],
    make: fact(({ name, domain }) => ({ fqdn: `${String(name)}.${String(domain)}` })),
  },
  {
    kind: "reservedIp",
    name: "ReservedIp",
    replaceOn: ["region"],
    computed: ["ipAddress"],
    make: fact(() => ({ ipAddress: "203.0.113.200" })),
  },
  { kind: "reservedIpAssignment", name: "ReservedIpAssignment", replaceOn: ["ipAddress", "dropletId"] },
  {
    kind: "volume",
    name: "Volume",
    replaceOn: ["region", "name"],
    computed: ["volumeUrn"],
    make: fact((_, id) => ({ volumeUrn: `do:volume:${id}` })),
  },
  { kind: "volumeAttachment", name: "VolumeAttachment", replaceOn: ["dropletId", "volumeId"] },
];

/** A droplet that was ordered, and does not become active. */
class Stillborn extends Error {
  readonly droplet: Thing;
  constructor(droplet: Thing) {
    super("Error waiting for droplet to become ready: timeout while waiting for state to become 'active'");
    this.droplet = droplet;
  }
}

/** What the API answers with 422. */
function refuse(inputs: Values): void {
  const text = (key: string): string => String(inputs[key]);
  if (!/^[A-Za-z0-9.-]{1,253}$/.test(text("name")))
    throw new Error("Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)");
  if (!/^[a-z]{3}[1-9]$/.test(text("region")))
    throw new Error("You specified an invalid region for Droplet creation.");
  if (!/^[a-z]+-\d/.test(text("size")))
    throw new Error("You specified an invalid size for Droplet creation.");
  if (text("image") !== "debian-12-x64")
    throw new Error("You specified an invalid image for Droplet creation.");
  if (Buffer.byteLength(text("userData")) > 65_536) throw new Error("User data is too large");
}

function managed({ kind, name, replaceOn = [], computed = [], ...own }: Kind, account: Account): Managed {
  const { spec, types } = sdkResource("@pulumi/digitalocean", `${kind}.d.ts`, name);
  const shape = { properties: spec.inputProperties, required: spec.requiredInputs };
  const gives = (thing: Thing): Values =>
    Object.fromEntries(
      Object.entries({ ...thing.inputs, ...thing.facts }).filter(([key]) => key in spec.properties),
    ) as Values;
  const found = (id: string): Thing => {
    const thing = account.get(kind, id);
    if (!thing) throw new Error(`404 The resource you were accessing could not be found: ${kind} ${id}`);
    return thing;
  };
  async function create(inputs: Values): Promise<Made> {
    try {
      const thing = own.make ? await own.make(account, inputs) : { id: randomUUID(), inputs, facts: {} };
      account.put(kind, thing);
      await own.changed?.(account, thing, inputs);
      return { id: thing.id, outputs: gives(thing) };
    } catch (error) {
      if (!(error instanceof Stillborn)) throw error;
      const { id } = error.droplet;
      throw new InitFailed(error.message, { id, inputs, outputs: gives(error.droplet) });
    }
  }
  async function update(id: string, inputs: Values, old: State): Promise<Made> {
    const thing = { ...found(id), inputs };
    account.put(kind, thing);
    await own.changed?.(account, thing, old.inputs);
    return { id, outputs: gives(thing) };
  }
  return {
    check(news) {
      const { values, failures } = checkObject(shape, types, news);
      return { inputs: values, failures };
    },
    diff: (oldInputs, news) => difference(oldInputs, news, replaceOn),
    async reconcile({ inputs, old, id = "", preview }: Wish) {
      const known = { ...old?.outputs, ...inputs };
      if (preview && !old) {
        const later = computed.map((output) => [output, UNKNOWN] as const);
        return { id, outputs: { ...known, ...Object.fromEntries(later) } };
      }
      if (preview) return { id, outputs: known };
      return await (old ? update(id, inputs, old) : create(inputs));
    },
    read(id, state) {
      const thing = account.get(kind, id);
      const there = thing !== undefined && (own.exists?.(account, thing) ?? true);
      return Promise.resolve(
        there
          ? { inputs: { ...state.inputs, ...thing.inputs } as Values, outputs: gives(thing), replaced: [] }
          : undefined,
      );
    },
    async remove(id) {
      const thing = account.get(kind, id);
      if (!thing) return;
      account.drop(kind, id);
      await own.end?.(account, thing);
    },
  };
}

/** By token. */
export const digitalocean = (account: Account): Record<string, Managed> =>
  Object.fromEntries(
    KINDS.map((kind) => [`digitalocean:index/${kind.kind}:${kind.name}`, managed(kind, account)]),
  );
