/** DeadmanSwitch: brings a silent house back to its last good release, a few times, then calls a human. */
import * as pulumi from "@pulumi/pulumi";

import type { DeadmanSecret } from "../fleet/deadman.ts";
import type { DeadmanSettings } from "../fleet/model.ts";
import {
  DEADMAN_CONF,
  DEADMAN_FORGE,
  DEADMAN_SCRIPT,
  DEADMAN_SECRETS,
  deadmanConf,
  deadmanFlag,
  deadmanSecrets,
  deadmanState,
} from "./deadman/conf.ts";
import type { ReleasePart } from "./part.ts";
import { source } from "./source.ts";

export interface DeadmanSwitchArgs {
  /** Name of the house. Example: `bezalel`. */
  house: string;
  /** Absolute path of the house on its host. Example: `/srv/wizards/bezalel`. */
  path: string;
  /** The agent's account; its files are read as this user. Example: `wizard-bezalel`. */
  user: string;
  /** The gateway's unit. Example: `hermes-bezalel.service`. */
  unit: string;
  /** The unit that prepares the home before that one starts. Example: `wizard-home-bezalel.service`. */
  homeUnit: string;
  /** URL of the gateway's health endpoint. Example: `http://127.0.0.1:8643/health`. */
  health: string;
  /** Grace, retries, alerts. Example: `{grace: 300, maxRetries: 3, window: 3600, dryRun: false}`. */
  settings: DeadmanSettings;
  /** Value of each key that the settings name. Example: `{PING_URL: config.requireSecret(…)}`. */
  secrets: Partial<Record<DeadmanSecret, pulumi.Input<string>>>;
}

/**
 * Contributes `deadman/deadman.sh`, its settings and the cron entry that runs it every minute as root.
 * What the switch does is described at the top of the script.
 *
 *     new DeadmanSwitch("bezalel-deadman", { house: "bezalel", path, user, unit, homeUnit, health, settings, … });
 */
export class DeadmanSwitch extends pulumi.ComponentResource {
  readonly part: ReleasePart;
  /** File that is there while the switch has given the house up. */
  readonly flag: string;

  constructor(name: string, args: DeadmanSwitchArgs, opts?: pulumi.ComponentResourceOptions) {
    super("fleet:index:DeadmanSwitch", name, {}, opts);
    const { house, path, secrets } = args;
    const hasSecrets = Object.keys(secrets).length > 0;
    const rootOnly = { mode: "0600", group: "root" };
    this.flag = deadmanFlag(house);
    this.part = {
      name: "deadman",
      files: {
        [DEADMAN_SCRIPT]: { ...source(DEADMAN_SCRIPT), mode: "0700", group: "root" },
        [DEADMAN_FORGE]: { ...source(DEADMAN_FORGE), ...rootOnly },
        [DEADMAN_CONF]: { content: deadmanConf(args, hasSecrets), ...rootOnly },
        // Beside the others, whose changes a preview may show.
        ...(hasSecrets && { [DEADMAN_SECRETS]: { content: secretsFile(house, secrets), ...rootOnly } }),
      },
      traces: [deadmanState(house)],
      cron: {
        [`wizard-${house}-deadman`]: {
          entries: [
            {
              name: "deadman",
              schedule: "* * * * *",
              user: "root",
              command: ["/bin/sh", `${path}/current/${DEADMAN_SCRIPT}`, `${path}/current/${DEADMAN_CONF}`],
            },
          ],
        },
      },
    };
    this.registerOutputs({
      grace: args.settings.grace,
      maxRetries: args.settings.maxRetries,
      dryRun: args.settings.dryRun,
    });
  }
}

function secretsFile(house: string, secrets: DeadmanSwitchArgs["secrets"]): pulumi.Output<string> {
  return pulumi.secret(pulumi.all(secrets).apply((values) => deadmanSecrets(house, values)));
}
