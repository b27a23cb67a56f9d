/** Backups on a house's host: those that are there, another one, and how one comes to this machine. */
import { BACKUP_CONF, BACKUP_SCRIPT, backupFolder } from "../../components/backup/conf.ts";
import { hideKnownSecrets } from "../../fleet/redact.ts";
import { shellQuote } from "../../fleet/shell.ts";
import { noFacts, printable } from "../../provider/host/facts.ts";
import { backupTime, oldestFirst } from "../../provider/resources/release/backups.ts";
import { current } from "../../provider/resources/release/layout.ts";
import { ActFailed, type HouseSession } from "../house-session.ts";
import { incoming } from "./folder.ts";

/** What age and the manifest add to the home itself: far less than this share of it, and a little. */
const OVERHEAD = 1.5;
const SLACK = 64 * 1024 * 1024;
/** Seconds beyond a backup's own time until its making is given up, and bytes a second that a transfer makes at least. */
const MARGIN = 60;
const SLOWEST = 100_000;

type At = Pick<HouseSession, "house" | "session" | "transport" | "signal">;

/** Names of the backups on the host, the oldest first; what is dated in the future counts as that. */
export async function backupsOf({ house, session }: At): Promise<string[]> {
  const folder = backupFolder(house.name);
  const { folders } = await session.observe({ ...noFacts, folders: [folder] });
  const names = (folders.get(folder) ?? []).map(({ name }) => name);
  return oldestFirst(names, Date.now() / 1000);
}

/** Makes another one. Returns its name, and what was said of it. */
export async function makeBackup({ house, transport, signal }: At): Promise<{ name: string; said: string }> {
  const { backup, path, name } = house;
  if (backup === undefined) throw new ActFailed("declares no backup: see backup: in wizards/fleet.yaml");
  if (transport.vantage.prefix !== "")
    throw new ActFailed("its host is a folder of this machine, where nothing makes backups");
  const [script, conf] = [BACKUP_SCRIPT, BACKUP_CONF].map((file) => `${current(path)}/${file}`);
  const { code, stdout, stderr } = await transport.run({
    script: `if [ ! -f ${shellQuote(script!)} ]; then echo 'its release has no backup yet: npm run up' >&2; exit 1; fi
/bin/sh ${shellQuote(script!)} make ${shellQuote(conf!)} </dev/null`,
    // Another one may be at work first.
    deadline: 2 * backup.timeout + MARGIN,
    signal,
  });
  const said = hideKnownSecrets(printable(stderr.trim().split("\n").at(-1) ?? "", 600));
  const made = stdout.toString("utf8").trim();
  const folder = `${backupFolder(name)}/`;
  const file = made.startsWith(folder) ? made.slice(folder.length) : "";
  if (code !== 0) throw new ActFailed(`no backup was made: ${said || `the script ended with code ${code}`}`);
  if (backupTime(file) === undefined) throw new ActFailed(`the host does not say which backup it made`);
  return { name: file, said };
}

/** Copies one to `<folder>/<house>/`, whole or not at all. Returns the file. */
export async function fetchBackup(
  { house, transport, signal }: At,
  name: string,
  folder: string,
): Promise<string> {
  const most = Math.ceil((house.backup?.maxSize ?? 0) * OVERHEAD) + SLACK;
  const source = shellQuote(`${backupFolder(house.name)}/${name}`);
  // It never changes once it has its name.
  const first = await transport.run({
    script: `stat -c %s -- ${source} && sha256sum -- ${source}`,
    deadline: MARGIN + most / (100 * SLOWEST),
    signal,
  });
  const facts = /^(\d{1,15})\n\\?([0-9a-f]{64}) /.exec(first.stdout.toString("utf8"));
  if (first.code !== 0 || facts === null)
    throw new ActFailed(`${name} cannot be read on the host: ${printable(first.stderr.trim(), 300)}`);
  const size = Number(facts[1]);
  if (size > most) throw new ActFailed(`${name} has ${size} bytes, more than a backup of the house may have`);
  const copy = incoming(folder, house.name, name);
  try {
    const { code, stderr } = await transport.run({
      script: `exec head -c ${size} -- ${source}`,
      output: { most: size, take: (bytes) => copy.take(bytes) },
      deadline: MARGIN + size / SLOWEST,
      signal,
    });
    if (code !== 0)
      throw new ActFailed(`${name} was not sent: ${printable(stderr.trim(), 300) || `code ${code}`}`);
    const file = copy.finish(facts[2]!);
    if (file === undefined)
      throw new ActFailed(`${name} did not come as it is on the host; nothing was kept`);
    return file;
  } finally {
    copy.abandon();
  }
}
