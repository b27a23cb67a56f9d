/**
 * `npm run backup -- [<house> …] --to FOLDER`: a backup of each house, now, and a copy of it here. With `--newest` the
 * newest one that is there already is copied; `list` tells what is there.
 */
import path from "node:path";

import { UsageError } from "./arguments.ts";
import { ageInHours, datedAhead, newestBackup } from "../provider/resources/release/backups.ts";
import { isThere, prune } from "./backup/folder.ts";
import { backupsOf, fetchBackup, makeBackup } from "./backup/host.ts";
import { ActFailed, actOnHouses, type Act } from "./house-session.ts";
import { asGiven, readWords, wholeNumber } from "./options.ts";

const USAGE =
  "usage: npm run backup -- [<house> …] --to FOLDER [--newest] [--keep N] [-s <stack>], or list [<house> …]";
const OPTIONS = { "--to": true, "--newest": false, "--keep": true };

export const main = (args: readonly string[]): Promise<number> =>
  actOnHouses(args, (words) => {
    const { names, options } = readWords(words, OPTIONS, USAGE);
    if (names[0] === "list") {
      if (Object.keys(options).length > 0) throw new UsageError(USAGE);
      return { names: names.slice(1), act: list };
    }
    const to = options["--to"];
    if (to === undefined) throw new UsageError(`--to is missing: where copies go; ${USAGE}`);
    const keep = options["--keep"];
    return {
      names,
      act: copying({
        folder: asGiven(to),
        newest: options["--newest"] !== undefined,
        named: names.length > 0,
        ...(keep !== undefined && { keep: wholeNumber("--keep", keep, 100_000) }),
      }),
    };
  });

interface Copying {
  folder: string;
  newest: boolean;
  /** Whether the house was asked for by name. */
  named: boolean;
  keep?: number;
}

const copying =
  ({ folder, newest, named, keep }: Copying): Act =>
  async (at) => {
    const { house } = at;
    if (house.backup === undefined) {
      if (named) throw new ActFailed("declares no backup: see backup: in wizards/fleet.yaml");
      return "declares no backup";
    }
    const made = newest ? await newestOf(at) : await makeBackup(at);
    const said = made.said === "" ? "" : ` (${made.said})`;
    if (isThere(folder, house.name, made.name))
      return `${path.join(folder, house.name, made.name)} is here already`;
    const file = await explained(folder, () => fetchBackup(at, made.name, folder));
    prune(folder, house.name, keep ?? house.backup.keep, made.name);
    return `${file}${said}`;
  };

async function newestOf(at: Parameters<Act>[0]): Promise<{ name: string; said: string }> {
  const names = await backupsOf(at);
  const name = newestBackup(names, now());
  if (name === undefined)
    throw new ActFailed(
      names.length === 0
        ? "there is no backup on its host yet"
        : "all backups on its host are dated in the future: make one, without --newest",
    );
  return { name, said: "" };
}

/** What the operator's own disk says is no bug of ours. */
async function explained<Result>(folder: string, act: () => Promise<Result>): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined || !/^E[A-Z]+$/.test(code)) throw error;
    throw new ActFailed(`cannot be kept in ${folder}: ${message}`, { cause: error });
  }
}

/** Seconds since the epoch. */
const now = (): number => Date.now() / 1000;

const list: Act = async (at) => {
  const { backup } = at.house;
  const names = await backupsOf(at);
  if (names.length === 0) return backup === undefined ? "declares no backup" : "there is no backup yet";
  return listed(names, backup?.maxAge, now());
};

/** What is said of backups that are there. Pure: names and the time in, words out. */
export function listed(names: string[], maxAge: number | undefined, time: number): string {
  const ahead = datedAhead(names, time);
  const newest = newestBackup(names, time);
  const age = newest === undefined ? Infinity : ageInHours(newest, time);
  const late = maxAge !== undefined && age >= maxAge ? `, and should be no older than ${maxAge}` : "";
  return [
    newest === undefined ? `all are dated in the future${late}` : `the newest is ${age} hours old${late}`,
    ...names.map((name) => (ahead.includes(name) ? `${name} (dated in the future)` : name)),
  ].join("\n  ");
}
