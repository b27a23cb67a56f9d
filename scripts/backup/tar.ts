/** A tar as a stream, entry by entry: what `components/backup/collect.py` writes and nothing beside it. */

/** The archive is not what it should be. Its message is one line for an operator. */
export class ArchiveError extends Error {
  override name = "ArchiveError";
}

export interface TarEntry {
  name: string;
  kind: "file" | "folder";
  size: number;
  /** Four octal digits. */
  mode: string;
}

/** Gets each entry, and for a file its bytes as they come; `end` when there are no more of it. */
export interface TarReader {
  entry(entry: TarEntry): void;
  bytes(piece: Buffer): void;
  end(): void;
}

const BLOCK = 512;
/** Names and sizes that do not fit into a header, of one entry. */
const MAX_RECORDS = 64 * 1024;

const KINDS: Record<string, string> = {
  "1": "a hard link",
  "2": "a link",
  "3": "a device",
  "4": "a device",
  "6": "a pipe",
};

/**
 * Reads a whole tar. Returns its bytes.
 *
 * @throws ArchiveError for anything but folders and files, for a damaged header and for a tar without its end
 */
export async function readTar(stream: AsyncIterable<Buffer>, reader: TarReader): Promise<number> {
  let held: Buffer = Buffer.alloc(0);
  let total = 0;
  let ended = false;
  let records: Record<string, string> = {};
  /** What the bytes to come are: `left` of them, then `padding` to the next block. */
  let current: { left: number; padding: number; take: (piece: Buffer) => void; done: () => void } | undefined;

  function header(block: Buffer): void {
    if (block.every((byte) => byte === 0)) return void (ended = true);
    if (ended) throw new ArchiveError("the archive goes on behind its end");
    const entry = parseHeader(block);
    if (entry.type === "x") {
      if (entry.size > MAX_RECORDS) throw new ArchiveError("the archive has a name that is too long");
      const pieces: Buffer[] = [];
      return follow(
        entry.size,
        (piece) => pieces.push(piece),
        () => (records = parseRecords(Buffer.concat(pieces))),
      );
    }
    const name = records["path"] ?? entry.name;
    const size = records["size"] === undefined ? entry.size : whole(records["size"], 10);
    records = {};
    if (entry.type !== "0" && entry.type !== "\0" && entry.type !== "5")
      throw new ArchiveError(
        `${JSON.stringify(name)} is ${KINDS[entry.type] ?? "neither a file nor a folder"}`,
      );
    const kind = entry.type === "5" ? "folder" : "file";
    if (kind === "folder" && size !== 0)
      throw new ArchiveError(`${JSON.stringify(name)} is a folder with a content`);
    reader.entry({ name: name.replace(/\/$/, ""), kind, size, mode: entry.mode });
    if (kind === "file")
      follow(
        size,
        (piece) => reader.bytes(piece),
        () => reader.end(),
      );
  }

  function follow(size: number, take: (piece: Buffer) => void, done: () => void): void {
    if (size === 0) return done();
    current = { left: size, padding: (BLOCK - (size % BLOCK)) % BLOCK, take, done };
  }

  for await (const bytes of stream) {
    total += bytes.length;
    held = held.length === 0 ? bytes : Buffer.concat([held, bytes]);
    for (;;) {
      if (current !== undefined && current.left > 0) {
        if (held.length === 0) break;
        const piece = held.subarray(0, current.left);
        held = held.subarray(piece.length);
        current.left -= piece.length;
        current.take(piece);
        continue;
      }
      if (current !== undefined) {
        if (held.length < current.padding) break;
        held = held.subarray(current.padding);
        const { done } = current;
        current = undefined;
        done();
        continue;
      }
      if (held.length < BLOCK) break;
      const block = held.subarray(0, BLOCK);
      held = held.subarray(BLOCK);
      header(block);
    }
  }
  if (current !== undefined || held.length > 0 || !ended) throw new ArchiveError("the archive is cut off");
  return total;
}

function parseHeader(block: Buffer): { name: string; type: string; size: number; mode: string } {
  const text = (from: number, length: number): string => {
    const field = block.subarray(from, from + length);
    const end = field.indexOf(0);
    return field.subarray(0, end === -1 ? length : end).toString("utf8");
  };
  const sum = block.reduce((all, byte, at) => all + (at >= 148 && at < 156 ? 0x20 : byte), 0);
  if (sum !== whole(text(148, 8).trim(), 8) || text(257, 5) !== "ustar")
    throw new ArchiveError("the archive is damaged, or none of this program's");
  const [prefix, name] = [text(345, 155), text(0, 100)];
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    type: block.toString("latin1", 156, 157),
    size: whole(text(124, 12).trim(), 8),
    mode: (whole(text(100, 8).trim(), 8) & 0o777).toString(8).padStart(4, "0"),
  };
}

/** `<length> <key>=<value>\n`, one after another. */
function parseRecords(bytes: Buffer): Record<string, string> {
  const found: Record<string, string> = {};
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at);
    const length = whole(bytes.toString("latin1", at, Math.max(space, at)), 10);
    const line = bytes.subarray(space + 1, at + length);
    const equals = line.indexOf(0x3d);
    if (space === -1 || equals === -1 || at + length > bytes.length || line.at(-1) !== 0x0a)
      throw new ArchiveError("the archive is damaged, or none of this program's");
    found[line.toString("utf8", 0, equals)] = line.toString("utf8", equals + 1, line.length - 1);
    at += length;
  }
  return found;
}

function whole(text: string, base: 8 | 10): number {
  const number = (base === 8 ? /^[0-7]{1,15}$/ : /^\d{1,15}$/).test(text) ? parseInt(text, base) : NaN;
  if (!Number.isSafeInteger(number))
    throw new ArchiveError("the archive is damaged, or none of this program's");
  return number;
}
