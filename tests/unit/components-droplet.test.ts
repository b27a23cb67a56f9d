/** Droplets as the SDK hands them to the engine: every resource, every input, every option. */
import * as pulumi from "@pulumi/pulumi";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";

import type { DigitalOceanSpec, DropletHost, DropletSpec } from "../../fleet/model.ts";
import { sdkResource } from "../droplets/stand-in/sdk-schema.ts";

interface Registered {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
}

const registered: Registered[] = [];
/** By name. */
const options = new Map<string, pulumi.CustomResourceOptions>();
/** Tells the engine's inputs from what the SDK wraps as a secret. */
const plainly = (inputs: object): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(inputs).map(([key, value]: [string, { value?: unknown } | null]) => [
      key,
      value !== null && typeof value === "object" && SECRET in value ? value.value : value,
    ]),
  );
const SECRET = "4dabf18193072939515e22adb298388d";
const KEY = { publicKey: "ssh-ed25519 AAAAhost", privateKey: "PRIVATE" };
/** What the clouds would answer. */
const FACTS: Record<string, Record<string, unknown>> = {
  "host:index:KeyPair": KEY,
  "host:index:HostKey": { hostKey: "ssh-ed25519 AAAAnext" },
  "digitalocean:index/droplet:Droplet": { ipv4Address: "203.0.113.5", dropletUrn: "do:droplet:7" },
  "digitalocean:index/reservedIp:ReservedIp": { ipAddress: "203.0.113.200" },
};

beforeAll(async () => {
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        registered.push({ type, name, inputs: plainly(inputs as object) });
        const id = type.startsWith("digitalocean:") ? "7" : name;
        return { id, state: { ...(inputs as Record<string, unknown>), ...FACTS[type] } };
      },
      call: ({ token }) => {
        throw new Error(`No call of ${token} is expected`);
      },
    },
    "wizard-houses",
    "test",
    false,
  );
});
beforeEach(() => {
  registered.length = 0;
  options.clear();
});

const plain: DropletSpec = {
  region: "fra1",
  size: "s-1vcpu-2gb",
  image: "debian-12-x64",
  backups: true,
  monitoring: true,
  tags: [],
  reservedIp: false,
  inbound: [],
  generation: 1,
  protect: true,
};
const OPERATOR = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKJemppBMLCQCI8P8w8iGoea2ky34wtwCL3TSYx0cc4a";
const account: DigitalOceanSpec = { sshKeys: { ada: OPERATOR }, sshFrom: ["198.51.100.0/24"] };

async function make(spec: Partial<DropletSpec> = {}, more: Partial<DigitalOceanSpec> = {}) {
  const { DigitalOcean } = await import("../../components/digital-ocean.ts");
  const { loadCloud } = await import("../../components/cloud.ts");
  const hosts: DropletHost[] = [{ name: "ark", packages: {}, droplet: { ...plain, ...spec } }];
  const args = { cloud: await loadCloud(), stack: "prod", account: { ...account, ...more }, hosts };
  const note: pulumi.ResourceTransformation = ({ name, opts }) => void options.set(name, opts);
  const made = new DigitalOcean("digitalocean", { ...args, connectDeadline: 9 }, { transformations: [note] });
  await pulumi.runtime.disconnect();
  return made.rented["ark"]!;
}
const inputsOf = (name: string) => registered.find((one) => one.name === name)?.inputs;
/** What protects it, and what is not looked at again. */
const optionsOf = (name: string) => {
  const { protect, ignoreChanges } = options.get(name) ?? {};
  return { protect, ignoreChanges };
};
/** The name of what deletes it on the way. */
const goesWith = async (name: string) => {
  const urn = options.get(name)?.deletedWith?.urn;
  return urn === undefined ? undefined : (await known(urn)).split("::").at(-1);
};
const known = <Value>(output: pulumi.Input<Value> | undefined): Promise<Value> =>
  new Promise((resolve) => pulumi.output(output).apply((value) => resolve(value as Value)));

