/**
 * Retiring a house whose host can be reached: it is drained, its last backup is here, and then it is taken down. The other
 * houses are neither looked at nor changed.
 */
import { DEFAULT_STACK, stackOption } from "./arguments.ts";
import { prune } from "./backup/folder.ts";
import { fetchBackup, makeBackup } from "./backup/host.ts";
import { belongings, housesIn, released, type Deployment } from "./deployment.ts";
import { drainedSince } from "./drain.ts";
import { ActFailed, actOnHouses, type Act } from "./house-session.ts";
import { operate } from "./operation.ts";
import { asGiven } from "./options.ts";
import { say, type Session } from "./session.ts";
import { exportState, importState, keepCopy } from "./stack-state.ts";

export interface Retiring {
  houses: readonly string[];
  /** Folder for the last backups; undefined without any. */
  to: string | undefined;
}

/** Whether each of the houses is drained, with a last backup of it here. Says what is missing. */
export async function prepared({ stack }: Session, { houses, to }: Retiring): Promise<boolean> {
  const code = await actOnHouses(["-s", stack, ...houses], (names) => ({
    names,
    act: preparing(stack, to),
  }));
  return code === 0;
}

/** Looks whether all that can be known beforehand is in order before it changes anything. */
export const preparing =
  (stack: string, to: string | undefined): Act =>
  async (at) => {
    const { house, transport } = at;
    if (transport.vantage.prefix !== "")
      throw new ActFailed(
        `its host is a folder of this machine: take it out of wizards/, and npm run up takes it down`,
      );
    if (to !== undefined && house.backup === undefined)
      throw new ActFailed(
        `it declares no backup, so none goes to ${to}; nothing was changed. Either say whom one is encrypted to ` +
          `(backup: in wizards/fleet.yaml or wizards/${house.name}/house.yaml) and npm run up${stackOption(stack)} ` +
          "before it is drained, or say --no-backup in the place of --to",
      );
    const since = await drainedSince(at);
    const drain = `npm run drain -- ${house.name}${stackOption(stack)}`;
    if (since === undefined) throw new ActFailed(`it is not drained; nothing was changed. First: ${drain}`);
    if (to === undefined || house.backup === undefined) return `drained since ${since}; no backup is taken`;
    const folder = asGiven(to);
    const { name } = await makeBackup(at);
    const file = await fetchBackup(at, name, folder);
    prune(folder, house.name, house.backup.keep, name);
    return `drained since ${since}; its last backup is ${file}`;
  };

/** Takes the houses down, with what the houses of their hosts share where they were the last there. Returns the exit code. */
export async function takeDown(session: Session, names: readonly string[]): Promise<number> {
  const { call, stack } = session;
  const text = await exportState(call);
  if (text === undefined) return 1;
  const state = JSON.parse(text) as Deployment;
  const there = housesIn(state).map(({ name }) => name);
  const missing = names.filter((name) => !there.includes(name));
  if (missing.length > 0) {
    say(`${missing.join(", ")}: not in the state of ${stack}; nothing was taken down`);
    return 1;
  }
  const gone = belongings(state, names).map(({ urn }) => urn);
  // The engine takes nothing down that another house waits for, and that one is to stay.
  const copy = keepCopy(stack, text, process.env);
  if (!(await importState(call, released(state, new Set(gone))))) return 1;
  const targets = gone.flatMap((urn) => ["--target", urn]);
  const code = await operate({ ...session, rest: [...targets, "--yes"] }, "destroy");
  if (code !== 0) {
    say(`the state as it was before: ${copy}`);
    return code;
  }
  process.stdout.write(
    `${names.join(", ")}: taken down. Now take ${names.length === 1 ? "its" : "their"} line under \`houses\` out of ` +
      `wizards/fleet.yaml and remove ${names.map((name) => `wizards/${name}`).join(", ")}: the next ` +
      `${stack === DEFAULT_STACK ? "up" : `up of ${stack}`} would make ${names.length === 1 ? "it" : "them"} again\n`,
  );
  return 0;
}
