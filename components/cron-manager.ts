/** CronManager: what runs by the clock in a house, by the system's cron and by the agent's own scheduler. */
import * as pulumi from "@pulumi/pulumi";

import type { CronEntry } from "../fleet/cron.ts";
import type { ReleasePart } from "./part.ts";

export interface CronManagerArgs {
  /** Name of the house. Example: `bezalel`. */
  house: string;
  /** Lines of `/etc/cron.d/wizard-<house>`. Default none, and then no file. */
  entries?: CronEntry[];
  /** Text of `jobs.json`, the agent's own jobs in the harness's form. Default none. Example: `{"jobs": []}`. */
  jobs?: string;
}

/**
 * Contributes the house's file in /etc/cron.d and `jobs.json`.
 *
 * The gateway keeps run-time state in its `home/cron/jobs.json`, so that file cannot be a link to ours. The release
 * only carries the wanted jobs; merging them into the gateway's file, under its lock and as the house's user, is not
 * done by this component.
 *
 *     new CronManager("bezalel-cron", { house: "bezalel", entries: [{ name, schedule, user, command }] });
 */
export class CronManager extends pulumi.ComponentResource {
  readonly part: ReleasePart;

  constructor(name: string, args: CronManagerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("fleet:index:CronManager", name, {}, opts);
    const entries = args.entries ?? [];
    this.part = {
      name: "cron",
      files: args.jobs === undefined ? {} : { "jobs.json": { content: args.jobs, mode: "0640" } },
      cron: entries.length === 0 ? {} : { [`wizard-${args.house}`]: { entries } },
    };
    this.registerOutputs({ entries: entries.map((entry) => entry.name) });
  }
}
