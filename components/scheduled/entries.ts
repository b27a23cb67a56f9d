/** The cron entries of a house's scheduled work: one line of /etc/cron.d for each script of this folder. Pure. */
import type { CronEntry } from "../../fleet/cron.ts";
import { isLocal } from "../../fleet/house.ts";
import type { ProviderEntry, ScheduledSettings } from "../../fleet/model.ts";
import { SCHEDULED_NAMES, type ScheduledName } from "../../fleet/scheduled.ts";
import { harnessPython } from "../gateway/harness.ts";

/** What the scripts are told of their house. */
export interface ScheduledHouse {
  /** Name of the house. Example: `bezalel`. */
  house: string;
  /** Absolute path of the house on its host. Example: `/srv/wizards/bezalel`. */
  path: string;
  /** The agent's account, as which everything here runs. Example: `wizard-bezalel`. */
  user: string;
  /** URL that answers 200 while the gateway is well. Example: `http://127.0.0.1:8643/health`. */
  health: string;
  /** The house's provider chain. Example: `house.providers`. */
  providers: ProviderEntry[];
}

/** Script of each piece of work, and what it is called in logs and files. */
const SCRIPTS: Readonly<Record<ScheduledName, string>> = {
  heartbeat: "heartbeat",
  heavyHeartbeat: "heavy-heartbeat",
  orphanCleanup: "orphan-cleanup",
  dailyReset: "daily-reset",
  tokenBudget: "token-budget",
  flushContinuity: "flush-continuity",
};

/** Path of the file in a release that tells the scripts what to do. */
export const SETTINGS_FILE = "scheduled/settings.json";

/** Its text: the house in a few words, then the settings of each piece of work by the name of its script. */
export function scheduledSettingsFile(house: ScheduledHouse, settings: ScheduledSettings): string {
  const local = house.providers.filter(isLocal).map(({ baseUrl, model }) => ({ url: baseUrl, model }));
  const work = SCHEDULED_NAMES.map((name) => [SCRIPTS[name], settings[name]]);
  const told = { house: house.house, path: house.path, health: house.health, local };
  return `${JSON.stringify({ ...told, ...(Object.fromEntries(work) as object) }, null, 2)}\n`;
}

/** Paths of the files behind the entries, relative to `components/` and to a release alike. */
export function scheduledFiles(): string[] {
  const names = SCHEDULED_NAMES.map((name) => `scheduled/${SCRIPTS[name]}.py`);
  return ["scheduled/run.sh", "scheduled/house.py", ...names].sort();
}

/** Entries of all work that is enabled, in the order of the settings. */
export function scheduledEntries(house: ScheduledHouse, settings: ScheduledSettings): CronEntry[] {
  return SCHEDULED_NAMES.filter((name) => settings[name].enabled).map((name) => ({
    name: SCRIPTS[name],
    schedule: settings[name].schedule,
    user: house.user,
    command: command(house, SCRIPTS[name], settings[name].timeout),
  }));
}

/** A command line without any setting but the deadline: cron takes neither long lines nor a `%`. */
function command({ house, path }: ScheduledHouse, script: string, timeout: number): string[] {
  const scripts = `${path}/current/scheduled`;
  return [
    ...["/bin/sh", `${scripts}/run.sh`, house, script, String(timeout), `${path}/log`],
    ...[harnessPython(path), "-I", "-S", "-B", `${scripts}/${script}.py`],
  ];
}
