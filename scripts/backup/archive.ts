/** What a backup holds, and whether it may go to a host: read in whole before anything is sent. */
import { createHash, type Hash } from "node:crypto";

import * as z from "zod";

import { ArchiveError, readTar, type TarEntry } from "./tar.ts";

/** The newest form of an archive that this version reads; `FORMAT` in `components/backup/collect.py`. */
export const FORMAT = 1;
/** Of `backup.json` and `manifest.json`. */
const MAX_TEXT = 256 * 1024 * 1024;

const about = z.object({
  format: z.int(),
  house: z.string().regex(/^[a-z0-9-]{1,24}$/),
  harness: z.string().regex(/^[0-9A-Za-z.+-]{1,40}$/),
});
const beginning = about.extend({ time: z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/) });
const ending = about.extend({
  folders: z.record(z.string(), z.string()),
  files: z.record(z.string(), z.object({ size: z.int(), mode: z.string(), sha256: z.string() })),
  left: z.record(z.string(), z.int()).default({}),
});

export interface Archive {
  /** The house it is of. */
  house: string;
  /** When it was made, e.g. `2026-01-31T02:30:00Z`. */
  time: string;
  /** Version of the harness then. */
  harness: string;
  files: number;
  /** Of the unpacked tar. */
  bytes: number;
  /** Names of all that is in the home, without `home/`. */
  folders: string[];
}

/**
 * Reads a whole archive and checks it against its manifest.
 *
 * @throws ArchiveError for one of another kind or of a newer format, one that is cut off or changed, and one that holds
 *   links, devices, or names that lead out of a home
 */
export async function readArchive(stream: AsyncIterable<Buffer>): Promise<Archive> {
  let first: z.output<typeof beginning> | undefined;
  let last: z.output<typeof ending> | undefined;
  const folders = new Map<string, string>();
  const files = new Map<string, { size: number; mode: string; sha256: string }>();
  let at: TarEntry | undefined;
  let digest: Hash = createHash("sha256");
  let pieces: Buffer[] = [];

  const bytes = await readTar(stream, {
    entry(entry) {
      if (last !== undefined)
        throw new ArchiveError(`${shown(entry.name)} comes behind the archive's manifest`);
      if (first === undefined && entry.name !== "backup.json")
        throw new ArchiveError("this is no backup of a house");
      if (isText(entry)) {
        if (entry.size > MAX_TEXT) throw new ArchiveError(`${entry.name} in the archive is too large`);
      } else if (!isInHome(entry.name)) throw new ArchiveError(`${shown(entry.name)} is not in a home`);
      else if (folders.has(entry.name) || files.has(entry.name))
        throw new ArchiveError(`${shown(entry.name)} is there twice`);
      if (entry.kind === "folder") return void folders.set(entry.name, entry.mode);
      at = entry;
      digest = createHash("sha256");
      pieces = [];
      if (entry.size === 0) this.end();
    },
    bytes(piece) {
      digest.update(piece);
      if (at !== undefined && isText(at)) pieces.push(piece);
    },
    end() {
      if (at === undefined) return;
      const { name, size, mode } = at;
      if (!isText(at)) files.set(name, { size, mode, sha256: digest.digest("hex") });
      else if (name === "backup.json") first = parsed(beginning, pieces);
      else last = parsed(ending, pieces);
      at = undefined;
    },
  });
  if (first === undefined || last === undefined)
    throw new ArchiveError("the archive is cut off: its manifest is missing");
  compare("house", first.house, last.house);
  same(folders, new Map(Object.entries(last.folders)));
  same(files, new Map(Object.entries(last.files)));
  const { house, time, harness } = first;
  const inHome = [...folders.keys()].map((name) => name.slice("home/".length));
  return { house, time, harness, files: files.size, bytes, folders: inHome };
}

const isText = ({ name, kind }: TarEntry): boolean =>
  kind === "file" && (name === "backup.json" || name === "manifest.json");

const isInHome = (name: string): boolean =>
  /^home\/[^\u0000-\u001f\u007f]+$/.test(name) &&
  name.split("/").every((part) => !["", ".", ".."].includes(part));

const shown = (name: string): string => JSON.stringify(name.slice(0, 200));

function parsed<T>(schema: z.ZodType<T>, pieces: readonly Buffer[]): T {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.concat(pieces).toString("utf8"));
  } catch {
    throw new ArchiveError("the archive's manifest is not JSON");
  }
  const format = z.object({ format: z.int() }).safeParse(value);
  if (format.success && format.data.format > FORMAT)
    throw new ArchiveError(
      `the archive has format ${format.data.format}, and this version reads up to ${FORMAT}: take a newer one`,
    );
  const result = schema.safeParse(value);
  if (!result.success) throw new ArchiveError("the archive's manifest is not one of this program's");
  return result.data;
}

function same<T>(have: Map<string, T>, wanted: Map<string, T>): void {
  const names = new Set([...have.keys(), ...wanted.keys()]);
  for (const name of [...names].sort())
    compare(shown(name), JSON.stringify(have.get(name)), JSON.stringify(wanted.get(name)));
}

function compare(what: string, have: string | undefined, wanted: string | undefined): void {
  if (have !== wanted) throw new ArchiveError(`${what} is not as the archive's manifest says`);
}
