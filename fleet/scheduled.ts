/** Scheduled work of a house: what runs by the system's cron beside the gateway, and what may be set about it. */
import { scheduleProblems } from "./cron.ts";
import type { ScheduledSettings } from "./model.ts";
import type { Path } from "./problem.ts";

/** What a house gets unless fleet.yaml or its house.yaml say otherwise. */
export const SCHEDULED_DEFAULTS: ScheduledSettings = {
  heartbeat: { enabled: true, schedule: "* * * * *", timeout: 30, urls: [] },
  heavyHeartbeat: { enabled: true, schedule: "*/30 * * * *", timeout: 300 },
  orphanCleanup: { enabled: true, schedule: "20 3 * * *", timeout: 120, maxAge: 24 },
  // Every hour, and once a day something to do: cron has no time zones, and a host may be off at midnight.
  dailyReset: { enabled: true, schedule: "5 * * * *", timeout: 600, cacheDays: 14, logDays: 30 },
  tokenBudget: { enabled: true, schedule: "*/15 * * * *", timeout: 120, dailyTokens: 50_000_000 },
  flushContinuity: { enabled: true, schedule: "50 * * * *", timeout: 60, keepDays: 60 },
};

export type ScheduledName = keyof ScheduledSettings;

export const SCHEDULED_NAMES = Object.keys(SCHEDULED_DEFAULTS) as ScheduledName[];

type Said = {
  [Name in ScheduledName]?:
    { [Key in keyof ScheduledSettings[Name]]?: ScheduledSettings[Name][Key] | undefined } | undefined;
};

/** The defaults with what the fleet and then the house say about each piece of work, key by key. */
export function scheduledSettings(...said: readonly Said[]): ScheduledSettings {
  const entries = SCHEDULED_NAMES.map((name) => {
    const layers = said.map((one) =>
      Object.fromEntries(Object.entries(one[name] ?? {}).filter(([, value]) => value !== undefined)),
    );
    return [name, Object.assign({}, SCHEDULED_DEFAULTS[name], ...layers) as unknown];
  });
  return Object.fromEntries(entries) as ScheduledSettings;
}

/** Mistakes in what one file says; `path` leads from its `scheduled` to the value. */
export function scheduledProblems(
  said: Said,
): { path: Path; message: string; value: unknown; allowed: string }[] {
  return SCHEDULED_NAMES.flatMap((name) => {
    const schedule = said[name]?.schedule;
    if (schedule === undefined) return [];
    const path = [name, "schedule"];
    if (schedule === "@reboot")
      return [
        {
          path,
          message: "is no schedule of repeated work",
          value: schedule,
          allowed: "five fields or @hourly and the like",
        },
      ];
    return scheduleProblems(schedule).map(({ message, got, allowed }) => ({
      path,
      message,
      value: got,
      allowed,
    }));
  });
}
