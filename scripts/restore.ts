/**
 * `npm run restore -- <house> <archive> --identity KEYFILE`: what a backup holds becomes the home of a house that is there,
 * on whatever host. Decrypted here; checked in whole before anything is sent; in force once the house is well on it.
 */
import { randomBytes } from "node:crypto";
import { statSync } from "node:fs";

import { UNPACK } from "../components/backup/conf.ts";
import { deadmanFlag } from "../components/deadman/conf.ts";
import { drainCommands, drainedFlag } from "../components/drain/command-lines.ts";
import { harnessPython } from "../components/gateway/harness.ts";
import { mergeJobs } from "../components/jobs/command-lines.ts";
import { renderHouse } from "../fleet/index.ts";
import { ChangeFailed } from "../provider/errors.ts";
import { factOf, noFacts } from "../provider/host/facts.ts";
import { restorePlan, restoringFolder, staged } from "../provider/host/restore.ts";
import {
  current,
  currentFile,
  displaced,
  pending,
  throughCurrent,
} from "../provider/resources/release/layout.ts";
import { agreed, onTerminal } from "./ask.ts";
import { DEFAULT_STACK, stackOption, UsageError } from "./arguments.ts";
import { decrypted, isEncrypted } from "./backup/age.ts";
import { readArchive, type Archive } from "./backup/archive.ts";
import { ArchiveError } from "./backup/tar.ts";
import { ActFailed, actOnHouses, type HouseSession } from "./house-session.ts";
import { houseHealth } from "./house-health.ts";
import { asGiven, readWords } from "./options.ts";

const USAGE =
  "usage: npm run restore -- <house> <archive> --identity KEYFILE [--as] [--yes] [-s <stack>]; " +
  "--as takes an archive of another house";
const OPTIONS = { "--identity": true, "--as": false, "--yes": false, "-y": false };
/** Seconds, and bytes a second that arrive at least. */
const MARGIN = 120;
const SLOWEST = 100_000;

interface Request {
  archive: string;
  identity: string;
  /** Whether an archive of another house is taken. */
  foreign: boolean;
  yes: boolean;
}

export const main = (args: readonly string[]): Promise<number> =>
  actOnHouses(args, (words) => {
    const { names, options } = readWords(words, OPTIONS, USAGE);
    const [house, archive, ...more] = names;
    const identity = options["--identity"];
    if (house === undefined || archive === undefined || more.length > 0) throw new UsageError(USAGE);
    if (identity === undefined) throw new UsageError(`--identity is missing: your private key; ${USAGE}`);
    const request: Request = {
      archive: fileHere(archive),
      identity: fileHere(identity),
      foreign: options["--as"] !== undefined,
      yes: options["--yes"] !== undefined || options["-y"] !== undefined,
    };
    return { names: [house], act: (at) => explained(() => restore(at, request)) };
  });

/** A file by its name where npm was called. Throws a {@link UsageError} if there is none. */
function fileHere(name: string): string {
  const file = asGiven(name);
  if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true)
    throw new UsageError(`${file} is no file`);
  return file;
}

async function explained(act: () => Promise<string>): Promise<string> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof ArchiveError)
      throw new ActFailed(`${error.message}; nothing was sent to its host`, { cause: error });
    if (error instanceof ChangeFailed)
      throw new ActFailed(`${error.message}\n  ${AFTERMATHS[error.aftermath]}`, { cause: error });
    throw error;
  }
}

const AFTERMATHS: Record<ChangeFailed["aftermath"], string> = {
  "as-before": "Nothing was restored: what was there before still runs",
  switched: "It may or may not be in force: look at the house before anything else",
  reverted: "Nothing was restored: what was there before is in its place again, and is well",
  unwell: "Nothing was restored: what was there before is in its place again, and is not well either",
  stopped: "Nothing was restored, and nothing runs",
  unconfirmed: "Nobody has confirmed it: the host takes it back by itself. Look again in some minutes",
};