describe("a droplet", () => {
  test("types and names are a contract, because renaming a resource replaces it", async () => {
    await make();
    expect(registered.map(({ type, name }) => `${type} ${name}`).sort()).toEqual([
      "command:remote:Command ark-cloud-init",
      "digitalocean:index/droplet:Droplet ark-droplet",
      "digitalocean:index/firewall:Firewall fleet-firewall",
      "digitalocean:index/sshKey:SshKey ssh-key-ada",
      "digitalocean:index/tag:Tag fleet-tag",
      "fleet:index:DigitalOcean digitalocean",
      "fleet:index:Droplet ark-machine",
      "host:index:HostKey ark-host-key",
      "host:index:KeyPair ark-first-key",
      "host:index:KeyPair ark-key",
    ]);
  });

  test("is ordered as the data says, with the key it will show, and is found by no password", async () => {
    await make();
    const { userData, ...inputs } = inputsOf("ark-droplet")!;
    expect(inputs).toEqual({
      name: "ark",
      image: "debian-12-x64",
      region: "fra1",
      size: "s-1vcpu-2gb",
      monitoring: true,
      backups: true,
      ipv6: true,
      tags: ["wizard-houses", "wizard-houses-prod", "wizard-houses-prod-ark"],
      // As `ssh-keygen -l -E md5` names the operator's key.
      sshKeys: ["a1:f2:e1:23:e5:04:bb:c7:bb:b2:d3:3f:09:28:e9:73"],
      gracefulShutdown: true,
    });
    const { cloudInit } = await import("../../components/droplet/cloud-init.ts");
    expect(userData).toBe(cloudInit(KEY));
    expect(inputsOf("ark-first-key")).toEqual({ comment: "ark" });
  });

  test("is not replaced by what only counts at its birth, and not deleted by the way", async () => {
    await make();
    expect(optionsOf("ark-droplet")).toEqual({
      protect: true,
      ignoreChanges: ["userData", "sshKeys", "image"],
    });
    await make({ protect: false });
    expect(optionsOf("ark-droplet").protect).toBe(false);
  });

  test("of another generation is another machine with another key, of the same name to the world", async () => {
    await make({ generation: 2 });
    expect(inputsOf("ark-2-droplet")?.["name"]).toBe("ark");
    expect(inputsOf("ark-2-first-key")).toEqual({ comment: "ark-2" });
    expect(inputsOf("ark-droplet")).toBeUndefined();
  });

  test("is waited for over a pinned connection, with an end to it", async () => {
    await make();
    expect(inputsOf("ark-cloud-init")).toMatchObject({
      connection: {
        host: "203.0.113.5",
        port: 22,
        user: "root",
        hostKey: KEY.publicKey,
        dialErrorLimit: 40,
        perDialTimeout: 10,
      },
      create: expect.stringContaining("timeout 600 cloud-init status --wait") as string,
      logging: "none",
    });
    expect(await goesWith("ark-cloud-init")).toBe("ark-droplet");
  });

  test("gets another key after the first login, and is reached with that one pinned", async () => {
    const { connection, machine } = await make();
    const { address, hostKey, ...rest } = connection;
    expect(rest).toEqual({ name: "ark", transport: "ssh", port: 22, user: "root", connectDeadline: 9 });
    expect(inputsOf("ark-key")).toEqual({ comment: "ark-key" });
    expect(inputsOf("ark-host-key")).toEqual({
      host: { ...rest, address: "203.0.113.5", hostKey: KEY.publicKey },
      ...KEY,
    });
    expect(await goesWith("ark-host-key")).toBe("ark-droplet");
    expect([await known(address), await known(hostKey)]).toEqual(["203.0.113.5", "ssh-ed25519 AAAAnext"]);
    expect(await known(machine.urn)).toContain("Droplet::ark-droplet");
  });

  test("stands behind the stack's firewall: SSH from the operators, ping, and nothing else", async () => {
    await make();
    expect(inputsOf("fleet-tag")).toEqual({ name: "wizard-houses-prod" });
    const everywhere = ["0.0.0.0/0", "::/0"];
    expect(inputsOf("fleet-firewall")).toEqual({
      name: "wizard-houses-prod",
      tags: ["wizard-houses-prod"],
      inboundRules: [
        { protocol: "tcp", portRange: "22", sourceAddresses: ["198.51.100.0/24"] },
        { protocol: "icmp", sourceAddresses: everywhere },
      ],
      outboundRules: [
        { protocol: "tcp", portRange: "1-65535", destinationAddresses: everywhere },
        { protocol: "udp", portRange: "1-65535", destinationAddresses: everywhere },
        { protocol: "icmp", destinationAddresses: everywhere },
      ],
    });
    expect(inputsOf("ssh-key-ada")).toEqual({ name: "wizard-houses-prod-ada", publicKey: OPERATOR });
  });

  test("lets in by a firewall of its own what it is to serve", async () => {
    await make({ inbound: [{ port: 443, from: ["203.0.113.0/24"] }] });
    expect(inputsOf("ark-tag")).toEqual({ name: "wizard-houses-prod-ark" });
    expect(inputsOf("ark-firewall")).toEqual({
      name: "wizard-houses-prod-ark",
      tags: ["wizard-houses-prod-ark"],
      inboundRules: [{ protocol: "tcp", portRange: "443", sourceAddresses: ["203.0.113.0/24"] }],
    });
  });

  test("has address, volume, network, name, project and tags where they are wanted", async () => {
    const vpc = "5a4981aa-9653-4bd1-bef5-d6bff52042e4";
    await make(
      { reservedIp: true, volume: 50, vpc, tags: ["blue"] },
      { project: "houses", domain: "houses.example.org" },
    );
    expect(inputsOf("ark-droplet")).toMatchObject({
      vpcUuid: vpc,
      tags: ["wizard-houses", "wizard-houses-prod", "wizard-houses-prod-ark", "blue"],
    });
    expect(inputsOf("ark-ip")).toEqual({ region: "fra1" });
    expect(inputsOf("ark-ip-assignment")).toEqual({ ipAddress: "203.0.113.200", dropletId: 7 });
    expect(inputsOf("ark-volume")).toEqual({
      ...{ name: "wizard-houses-prod-ark", region: "fra1", size: 50, initialFilesystemType: "ext4" },
    });
    expect(optionsOf("ark-volume").protect).toBe(true);
    expect(inputsOf("ark-volume-attachment")).toEqual({ dropletId: 7, volumeId: "7" });
    expect(inputsOf("ark-name")).toEqual({
      ...{ domain: "houses.example.org", type: "A", name: "ark", value: "203.0.113.200", ttl: 300 },
    });
    expect(inputsOf("fleet-project")).toEqual({
      ...{ name: "houses", purpose: "Wizard houses", environment: "Production" },
    });
    expect(inputsOf("ark-project")).toEqual({ project: "7", resources: ["do:droplet:7"] });
  });

  test("is described in the words of the SDK: no input that it does not declare", async () => {
    await make(
      { reservedIp: true, volume: 50, inbound: [{ port: 443, from: ["203.0.113.0/24"] }] },
      { project: "houses", domain: "houses.example.org" },
    );
    const cloud = registered.filter(({ type }) => type.startsWith("digitalocean:"));
    expect(cloud).toHaveLength(13);
    for (const { type, inputs } of cloud) {
      const [, file = "", name = ""] = /index\/(\w+):(\w+)$/.exec(type) ?? [];
      const { spec } = sdkResource("@pulumi/digitalocean", `${file}.d.ts`, name);
      expect(Object.keys(spec.inputProperties)).toEqual(expect.arrayContaining(Object.keys(inputs)));
    }
  });
});
