/** Host: what the houses of one host share. */
import * as pulumi from "@pulumi/pulumi";

import type { PackageSpec } from "../fleet/model.ts";
import { mergePackages } from "../fleet/packages.ts";
import { Packages, type Connection } from "../provider/sdk.ts";

/**
 * What our units and the scripts on a host call, by the Debian package it is in. Packages that Debian calls essential
 * are left out: every host has them.
 */
export const NEEDED: Readonly<Record<string, readonly string[]>> = {
  "ca-certificates": ["/etc/ssl/certs/ca-certificates.crt"],
  cron: ["cron"],
  curl: ["curl"],
  passwd: ["groupadd", "groupdel", "useradd", "userdel", "usermod"],
  procps: ["kill"],
  systemd: ["journalctl", "systemctl", "systemd-run"],
};

export interface HostArgs {
  /** The host as this stack reaches it. Example: `{name: "forge", transport: "local", root: ".houses/forge"}`. */
  host: Connection;
  /** What it must have beside what our own scripts need. Example: `fleet.hosts["forge"].packages`. */
  packages: Record<string, PackageSpec>;
  /** Whom the host's record has them down for, one name per stack. Example: `wizard-houses/prod`. */
  claimant: string;
  /** What must have succeeded before anything changes on the host. Default nothing. */
  after?: pulumi.Resource[];
}

/**
 * Makes `<host>-packages`. One for each host that has a house; its houses wait for it.
 *
 *     new Host("forge-host", { host, packages: fleet.hosts.forge.packages, claimant: "wizard-houses/prod" });
 */
export class Host extends pulumi.ComponentResource {
  constructor(name: string, args: HostArgs, opts?: pulumi.ComponentResourceOptions) {
    super("fleet:index:Host", name, {}, opts);
    const { host, claimant } = args;
    const needed = Object.fromEntries(Object.keys(NEEDED).map((one) => [one, {}]));
    const packages = mergePackages(needed, args.packages);
    new Packages(
      `${host.name}-packages`,
      { host, packages, claimant },
      { parent: this, dependsOn: args.after ?? [] },
    );
    this.registerOutputs({ packages: Object.keys(packages).sort() });
  }
}
