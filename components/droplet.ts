/** Droplet: a rented machine, from nothing to a host that can be connected to without trusting anybody. */
import * as pulumi from "@pulumi/pulumi";

import { dropletName, dropletTags, hostInbound, machineName } from "../fleet/droplet.ts";
import type { DropletSpec } from "../fleet/model.ts";
import { HostKey, KeyPair, type Connection } from "../provider/sdk.ts";
import type { Cloud } from "./cloud.ts";
import { AWAIT_CLOUD_INIT, cloudInit } from "./droplet/cloud-init.ts";

export interface DropletArgs {
  cloud: Cloud;
  /** Name of the host; the droplet and what belongs to it are called by it. Example: `ark`. */
  host: string;
  /** Example: `fleet.hosts["ark"].droplet`. */
  spec: DropletSpec;
  /** The tag that the fleet's firewall covers. Example: `wizard-houses-prod`. */
  stackTag: string;
  /** The tag of this droplet alone. Example: `wizard-houses-prod-ark`. */
  hostTag: string;
  /** Fingerprints of the keys that may log in. */
  sshKeys: string[];
  /** What must be there before it: keys and firewall. */
  after: pulumi.Resource[];
  /** Id of the project it belongs to. Default none. */
  project?: pulumi.Input<string>;
  /** Domain in which it gets its host's name. Default none. */
  domain?: string;
  /** Seconds within which it must be connected to. Default the provider's. */
  connectDeadline?: number;
}

/** How long the first login is tried for: so many times, and so many seconds each. */
const DIALS = { dialErrorLimit: 40, perDialTimeout: 10 };

/**
 * Makes the host's key, the droplet with that key in its user data, waits until it is what it was told to be, and gives it
 * another key. Its firewall, volume, address and name come with it where the data wants them.
 *
 *     new Droplet("ark-machine", { cloud, host: "ark", spec, sshKeys, after: [firewall], … }).connection
 */
export class Droplet extends pulumi.ComponentResource {
  /** As everything on the host reaches it; known once the host has been logged in to. */
  readonly connection: Connection;
  readonly machine: pulumi.Resource;

  constructor(name: string, args: DropletArgs, opts?: pulumi.ComponentResourceOptions) {
    super("fleet:index:Droplet", name, {}, opts);
    const { cloud, host, spec, connectDeadline } = args;
    // Under another name the machine before is deleted, if nothing protects it.
    const own = machineName(host, spec);
    const child = { parent: this };

    const key = new KeyPair(`${own}-first-key`, { comment: own }, child);
    const firewall = this.#firewall(own, args);
    const machine = this.#machine(own, args, key, firewall);
    const address = this.#address(own, args, machine);
    this.#volume(own, args, machine);
    if (args.project !== undefined) {
      new cloud.digitalocean.ProjectResources(
        `${own}-project`,
        { project: args.project, resources: [machine.dropletUrn] },
        { ...child, deletedWith: machine },
      );
    }
    if (args.domain !== undefined) {
      new cloud.digitalocean.DnsRecord(
        `${own}-name`,
        { domain: args.domain, type: "A", name: host, value: address, ttl: 300 },
        child,
      );
    }
    const ready = new cloud.command.remote.Command(
      `${own}-cloud-init`,
      {
        connection: {
          ...{ host: machine.ipv4Address, port: 22, user: "root", hostKey: key.publicKey },
          ...DIALS,
        },
        create: AWAIT_CLOUD_INIT,
        logging: "none",
      },
      { ...child, deletedWith: machine },
    );

    const first: Connection = {
      name: host,
      transport: "ssh",
      address: pulumi.all([machine.ipv4Address, ready.id]).apply(([known]) => known),
      port: 22,
      user: "root",
      hostKey: key.publicKey,
      ...(connectDeadline !== undefined && { connectDeadline }),
    };
    // What stands in user data is known to whoever can read that, for ever: it serves for one login.
    const next = new KeyPair(`${own}-key`, { comment: `${own}-key` }, child);
    const rotated = new HostKey(
      `${own}-host-key`,
      { host: first, publicKey: next.publicKey, privateKey: next.privateKey },
      { ...child, deletedWith: machine },
    );
    this.machine = machine;
    this.connection = { ...first, hostKey: rotated.hostKey };
    this.registerOutputs({ host, address, hostKey: this.connection.hostKey });
  }

  /** The droplet itself. What only counts at its birth is not looked at again, and nothing deletes it by the way. */
  #machine(own: string, args: DropletArgs, key: KeyPair, firewall: pulumi.Resource[]) {
    const { cloud, host, spec, stackTag, hostTag, sshKeys, after } = args;
    return new cloud.digitalocean.Droplet(
      dropletName(own),
      {
        name: host,
        ...{ image: spec.image, region: spec.region, size: spec.size },
        ...(spec.vpc !== undefined && { vpcUuid: spec.vpc }),
        ...{ monitoring: spec.monitoring, backups: spec.backups, ipv6: true },
        tags: dropletTags([stackTag, hostTag], spec),
        sshKeys,
        userData: pulumi
          .all([key.publicKey, key.privateKey])
          .apply(([publicKey, privateKey]) => cloudInit({ publicKey, privateKey })),
        gracefulShutdown: true,
      },
      {
        parent: this,
        dependsOn: [...after, ...firewall],
        protect: spec.protect,
        ignoreChanges: ["userData", "sshKeys", "image"],
      },
    );
  }

  /** What this host lets in beside SSH. */
  #firewall(own: string, { cloud, spec, hostTag }: DropletArgs): pulumi.Resource[] {
    if (spec.inbound.length === 0) return [];
    const child = { parent: this };
    const tag = new cloud.digitalocean.Tag(`${own}-tag`, { name: hostTag }, child);
    const firewall = new cloud.digitalocean.Firewall(
      `${own}-firewall`,
      { name: hostTag, tags: [hostTag], inboundRules: hostInbound(spec) },
      { ...child, dependsOn: [tag] },
    );
    return [tag, firewall];
  }

  /** The address that others are told. */
  #address(
    own: string,
    { cloud, spec }: DropletArgs,
    machine: { id: pulumi.Output<string>; ipv4Address: pulumi.Output<string> },
  ): pulumi.Output<string> {
    if (!spec.reservedIp) return machine.ipv4Address;
    const child = { parent: this };
    const reserved = new cloud.digitalocean.ReservedIp(`${own}-ip`, { region: spec.region }, child);
    new cloud.digitalocean.ReservedIpAssignment(
      `${own}-ip-assignment`,
      { ipAddress: reserved.ipAddress, dropletId: machine.id.apply(Number) },
      child,
    );
    return reserved.ipAddress;
  }

  #volume(own: string, { cloud, spec, hostTag }: DropletArgs, machine: pulumi.CustomResource): void {
    if (spec.volume === undefined) return;
    const volume = new cloud.digitalocean.Volume(
      `${own}-volume`,
      { name: hostTag, region: spec.region, size: spec.volume, initialFilesystemType: "ext4" },
      { parent: this, protect: spec.protect },
    );
    new cloud.digitalocean.VolumeAttachment(
      `${own}-volume-attachment`,
      { dropletId: machine.id.apply(Number), volumeId: volume.id },
      { parent: this, deletedWith: machine },
    );
  }
}
