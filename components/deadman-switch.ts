/** DeadmanSwitch: brings a silent house back to its last good release, a few times, then calls a human. */
import * as pulumi from "@pulumi/pulumi";

import type { DeadmanSettings } from "../fleet/model.ts";
import { deadmanConf, deadmanFlag, deadmanState } from "./deadman/conf.ts";
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
  /** URL of the gateway's health endpoint. Example: `http://127.0.0.1:8643/health`. */
  health: string;
  /** Grace, retries, alerts. Example: `{grace: 300, maxRetries: 3, window: 3600, dryRun: false}`. */
  settings: DeadmanSettings;
}

/**
 * Contributes `deadman/deadman.sh`, its settings and the cron entry that runs it every minute as root.
 * What the switch does is described at the top of the script.
 *
 *     new DeadmanSwitch("bezalel-deadman", { house: "bezalel", path, user, unit, health, settings });
 */
export class DeadmanSwitch extends pulumi.ComponentResource {
  readonly part: ReleasePart;
  /** File that is there while the switch has given the house up. */
  readonly flag: string;

  constructor(name: string, args: DeadmanSwitchArgs, opts?: pulumi.ComponentResourceOptions) {
    super("fleet:index:DeadmanSwitch", name, {}, opts);
    const { house, path } = args;
    const script = "deadman/deadman.sh";
    const conf = "deadman/deadman.conf";
    this.flag = deadmanFlag(house);
    this.part = {
      name: "deadman",
      files: {
        [script]: { content: source(script), mode: "0700", group: "root" },
        // Root's alone: the URLs may carry tokens that the agent has no business with.
        [conf]: { content: deadmanConf(args), mode: "0600", group: "root" },
      },
      traces: [deadmanState(house)],
      cron: {
        [`wizard-${house}-deadman`]: {
          entries: [
            {
              name: "deadman",
              schedule: "* * * * *",
              user: "root",
              command: ["/bin/sh", `${path}/current/${script}`, `${path}/current/${conf}`],
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
