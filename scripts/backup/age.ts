/** Decryption, on the operator's own machine, by age itself: it knows every kind of identity, and ours never leaves. */
import { spawn } from "node:child_process";
import { closeSync, openSync, readSync } from "node:fs";

import { printable } from "../../provider/host/facts.ts";
import { ArchiveError } from "./tar.ts";

const MAX_WORDS = 4096;
/** How each file that age has encrypted begins. */
const HEADER = "age-encryption.org/v1\n";

/** Whether a file is one of age's; what else it is, only decryption tells. */
export function isEncrypted(file: string): boolean {
  const descriptor = openSync(file, "r");
  try {
    const beginning = Buffer.alloc(HEADER.length);
    return (
      readSync(descriptor, beginning, 0, HEADER.length, 0) === HEADER.length &&
      beginning.toString("latin1") === HEADER
    );
  } finally {
    closeSync(descriptor);
  }
}

/** The content of an encrypted file, decrypted anew each time it is gone through; nothing of it touches a disk. */
export function decrypted(file: string, identity: string): AsyncIterable<Buffer> {
  return { [Symbol.asyncIterator]: () => pieces(file, identity) };
}

/** @throws ArchiveError when age cannot be run, or does not succeed to the very end */
async function* pieces(file: string, identity: string): AsyncGenerator<Buffer, void> {
  // A passphrase is asked for on the terminal itself.
  const child = spawn("age", ["--decrypt", "--identity", identity, "--", file], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let words = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (words = (words + text).slice(-MAX_WORDS)));
  const ended = new Promise<number | null | Error>((resolve) => {
    child.on("error", resolve);
    child.on("close", (code) => resolve(code));
  });
  try {
    for await (const piece of child.stdout) yield piece as Buffer;
    const code = await ended;
    if (code instanceof Error)
      throw new ArchiveError(
        (code as NodeJS.ErrnoException).code === "ENOENT"
          ? "age is not installed on this machine (Debian: apt-get install age), and without it nothing can be decrypted"
          : `age cannot be started: ${code.message}`,
      );
    if (code !== 0) throw new ArchiveError(explained(file, identity, words));
  } finally {
    child.kill();
  }
}

function explained(file: string, identity: string, words: string): string {
  if (/no identity matched/.test(words))
    return `${identity} cannot read ${file}: it was encrypted to other keys`;
  if (/failed to decrypt and authenticate|unexpected EOF|last chunk|bad header MAC|truncated/i.test(words))
    return `${file} was changed or cut off since it was made`;
  const said = words
    .split("\n")
    .filter((line) => line.startsWith("age: ") && !line.includes("report unexpected"))
    .map((line) => line.replace(/^age: (error: )?/, ""));
  return `${file} cannot be decrypted: ${printable(said.join("; "), 300) || "age says nothing"}`;
}
