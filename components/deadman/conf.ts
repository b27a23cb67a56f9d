/** The deadman switch's two settings files: `KEY=value` lines that the script parses and never sources. */
import type { DeadmanSecret } from "../../fleet/deadman.ts";
import type { DeadmanSwitchArgs } from "../deadman-switch.ts";

/** Where root keeps what it remembers about a house: counters, the flag `deadman_active`, undelivered alerts. */
export function deadmanState(house: string): string {
  return `/var/lib/wizard-houses/${house}`;
}

/** The flag `deadman_active`: one line, `<time><tab><reason>`. */
export const deadmanFlag = (house: string): string => `${deadmanState(house)}/deadman_active`;

/** Paths inside the release. */
export const DEADMAN_SCRIPT = "deadman/deadman.sh";
export const DEADMAN_FORGE = "deadman/forge.sh";
export const DEADMAN_CONF = "deadman/deadman.conf";
export const DEADMAN_SECRETS = "deadman/secrets.conf";

/** Text of `deadman.conf`. Throws an `Error` naming each value that holds a line break, which would start a line of its own. */
export function deadmanConf(args: Omit<DeadmanSwitchArgs, "secrets">, hasSecrets: boolean): string {
  const { settings } = args;
  const { forge } = settings;
  const lines = oneLineEach(args.house, {
    NAME: args.house,
    HOUSE: args.path,
    STATE: deadmanState(args.house),
    AGENT_USER: args.user,
    UNIT: args.unit,
    HOME_UNIT: args.homeUnit,
    HEALTH_URL: args.health,
    GRACE: String(settings.grace),
    MAX_RETRIES: String(settings.maxRetries),
    WINDOW: String(settings.window),
    FORGE_API: forge === undefined ? "" : `${forge.url}/api/v1/repos/${forge.repository}`,
    SECRETS: hasSecrets ? `${args.path}/current/${DEADMAN_SECRETS}` : "",
    DRY_RUN: settings.dryRun ? "yes" : "no",
  });
  return `# Settings of the deadman switch of house ${args.house}. Parsed line by line, never sourced.\n${lines}`;
}

/** Text of `secrets.conf`. Throws an `Error` as {@link deadmanConf} does, without a value in it. */
export function deadmanSecrets(house: string, values: Partial<Record<DeadmanSecret, string>>): string {
  return `# What only root may know of the deadman switch of house ${house}.\n${oneLineEach(house, values)}`;
}

function oneLineEach(house: string, values: Record<string, string>): string {
  const broken = Object.entries(values).filter(([, value]) => /[\r\n]/.test(value));
  if (broken.length > 0) {
    const names = broken.map(([key]) => key).join(", ");
    throw new Error(`Deadman settings of house ${JSON.stringify(house)}: ${names} must be one line each.`);
  }
  return Object.entries(values)
    .map(([key, value]) => `${key}=${value}\n`)
    .join("");
}
