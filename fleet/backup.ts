/** Backups of a house: what fleet.yaml and a house.yaml say about them, and what that comes to. */
import { scheduleProblems } from "./cron.ts";
import type { BackupSettings } from "./model.ts";
import type { Path } from "./problem.ts";

/** What is not said. Whom they are encrypted to always is: without recipients there is no backup. */
export const BACKUP_DEFAULTS: Omit<BackupSettings, "recipients"> = {
  schedule: "30 2 * * *",
  keep: 7,
  maxSize: 1_000_000_000,
  // A day, and as long as a large one may take.
  maxAge: 26,
  timeout: 3600,
};

type Said = { [Key in keyof BackupSettings]?: BackupSettings[Key] | undefined } & {
  enabled?: boolean | undefined;
};

/** The defaults with what the fleet and then the house say, key by key; undefined where no backup is to be made. */
export function backupSettings(fleet: Said | undefined, house: Said | undefined): BackupSettings | undefined {
  if (fleet === undefined && house === undefined) return undefined;
  const said = [fleet, house].map((one) =>
    Object.fromEntries(Object.entries(one ?? {}).filter(([, value]) => value !== undefined)),
  );
  const { enabled, ...settings } = Object.assign({ enabled: true }, BACKUP_DEFAULTS, ...said) as Said;
  return enabled === false || settings.recipients === undefined ? undefined : (settings as BackupSettings);
}

/**
 * Mistakes in what one file says; `path` leads from its `backup` to the value.
 *
 * @param recipients whether somebody else has named them already
 */
export function backupProblems(
  said: Said | undefined,
  recipients: boolean,
): { path: Path; message: string; value: unknown; allowed: string }[] {
  if (said === undefined) return [];
  const twice = (said.recipients ?? []).flatMap((one, index, all) =>
    all.indexOf(one) < index
      ? [{ path: ["recipients", index], message: "stands twice", value: one, allowed: "every key once" }]
      : [],
  );
  const schedule = said.schedule === "@reboot" ? [REBOOT] : scheduleProblems(said.schedule ?? "@daily");
  return [
    ...twice,
    ...schedule.map(({ message, got, allowed }) => ({ path: ["schedule"], message, value: got, allowed })),
    ...(said.enabled !== false && said.recipients === undefined && !recipients
      ? [
          {
            path: ["recipients"],
            message: "is missing: nobody could read the backups",
            value: undefined,
            allowed: "public keys of those who may restore, here or under defaults in fleet.yaml",
          },
        ]
      : []),
  ];
}

const REBOOT = {
  message: "is no schedule of repeated work",
  got: "@reboot",
  allowed: "five fields or @hourly and the like",
};
