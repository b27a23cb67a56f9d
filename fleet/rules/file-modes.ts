/** Rule `file-modes`: root owns what an agent runs on, others see none of it, and nothing is writable by everybody. */
import type { Finding } from "./finding.ts";
import type { PolicySettings } from "./settings.ts";

/** Ownership as a resource states it, defaults filled in. */
export interface Ownership {
  mode: string;
  owner: string;
  group: string;
}

/** Where systemd looks for credentials of units: secrets, and so root's alone. */
export const CREDENTIALS = "/etc/credstore/";
const MODE = /^[0-7]{3,4}$/;
const OTHERS = 0o007;
const OTHERS_WRITE = 0o002;
const GROUP_WRITE = 0o020;
const GROUP_READ = 0o040;
const SPECIAL = 0o7000;

/** A file of a release: root's, readable by its house at the most, writable by nobody else. */
export function releaseFileFindings(file: Ownership, houseGroup: string): Finding[] {
  return [
    ...modeFindings(file.mode, OTHERS | GROUP_WRITE | SPECIAL, "0640, 0600 or 0700: no rights for others"),
    ...(file.owner === "root"
      ? []
      : [owned("owner", file.owner, "root, so that the agent cannot change it")]),
    ...([houseGroup, "root"].includes(file.group) ? [] : [owned("group", file.group, `${houseGroup}, root`)]),
  ];
}

/** A folder of a house. Only `home`, what is in it, and `log` may belong to the agent. */
export function directoryFindings(path: string, folder: Ownership, houseUser: string): Finding[] {
  const agents = /^(home|log)(\/|$)/.test(path);
  const owners = agents ? [houseUser, "root"] : ["root"];
  return [
    ...modeFindings(folder.mode, OTHERS | GROUP_WRITE | SPECIAL, "0750 or 0700: no rights for others"),
    ...(owners.includes(folder.owner) ? [] : [owned("owner", folder.owner, owners.join(", "))]),
    ...([houseUser, "root"].includes(folder.group)
      ? []
      : [owned("group", folder.group, `${houseUser}, root`)]),
  ];
}

/** A file outside houses: nobody else writes to it, and others read it only where the settings say so. */
export function hostFileFindings(
  path: string,
  file: Ownership,
  settings: PolicySettings["file-modes"],
): Finding[] {
  const open =
    !path.startsWith(CREDENTIALS) && settings.worldReadable.some((folder) => path.startsWith(folder));
  const group = path.startsWith(CREDENTIALS) ? GROUP_READ | GROUP_WRITE : GROUP_WRITE;
  const refused = (open ? OTHERS_WRITE : OTHERS) | group | SPECIAL;
  const allowed = open
    ? "no right to write for group and others, no setuid, setgid or sticky bit"
    : "no rights for others, no right to write for the group";
  return [
    ...modeFindings(file.mode, refused, allowed),
    ...(file.owner === "root" ? [] : [owned("owner", file.owner, "root")]),
  ];
}

function modeFindings(mode: string, refused: number, allowed: string): Finding[] {
  if (MODE.test(mode) && (parseInt(mode, 8) & refused) === 0) return [];
  const worldWritable = MODE.test(mode) && (parseInt(mode, 8) & OTHERS_WRITE) !== 0;
  const message = worldWritable ? "is writable by everybody" : "gives rights it should not";
  return [{ path: ["mode"], message, got: mode, allowed }];
}

function owned(what: string, got: string, allowed: string): Finding {
  return { path: [what], message: "is not whose it should be", got, allowed };
}
