/** CronManager: what runs by the clock in a house, by the system's cron and by the agent's own scheduler. */
import * as pulumi from "@pulumi/pulumi";

import type { CronEntry } from "../fleet/cron.ts";
import type { ScheduledSettings } from "../fleet/model.ts";
import type { FileArgs } from "../provider/sdk.ts";
import type { ReleasePart } from "./part.ts";
import {
  scheduledEntries,
  scheduledFiles,
  type ScheduledHouse,
  scheduledSettingsFile,
  SETTINGS_FILE,
} from "./scheduled/entries.ts";
import { source } from "./source.ts";

export interface CronManagerArgs extends ScheduledHouse {
  /** Lines of `/etc/cron.d/wizard-<house>`. Default none, and then no file. */
  entries?: CronEntry[];
  /** Text of `jobs.json`, the agent's own jobs in the harness's form. Default no jobs of ours. */
  jobs?: string;
  /** Text of `banned.json`, the fleet's banned families. Default none, and then nothing to look for. */
  banned?: string;
  /** The house's scheduled work. Example: `house.scheduled`. */
  scheduled: ScheduledSettings;
}

/**
 * Contributes the house's file in /etc/cron.d, a second one for its scheduled work with the scripts that do it, and
 * `jobs.json` with what merges it into the gateway's.
 *
 * The gateway keeps run-time state in its `home/cron/jobs.json`, and the agent adds jobs of its own there, so that file
 * cannot be a link to ours. `mergeJobs` gives the command that brings our jobs into it after a switch, and those
 * that look for drift.
 *
 *     new CronManager("bezalel-cron", { house: "bezalel", path, user, health, providers, scheduled, entries, jobs });
 */
export class CronManager extends pulumi.ComponentResource {
  readonly part: ReleasePart;

  constructor(name: string, args: CronManagerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("fleet:index:CronManager", name, {}, opts);
    const { house, scheduled, entries = [] } = args;
    const work = scheduledEntries(args, scheduled);
    this.part = {
      name: "cron",
      files: {
        "jobs.json": file(args.jobs ?? `${JSON.stringify({ house, jobs: [] })}\n`),
        "jobs/banned.json": file(args.banned ?? "[]\n"),
        [SETTINGS_FILE]: file(scheduledSettingsFile(args, scheduled)),
        ...scripts([
          "jobs/merge-jobs.py",
          "jobs/banned.py",
          "jobs/store.py",
          "jobs/pausing.py",
          ...scheduledFiles(),
        ]),
      },
      cron: {
        ...(entries.length === 0 ? {} : { [`wizard-${house}`]: { entries } }),
        ...(work.length === 0 ? {} : { [`wizard-${house}-scheduled`]: { entries: work } }),
      },
    };
    this.registerOutputs({
      entries: entries.map((entry) => entry.name),
      scheduled: work.map((entry) => entry.name),
    });
  }
}

const MODE = "0640";

function scripts(paths: readonly string[]): Record<string, FileArgs> {
  return Object.fromEntries(paths.map((path) => [path, { ...source(path), mode: MODE }]));
}

function file(content: string): FileArgs {
  return { content, mode: MODE };
}
