/** What a script reads from its standard input: contents, and files of this machine that are too large to be held. */
import { createReadStream } from "node:fs";

/** A content, or a file's first `bytes`; it must have that many. */
export type SizedPiece = Buffer | { file: string; bytes: number };
/** The same, or what comes as it is read. */
export type Piece = SizedPiece | AsyncIterable<Buffer>;

/** The same with neighbouring contents in one, so that they are written at once. */
export function joined(pieces: readonly Piece[]): Piece[] {
  const all: Piece[] = [];
  for (const piece of pieces) {
    const last = all.at(-1);
    if (Buffer.isBuffer(piece) && Buffer.isBuffer(last)) all[all.length - 1] = Buffer.concat([last, piece]);
    else all.push(piece);
  }
  return all;
}

/** @throws Error when a file cannot be read, or has become shorter */
export async function* chunksOf(pieces: readonly Piece[]): AsyncGenerator<Buffer> {
  for (const piece of pieces) {
    if (Buffer.isBuffer(piece)) {
      yield piece;
      continue;
    }
    if (!("file" in piece)) {
      yield* piece;
      continue;
    }
    let sent = 0;
    if (piece.bytes > 0) {
      for await (const chunk of createReadStream(piece.file, { end: piece.bytes - 1 })) {
        sent += (chunk as Buffer).length;
        yield chunk as Buffer;
      }
    }
    if (sent !== piece.bytes)
      throw new Error(`${piece.file} changed while it was being sent: ${sent} bytes of ${piece.bytes}`);
  }
}
