/** DeployHook: a merge on the forge converges the fleet, and nobody else can. */
import { createHash } from "node:crypto";

import * as pulumi from "@pulumi/pulumi";

import { HOOK_LISTEN, hookUrl } from "../fleet/deploy-hook.ts";
import type { DeployHookSettings, PackageSpec } from "../fleet/model.ts";
import { mergePackages } from "../fleet/packages.ts";
import { Files, Unit, User, type Connection, type FileArgs } from "../provider/sdk.ts";
import { caddyfile } from "./deploy-hook/caddyfile.ts";
import { hooksFile } from "./deploy-hook/hooks.ts";
import {
  ACCOUNTS,
  CONFIGURATION,
  CREDENTIALS,
  deployUnits,
  HOOKS_CREDENTIAL,
  SCRIPTS,
} from "./deploy-hook/units.ts";
import { Host } from "./host.ts";
import { source } from "./source.ts";

const SCRIPT_FILES = ["accept", "build", "converge", "credential", "fetch", "report", "story"];

/** What the scripts and units call, by the Debian package it is in. Node.js is the operator's: Debian's is too old. */
export const HOOK_NEEDED: Readonly<Record<string, readonly string[]>> = {
  caddy: ["caddy"],
  git: ["git"],
  "openssh-client": ["ssh", "ssh-keygen"],
  webhook: ["webhook"],
};

/**
 * The SSH client's configuration: the key is a credential, and nothing else of anybody's is offered. ssh sees none of the
 * unit's environment, so the place of the credential is written out, as systemd has it.
 */
const SSH_CONFIG = `Host *
  IdentityFile /run/credentials/deploy-converge.service/deploy-ssh-key
  IdentitiesOnly yes
  IdentityAgent none
`;

export interface DeployHookArgs {
  /** The control house. It has no wizard. */
  host: Connection;
  hook: DeployHookSettings;
  /** What the HMAC of a delivery is made with; the first is in force, a second is still taken. */
  secrets: pulumi.Output<string>[];
  /** What the host must have beside what the hook needs. Example: `fleet.hosts["helm"].packages`. */
  packages: Record<string, PackageSpec>;
  /** Whom the host's record has the packages down for. Example: `wizard-houses/prod`. */
  claimant: string;
}

/**
 * Makes `<name>-…`: packages, accounts, files and units of the hook on the control house.
 *
 *     new DeployHook("deploy-hook", { host, hook: fleet.deployHook, secrets: [secret], packages: {}, claimant });
 */
export class DeployHook extends pulumi.ComponentResource {
  constructor(name: string, args: DeployHookArgs, opts?: pulumi.ComponentResourceOptions) {
    const { host, hook, secrets, claimant } = args;
    // What policies judge.
    const judged = {
      host,
      stack: hook.stack,
      secret: secrets[0],
      hosts: hook.names,
      url: hookUrl(hook),
      listen: HOOK_LISTEN,
      signedCommits: hook.signedCommits,
    };
    super("fleet:index:DeployHook", name, judged, opts);

    const needed = Object.fromEntries(Object.keys(HOOK_NEEDED).map((one) => [one, { held: false }]));
    const packages = mergePackages(needed, args.packages);
    const ground = new Host(`${host.name}-host`, { host, packages, claimant }, { parent: this });
    const users = ACCOUNTS.map(
      (user) =>
        new User(
          `${name}-${user}`,
          { host, user, home: `/var/lib/${user}` },
          { parent: this, dependsOn: ground },
        ),
    );

    const hooks = pulumi
      .all(secrets)
      .apply((values) => hooksFile(hook.forge.kind, `${SCRIPTS}/accept.sh`, values));
    const proxy = caddyfile(hook);
    const files = new Files(
      `${name}-files`,
      { host, files: deliveredFiles(hooks, proxy) },
      { parent: this, dependsOn: users },
    );
    const reads: Record<string, pulumi.Input<string>[]> = {
      "webhook.service": [hooks.apply(sha256)],
      "caddy.service": [sha256(proxy)],
    };
    const before: pulumi.Resource[] = [ground, files];
    for (const [unit, { content, startedBy }] of Object.entries(deployUnits(hook))) {
      const triggered = startedBy === "something else";
      const made = new Unit(
        `${name}-${unit}`,
        { host, unit, content, triggered, enabled: !triggered, restartOn: pulumi.all(reads[unit] ?? []) },
        { parent: this, dependsOn: [...before] },
      );
      // What others start has to be there before them: a path unit does not begin to watch for a unit it lacks.
      if (triggered) before.push(made);
    }
    this.registerOutputs({ url: hookUrl(hook), host: host.name });
  }
}

function deliveredFiles(hooks: pulumi.Output<string>, proxy: string): Record<string, FileArgs> {
  const scripts = SCRIPT_FILES.map((script): [string, FileArgs] => [
    `${SCRIPTS}/${script}.sh`,
    { ...source(`deploy-hook/${script}.sh`), mode: "0755" },
  ]);
  return {
    ...Object.fromEntries(scripts),
    [`${CONFIGURATION}/Caddyfile`]: { content: proxy },
    [`${CONFIGURATION}/ssh_config`]: { content: SSH_CONFIG },
    // Root's alone: systemd hands it to the one unit that loads it.
    [`${CREDENTIALS}/${HOOKS_CREDENTIAL}`]: { content: hooks, mode: "0600" },
  };
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
