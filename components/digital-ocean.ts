/** DigitalOcean: what all droplets of a stack share. */
import { createHash } from "node:crypto";

import * as pulumi from "@pulumi/pulumi";

import { dropletComponent, fleetInbound, hostTag, stackTag } from "../fleet/droplet.ts";
import type { DigitalOceanSpec, DropletHost } from "../fleet/model.ts";
import type { Connection } from "../provider/sdk.ts";
import type { Cloud } from "./cloud.ts";
import { Droplet } from "./droplet.ts";

export interface DigitalOceanArgs {
  cloud: Cloud;
  /** Name of the stack; it is part of every name at DigitalOcean. Example: `prod`. */
  stack: string;
  /** Who may log in and from where. Example: `fleet.digitalocean`. */
  account: DigitalOceanSpec;
  /** Example: `Object.values(fleet.hosts).filter(isDroplet)`. */
  hosts: DropletHost[];
  /** Seconds within which a droplet must be connected to. Default the provider's. */
  connectDeadline?: number;
}

/** A machine as the rest of the program uses it. */
export interface Rented {
  connection: Connection;
  /** What everything on it goes with when it is deleted. */
  machine: pulumi.Resource;
}

/**
 * Makes the operators' keys, the stack's tag, firewall and project, and a {@link Droplet} for each host.
 *
 *     new DigitalOcean("digitalocean", { cloud: await loadCloud(), stack: "prod", account, hosts }).rented["ark"]
 */
export class DigitalOcean extends pulumi.ComponentResource {
  /** By host. */
  readonly rented: Record<string, Rented>;

  constructor(name: string, args: DigitalOceanArgs, opts?: pulumi.ComponentResourceOptions) {
    super("fleet:index:DigitalOcean", name, {}, opts);
    const { cloud, stack, account, hosts, connectDeadline } = args;
    const { digitalocean } = cloud;
    const child = { parent: this };

    const keys = Object.entries(account.sshKeys).map(
      ([owner, publicKey]) =>
        new digitalocean.SshKey(
          `ssh-key-${owner}`,
          { name: `${stackTag(stack)}-${owner}`, publicKey },
          child,
        ),
    );
    // Tags come before what is covered by them, so that no droplet is without its firewall for a moment.
    const tag = new digitalocean.Tag("fleet-tag", { name: stackTag(stack) }, child);
    const firewall = new digitalocean.Firewall(
      "fleet-firewall",
      {
        name: stackTag(stack),
        tags: [stackTag(stack)],
        inboundRules: fleetInbound(account.sshFrom),
        outboundRules: ["tcp", "udp", "icmp"].map((protocol) => ({
          protocol,
          ...(protocol !== "icmp" && { portRange: "1-65535" }),
          destinationAddresses: ["0.0.0.0/0", "::/0"],
        })),
      },
      { ...child, dependsOn: [tag] },
    );
    const project =
      account.project === undefined
        ? undefined
        : new digitalocean.Project(
            "fleet-project",
            { name: account.project, purpose: "Wizard houses", environment: "Production" },
            child,
          );

    this.rented = Object.fromEntries(
      hosts.map((host): [string, Rented] => {
        const droplet = new Droplet(
          dropletComponent(host.name),
          {
            ...{ cloud, host: host.name, spec: host.droplet, stackTag: stackTag(stack) },
            hostTag: hostTag(stack, host.name),
            sshKeys: Object.values(account.sshKeys).map(fingerprint),
            after: [...keys, firewall],
            ...(project && { project: project.id }),
            ...(account.domain !== undefined && { domain: account.domain }),
            ...(connectDeadline !== undefined && { connectDeadline }),
          },
          child,
        );
        return [host.name, { connection: droplet.connection, machine: droplet.machine }];
      }),
    );
    this.registerOutputs({ hosts: hosts.map((host) => host.name) });
  }
}

/** How the API names a key; worked out here, so that a preview knows it. */
function fingerprint(publicKey: string): string {
  const blob = Buffer.from(publicKey.split(" ")[1] ?? "", "base64");
  return createHash("md5").update(blob).digest("hex").match(/../g)?.join(":") ?? "";
}
