/**
 * Files of this project that hosts are given as they stand. A resource names such a file by path and digest, so that its
 * bytes go from here to the host alone, and not through the state, every event and every request about every house.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";

export interface ProjectFile {
  /** Path inside the project, e.g. `components/deadman/deadman.sh`. */
  source: string;
  /** Digest of its bytes, 64 hex digits. */
  sha256: string;
}

/** What a file on a host holds: this text, or what a file of the project holds. */
export type FileContent = { content: string; source?: undefined; sha256?: undefined } | HeldByProject;
type HeldByProject = ProjectFile & { content?: undefined };

/** The file is not there any more, or holds something else than what was declared. */
export class ProjectFileChanged extends Error {
  override name = "ProjectFileChanged";
}

const sha256 = (bytes: string | Buffer): string => createHash("sha256").update(bytes).digest("hex");

/** Digest of what the file is to hold, 64 hex digits. */
export const digestOf = (file: FileContent): string => file.sha256 ?? sha256(file.content);

/** What the file is to hold, without whatever else an entry says about it. */
export const contentOf = (file: FileContent): FileContent =>
  file.content === undefined ? { source: file.source, sha256: file.sha256 } : { content: file.content };

/** Names a file of the project in `folder` by what it holds now. */
export function projectFile(source: string, folder: string): ProjectFile {
  return { source, sha256: sha256(readFileSync(path.join(folder, source))) };
}

/** By digest: every house of a fleet is given the same few. */
const read = new Map<string, Buffer>();

/**
 * The bytes a file is to hold.
 *
 * @param folder of the project; the engine starts program, provider and policy pack there
 * @throws ProjectFileChanged
 */
export function bytesOf(file: FileContent, folder = process.cwd()): Buffer {
  if (file.content !== undefined) return Buffer.from(file.content, "utf8");
  let bytes = read.get(file.sha256);
  if (bytes === undefined) {
    bytes = current(file, folder);
    read.set(file.sha256, bytes);
  }
  return bytes;
}

function current({ source, sha256: declared }: ProjectFile, folder: string): Buffer {
  let why: string;
  try {
    const bytes = readFileSync(path.join(folder, source));
    if (sha256(bytes) === declared) return bytes;
    why = "holds something else than when the program ran";
  } catch (error) {
    why = `cannot be read any more (${(error as NodeJS.ErrnoException).code ?? String(error)})`;
  }
  throw new ProjectFileChanged(`${source} of this project ${why}; run the command again`);
}
