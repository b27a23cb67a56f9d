/** The settings file of the deadman switch: `KEY=value` lines that the script parses and never sources. */
import type { DeadmanSwitchArgs } from "../deadman-switch.ts";

/** Where root keeps what it remembers about a house: counters, the flag `deadman_active`, an undelivered alert. */
export function deadmanState(house: string): string {
  return `/var/lib/wizard-houses/${house}`;
}

/** The flag `deadman_active`: one line, `<time><tab><reason>`. */
export const deadmanFlag = (house: string): string => `${deadmanState(house)}/deadman_active`;

/** Text of `deadman.conf`. Throws an `Error` naming each value that holds a line break, which would start a line of its own. */
export function deadmanConf(args: DeadmanSwitchArgs): string {
  const { settings } = args;
  const values = {
    NAME: args.house,
    HOUSE: args.path,
    STATE: deadmanState(args.house),
    AGENT_USER: args.user,
    UNIT: args.unit,
    HEALTH_URL: args.health,
    GRACE: String(settings.grace),
    MAX_RETRIES: String(settings.maxRetries),
    WINDOW: String(settings.window),
    PING_URL: settings.pingUrl ?? "",
    WEBHOOK_URL: settings.webhookUrl ?? "",
    DRY_RUN: settings.dryRun ? "yes" : "no",
  };
  const broken = Object.entries(values).filter(([, value]) => /[\r\n]/.test(value));
  if (broken.length > 0) {
    const names = broken.map(([key]) => key).join(", ");
    throw new Error(
      `Deadman settings of house ${JSON.stringify(args.house)}: ${names} must be one line each.`,
    );
  }
  const lines = Object.entries(values).map(([key, value]) => `${key}=${value}\n`);
  return `# Settings of the deadman switch of house ${args.house}. Parsed line by line, never sourced.\n${lines.join("")}`;
}
