/** Copies of backups in a folder of the operator's: `<folder>/<house>/<UTC time>.tar.age`. */
import { createHash } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import path from "node:path";

import { processInfo } from "../../toolchain/process-info.ts";
import { oldestFirst } from "../../provider/resources/release/backups.ts";

/** One that is being fetched; it gets its name when it is whole. */
export interface Incoming {
  take(bytes: Buffer): void;
  /** Puts it in its place if it is what was sent. Returns the file; undefined, and nothing is kept, if it is not. */
  finish(sha256: string): string | undefined;
  abandon(): void;
}

export function incoming(folder: string, house: string, name: string): Incoming {
  const place = path.join(folder, house);
  mkdirSync(place, { recursive: true, mode: 0o700 });
  const file = path.join(place, name);
  const part = path.join(place, `.${name}.${process.pid}.part`);
  const descriptor = openSync(part, "wx", 0o600);
  const digest = createHash("sha256");
  let open = true;
  const close = (): void => {
    if (open) closeSync(descriptor);
    open = false;
  };
  const abandon = (): void => {
    close();
    rmSync(part, { force: true });
  };
  return {
    take(bytes) {
      digest.update(bytes);
      for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at);
    },
    finish(sha256) {
      if (digest.digest("hex") !== sha256) return void abandon();
      fsyncSync(descriptor);
      close();
      renameSync(part, file);
      return file;
    },
    abandon,
  };
}

/**
 * Removes all but the newest, and what runs that were killed have left.
 *
 * @param latest the one that has just come: it is the newest, whatever other names say
 */
export function prune(folder: string, house: string, keep: number, latest: string): void {
  const place = path.join(folder, house);
  const names = readdirSync(place);
  const others = oldestFirst(
    names.filter((name) => name !== latest),
    Date.now() / 1000,
  );
  const parts = names.filter((name) => {
    const owner = /^\..*\.(\d+)\.part$/.exec(name)?.[1];
    return owner !== undefined && processInfo(Number(owner)) === undefined;
  });
  for (const name of [...others.slice(0, Math.max(0, others.length + 1 - keep)), ...parts])
    rmSync(path.join(place, name), { force: true });
}

/** Whether it is there already. */
export const isThere = (folder: string, house: string, name: string): boolean =>
  statSync(path.join(folder, house, name), { throwIfNoEntry: false }) !== undefined;
