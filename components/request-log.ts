/** RequestLog: which model a wizard called when, and how that went, outside the reach of its sandbox. */
import * as pulumi from "@pulumi/pulumi";

import type { RequestLogSettings } from "../fleet/model.ts";
import { harnessPython } from "./gateway/harness.ts";
import type { ReleasePart } from "./part.ts";
import { source } from "./source.ts";

export interface RequestLogArgs {
  /** Name of the house. Example: `bezalel`. */
  house: string;
  /** Absolute path of the house on its host. Example: `/srv/wizards/bezalel`. */
  path: string;
  /** The agent's account, which the exporter runs as: root never reads inside the agent's home. */
  user: string;
  /** When the log rotates and how many old files stay. Example: `{maxBytes: 10_000_000, keep: 5}`. */
  settings: RequestLogSettings;
}

/**
 * Contributes the folder `log`, the exporter and the cron entry that runs it every five minutes.
 *
 * Exporter, log and rotation all belong to the house's user, so root never follows a path the agent could have
 * planted. The gateway's sandbox leaves only `home` writable, so the agent cannot rewrite the log from inside it. What is
 * read, and what a line holds, is at the top of the script.
 *
 *     new RequestLog("bezalel-request-log", { house: "bezalel", path, user, settings });
 */
export class RequestLog extends pulumi.ComponentResource {
  readonly part: ReleasePart;

  constructor(name: string, args: RequestLogArgs, opts?: pulumi.ComponentResourceOptions) {
    super("fleet:index:RequestLog", name, {}, opts);
    const { house, path, user, settings } = args;
    const script = "request-log/request-log.py";
    const command = [
      // Isolated and without `site`: nothing in the caller's environment or in site-packages is run.
      ...[harnessPython(path), "-I", "-S", `${path}/current/${script}`],
      ...["--home", `${path}/home`, "--log", `${path}/log`],
      ...["--max-bytes", String(settings.maxBytes), "--keep", String(settings.keep)],
    ];
    this.part = {
      name: "request-log",
      files: { [script]: { ...source(script), mode: "0640" } },
      directories: { log: { mode: "0750", owner: user, group: user } },
      cron: {
        [`wizard-${house}-request-log`]: {
          entries: [{ name: "request-log", schedule: "*/5 * * * *", user, command }],
        },
      },
    };
    this.registerOutputs({ log: `${path}/log/requests.jsonl` });
  }
}
