/** Where the backups of a house are on its host, and the settings file of what makes them. */
import type { BackupSettings } from "../../fleet/model.ts";
import { harnessPython } from "../gateway/harness.ts";

/** What the scripts are told of their house. */
export interface BackupHouse {
  /** Name of the house. Example: `bezalel`. */
  house: string;
  /** Absolute path of the house on its host. Example: `/srv/wizards/bezalel`. */
  path: string;
  /** The agent's account, as which its home is read. Example: `wizard-bezalel`. */
  user: string;
  /** Version of the harness that the release runs with. Example: `0.19.0`. */
  harness: string;
}

/** Folder of a house's encrypted backups on its host; root's, and not the house's: it outlives it. */
export const backupFolder = (house: string): string => `/var/backups/wizard-houses/${house}`;

/** Paths inside the release. */
export const BACKUP_SCRIPT = "backup/backup.sh";
export const BACKUP_CONF = "backup/backup.conf";
export const BACKUP_RECIPIENTS = "backup/recipients";
export const COLLECT = "backup/collect.py";
export const UNPACK = "backup/unpack.py";

/** Text of `backup.conf`: `KEY=value` lines that the script parses and never sources. */
export function backupConf(args: BackupHouse, settings: BackupSettings): string {
  const lines = {
    NAME: args.house,
    HOUSE: args.path,
    AGENT_USER: args.user,
    PYTHON: harnessPython(args.path),
    HARNESS: args.harness,
    FOLDER: backupFolder(args.house),
    KEEP: settings.keep,
    MAX_SIZE: settings.maxSize,
    TIMEOUT: settings.timeout,
  };
  return [
    `# Settings of the backup of house ${args.house}. Parsed line by line, never sourced.`,
    ...Object.entries(lines).map(([key, value]) => `${key}=${value}`),
    "",
  ].join("\n");
}

/** Text of the file of recipients, as age reads it: public keys, nothing secret. */
export const recipientsFile = ({ recipients }: BackupSettings): string =>
  `# Who can read the backups.\n${recipients.map((one) => `${one}\n`).join("")}`;