async function restore(at: HouseSession, request: Request): Promise<string> {
  const { house, stack, transport } = at;
  if (transport.vantage.prefix !== "")
    throw new ActFailed("its host is a folder of this machine, where no agent runs");
  const content = decrypted(request.archive, request.identity);
  if (!isEncrypted(request.archive))
    throw new ArchiveError(`${request.archive} is no file that age has encrypted`);
  const archive = await readArchive(content);
  if (archive.house !== house.name && !request.foreign)
    throw new ArchiveError(
      `${request.archive} is of ${archive.house}: to make it the home of ${house.name} all the same, say --as`,
    );
  const stands = await standing(at);
  const what = `${archive.files} files of ${archive.house} from ${archive.time}`;
  if (!request.yes && stack !== DEFAULT_STACK)
    await ask(`put ${what} in the place of what ${house.name} has?`);
  const keepAs = `home.${new Date().toISOString().replace(/[-:]|\.\d+/g, "")}`;
  await at.session.change(planOf(at, archive, content, stands.leftovers, keepAs));
  return (
    `restored: ${what}, and it is well on them; what was there before is in ${displaced(house.path)}/${keepAs}` +
    (stands.givenUp
      ? `\n  its deadman switch had given it up: npm run deadman -- clear ${house.name}${stackOption(stack)}`
      : "")
  );
}

async function ask(question: string): Promise<void> {
  if (!onTerminal())
    throw new UsageError("nothing was changed: without a terminal to ask on, --yes must say it");
  if (!(await agreed(question))) throw new UsageError("nothing was changed");
}

/** Looks whether the house can be restored now. Throws an {@link ActFailed} that says why not. */
async function standing({
  house,
  session,
  stack,
}: HouseSession): Promise<{ leftovers: boolean; givenUp: boolean }> {
  const { name, path: place } = house;
  const [program, left] = [currentFile(place, UNPACK), restoringFolder(place)];
  const facts = await session.observe({
    ...noFacts,
    paths: [program],
    unopened: [current(place), left],
    folders: [pending(place)],
    texts: [drainedFlag(name), deadmanFlag(name)],
  });
  if (factOf(facts, current(place)).kind !== "link")
    throw new ActFailed(`there is no house on its host yet: npm run up${stackOption(stack)}, then restore`);
  if (factOf(facts, program).kind !== "file")
    throw new ActFailed(
      `its release is from before there were backups: npm run up${stackOption(stack)} first`,
    );
  if ((facts.folders.get(pending(place)) ?? []).length > 0)
    throw new ActFailed("something waits for its confirmation there; look again in some minutes");
  if (facts.texts.get(drainedFlag(name)) !== undefined)
    throw new ActFailed(`it is drained: npm run drain -- --undo ${name}${stackOption(stack)} first`);
  return {
    leftovers: factOf(facts, left).kind !== "absent",
    givenUp: facts.texts.get(deadmanFlag(name)) !== undefined,
  };
}

/** Pure but for its id. */
function planOf(
  { house, fleet, settings }: HouseSession,
  archive: Archive,
  input: AsyncIterable<Buffer>,
  leftovers: boolean,
  keepAs: string,
) {
  const { path: place, user } = house;
  const python = harnessPython(place);
  const links = Object.entries(renderHouse(fleet, house, settings.environment).links).map(
    ([link, target]): [string, string] => [
      link.slice("home/".length),
      throughCurrent(`${place}/${link}`, place, target),
    ],
  );
  return restorePlan({
    ...{ house: place, user, python, input, leftovers, keepAs },
    ...houseHealth({ house, fleet, settings }),
    id: randomBytes(8).toString("hex"),
    unpack: [
      ...[python, "-I", "-S", "-B", currentFile(place, UNPACK), staged(place)],
      ...links.map(([link]) => link),
    ],
    bytes: archive.bytes,
    seconds: MARGIN + Math.ceil(archive.bytes / SLOWEST),
    folders: [...new Set(links.flatMap(([link]) => foldersOf(link)))].sort(),
    links: Object.fromEntries(links),
    // What was paused for the backup of a drained house goes on, and its jobs are those of the release.
    merges: [drainCommands(place).end, mergeJobs(place).apply],
  });
}

/** `skins` of `skins/fleet.yaml`. */
const foldersOf = (link: string): string[] => {
  const parts = link.split("/").slice(0, -1);
  return parts.map((_, at) => parts.slice(0, at + 1).join("/"));
};
