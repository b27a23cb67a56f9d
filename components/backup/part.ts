/** What a release has for the backup of its house. Pure. */
import type { BackupSettings } from "../../fleet/model.ts";
import type { ReleasePart } from "../part.ts";
import { source } from "../source.ts";
import {
  BACKUP_CONF,
  BACKUP_RECIPIENTS,
  BACKUP_SCRIPT,
  backupConf,
  type BackupHouse,
  COLLECT,
  recipientsFile,
  UNPACK,
} from "./conf.ts";

/** What a host needs beside what every host has, by Debian package, where a house on it declares a backup. */
export const BACKUP_NEEDED: Readonly<Record<string, readonly string[]>> = { age: ["age"] };

/**
 * Every release can unpack a backup, so that any house can be restored; the cron entry and what makes backups are there
 * where the house declares one. It is no component: nothing of it is a resource, and most of it is not there by default.
 *
 * @param settings what `backup:` comes to for the house; undefined without one
 */
export function backupPart(args: BackupHouse, settings: BackupSettings | undefined): ReleasePart {
  const { house, path } = args;
  const rootOnly = { mode: "0600", group: "root" };
  const readable = (file: string) => ({ ...source(file), mode: "0640" });
  const files = { [UNPACK]: readable(UNPACK) };
  if (settings === undefined) return { name: "backup", files };
  return {
    name: "backup",
    files: {
      ...files,
      [COLLECT]: readable(COLLECT),
      [BACKUP_SCRIPT]: { ...source(BACKUP_SCRIPT), mode: "0700", group: "root" },
      [BACKUP_CONF]: { content: backupConf(args, settings), ...rootOnly },
      [BACKUP_RECIPIENTS]: { content: recipientsFile(settings), ...rootOnly },
    },
    cron: {
      [`wizard-${house}-backup`]: {
        entries: [
          {
            name: "backup",
            schedule: settings.schedule,
            user: "root",
            command: [
              ...["/bin/sh", `${path}/current/${BACKUP_SCRIPT}`],
              ...["scheduled", `${path}/current/${BACKUP_CONF}`],
            ],
          },
        ],
      },
    },
  };
}
