/** Host: what the houses of one host share. */
import * as pulumi from "@pulumi/pulumi";

import { harnessId } from "../fleet/harness/lock.ts";
import type { House, PackageSpec } from "../fleet/model.ts";
import { mergePackages } from "../fleet/packages.ts";
import { Files, Harnesses, Packages, type HarnessArgs, Unit, type Connection } from "../provider/sdk.ts";
import { GUARD_UNIT, guardUnit, IN_FORCE, RULES, RULES_FILE } from "./metadata/guard.ts";

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

/** What installing a harness calls beside that. */
const HARNESS_NEEDS = ["python3-venv"];

/** What the guard of a machine's metadata service calls beside that. */
const GUARD_NEEDS = ["nftables"];

export interface HostArgs {
  /** The host as this stack reaches it. Example: `{name: "forge", transport: "local", root: ".houses/forge"}`. */
  host: Connection;
  /** What it must have beside what our own scripts need. Example: `fleet.hosts["forge"].packages`. */
  packages: Record<string, PackageSpec>;
  /** Whom the host's record has them down for, one name per stack. Example: `wizard-houses/prod`. */
  claimant: string;
  /** Its houses; the harnesses that are installed for them are the host's. Default none. */
  houses?: Pick<House, "path" | "harness">[];
  /** Where those come from. Default what the host's own pip is set up with. Example: `{wheels: ".cache/harness"}`. */
  harnessFrom?: HarnessFrom;
  /** What its houses need beside that, by Debian package. Default nothing. Example: `BACKUP_NEEDED`. */
  needed?: Readonly<Record<string, readonly string[]>>;
  /** What must have succeeded before anything changes on the host. Default nothing. */
  after?: pulumi.Resource[];
  /**
   * The machine, where it is rented: deleting it takes along all that is on it, and its metadata service is kept from
   * everybody but root. Default none.
   */
  machine?: pulumi.Resource;
}

/** At most one of both. */
export interface HarnessFrom {
  /** Folder of this machine with wheels that are carried to the host; relative to the project or absolute. */
  wheels?: string;
  /** URL of a package index; may hold a password. */
  index?: pulumi.Input<string>;
}

/**
 * Makes `<host>-packages`, `<host>-harnesses` where its houses want one installed, and on a rented machine `<host>-metadata`. One for each host that has a house; its houses
 * wait for it.
 *
 *     new Host("forge-host", { host, packages: fleet.hosts.forge.packages, claimant: "wizard-houses/prod" });
 */
export class Host extends pulumi.ComponentResource {
  constructor(name: string, args: HostArgs, opts?: pulumi.ComponentResourceOptions) {
    super("fleet:index:Host", name, {}, opts);
    const { host, claimant, machine } = args;
    const wanted = wantedHarnesses(args.houses ?? []);
    const names = [
      ...Object.keys({ ...NEEDED, ...args.needed }),
      ...(Object.keys(wanted).length > 0 ? HARNESS_NEEDS : []),
      ...(machine ? GUARD_NEEDS : []),
    ];
    const packages = mergePackages(Object.fromEntries(names.map((one) => [one, {}])), args.packages);
    const child = { parent: this, ...goesWith(machine) };
    const installed = new Packages(
      `${host.name}-packages`,
      { host, packages, claimant },
      { ...child, dependsOn: args.after ?? [] },
    );
    if (Object.keys(wanted).length > 0) {
      new Harnesses(
        `${host.name}-harnesses`,
        { host, claimant, harnesses: wanted, ...args.harnessFrom },
        { ...child, dependsOn: [installed] },
      );
    }
    if (machine !== undefined) {
      const rules = new Files(
        `${host.name}-metadata-rules`,
        { host, files: { [RULES_FILE]: { content: RULES } } },
        { ...child, dependsOn: [installed] },
      );
      new Unit(
        `${host.name}-metadata`,
        { host, unit: GUARD_UNIT, content: guardUnit(), restartOn: [RULES], probe: IN_FORCE },
        { ...child, dependsOn: [rules] },
      );
    }
    this.registerOutputs({
      packages: Object.keys(packages).sort(),
      harnesses: Object.keys(wanted).sort(),
    });
  }
}

/** By id, each once, whichever houses share it. */
function wantedHarnesses(houses: Pick<House, "path" | "harness">[]): Record<string, HarnessArgs> {
  const wanted: Record<string, HarnessArgs> = {};
  for (const { path, harness } of houses) {
    const { version, lock } = harness;
    if (lock === undefined) continue;
    const id = harnessId(version, lock);
    wanted[id] = { version, lock, houses: [...(wanted[id]?.houses ?? []), path] };
  }
  return wanted;
}

/** The option of a resource on a machine that may be deleted with all that is on it. */
export function goesWith(machine: pulumi.Resource | undefined): { deletedWith?: pulumi.Resource } {
  return machine === undefined ? {} : { deletedWith: machine };
}
