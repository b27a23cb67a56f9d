/** Whether a house has a backup that is new enough. Pure: facts and the time in, words out. */
import type { Facts } from "../../host/facts.ts";
import { releases, type ReleaseInputs } from "./layout.ts";

const HOUR = 3600;
/** Names that are told; the rest is counted. */
const TOLD = 3;

/** When a backup was made, seconds since the epoch, by its name; undefined for whatever else lies there. */
export function backupTime(name: string): number | undefined {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z\.tar\.age$/.exec(name);
  if (parts === null) return undefined;
  const [, year, month, day, hour, minute, second] = parts.map(Number) as [number, ...number[]];
  return Date.UTC(year!, month! - 1, day, hour, minute, second) / 1000;
}

/**
 * Those that a clock that was ahead has dated in the future. Clocks that are right differ by less than an hour.
 *
 * @param now seconds since the epoch
 */
export const datedAhead = (names: string[], now: number): string[] =>
  names.filter((name) => (backupTime(name) ?? 0) > now + HOUR);

/**
 * The names that are of backups, the oldest first. What is dated in the future counts as older than all others: nobody
 * knows how old it is, and it must not push out what is newer.
 */
export function oldestFirst(names: string[], now: number): string[] {
  const backups = names.filter((name) => backupTime(name) !== undefined).sort();
  const ahead = datedAhead(backups, now);
  return [...ahead, ...backups.filter((name) => !ahead.includes(name))];
}

/** The newest that is not dated in the future. */
export function newestBackup(names: string[], now: number): string | undefined {
  const ahead = datedAhead(names, now);
  return oldestFirst(names, now).findLast((name) => !ahead.includes(name));
}

/** Whole hours since it was made, by its name. */
export const ageInHours = (name: string, now: number): number =>
  Math.max(0, Math.floor((now - (backupTime(name) ?? 0)) / HOUR));

export const backupFolders = ({ backups }: ReleaseInputs): string[] =>
  backups === undefined ? [] : [backups.folder];

/**
 * What is to be said of a house whose newest backup is too old. One that has none yet has as long as the oldest of its
 * releases is there; one that has only such as are dated in the future has none that anybody can tell the age of.
 *
 * @param now milliseconds since the epoch, by the clock of whoever asks: a host's own may be what is wrong
 */
export function backupFindings(inputs: ReleaseInputs, facts: Facts, now: number): string[] {
  const { backups, house } = inputs;
  // Where nothing runs, nothing makes backups.
  if (backups === undefined || facts.units.size === 0) return [];
  const seconds = now / 1000;
  const names = (facts.folders.get(backups.folder) ?? []).map(({ name }) => name);
  const since = Math.min(...(facts.folders.get(releases(house)) ?? []).map(({ modified }) => modified));
  const newest = newestBackup(names, seconds);
  const ahead = datedAhead(names, seconds).sort();
  const waiting = ahead.length > 0 ? Infinity : Math.floor((seconds - since) / HOUR);
  const age = newest === undefined ? waiting : ageInHours(newest, seconds);
  if (!(age >= backups.maxAge)) return [];
  const apart = ahead.length === 0 ? "" : `, apart from those of a clock that was ahead (${named(ahead)})`;
  const what = newest === undefined ? "there is no backup of it" : `its newest backup is ${age} hours old`;
  return [`${what}${apart}; one should be no older than ${backups.maxAge}. The journal of its host says why`];
}

const named = (names: string[]): string =>
  names.length > TOLD
    ? `${names.slice(0, TOLD).join(", ")} and ${names.length - TOLD} more`
    : names.join(", ");
