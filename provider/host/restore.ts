/**
 * Another content for the home of a house, as a plan: unpacked beside it, put in its place in one step, and confirmed like
 * a release, over a new connection, or taken back by the host. Pure.
 *
 *     <house>/.restoring/home    what is unpacked; from the exchange on, what was there before
 *     <house>/pending/           from `arm` to `confirmed`: the way back, as a release has it (see revert.ts), and in
 *                                `was` which folder was the home
 *     <house>/displaced/…        what was there before, once it is confirmed
 */
import { shellQuote } from "../../fleet/shell.ts";
import { displaced, lockFile, pending } from "../resources/release/layout.ts";
import { deadlineFor } from "./deadline.ts";
import { REVERTED, revertTimer, UNWELL } from "./revert.ts";
import { shellText } from "./shell.ts";
import { stepFunctions, stepLine, type HealthStep, type Plan, type Step } from "./steps.ts";

export interface Restore {
  /** Absolute path of the house. */
  house: string;
  /** The agent's account and group. */
  user: string;
  /** 16 hex digits that are this restore's own. */
  id: string;
  /** Root's own Python. */
  python: string;
  /** Unpacks standard input into the folder that {@link staged} names. */
  unpack: string[];
  /** Bytes of the unpacked archive, and the archive. */
  bytes: number;
  input: AsyncIterable<Buffer>;
  /** Seconds that unpacking may take. */
  seconds: number;
  /** Folders and links of the release in the home, by path in it; folders with those they are in before them. */
  folders: string[];
  links: Record<string, string>;
  /** Programs that bring what is declared into the home, run as the account. */
  merges: string[][];
  /** When the house is well, and the seconds that its unit may take to stop. */
  health: HealthStep;
  stopSeconds: number;
  /** Seconds until the host takes it back by itself. */
  revertAfter: number;
  /** Whether an earlier restore has left something. */
  leftovers: boolean;
  /** Name under which what was there before is kept. */
  keepAs: string;
}

/** Where what is to become the home is unpacked. */
export const restoringFolder = (house: string): string => `${house}/.restoring`;
export const staged = (house: string): string => `${restoringFolder(house)}/home`;

const VANTAGE = { prefix: "", owners: true };

function swapping({ house, python }: Restore) {
  return { house, path: `${house}/home`, with: staged(house), python };
}

/** Text of `<house>/pending/revert.sh`. */
function revertText(restore: Restore): string {
  const { house, id, health } = restore;
  const at = shellQuote(house);
  const stop: Step = { do: "stop-unit", unit: health.unit };
  const back: Step[] = [
    { do: "exchange-back", ...swapping(restore) },
    { do: "remove-tree", path: restoringFolder(house) },
  ];
  const told = (code: number, words: string): string => `told ${at} ${code} ${shellQuote(words)}`;
  return [
    "#!/bin/sh",
    `# Gives ${house} back what was there before a restore that nobody has confirmed. Written before anything was changed.`,
    "PATH=/usr/sbin:/usr/bin:/sbin:/bin; export PATH",
    ...stepFunctions([stop, ...back, health], VANTAGE, ["units", "health", "arm"]),
    `timer=${shellQuote(revertTimer(house))} kind=restore`,
    shellText("revert"),
    `begin ${at} ${id} "\${1:-}"`,
    // At boot it has not been started yet, and stopping it would take back that it is to be.
    `if [ "$1" != boot ]; then ${stepLine(stop, VANTAGE)}; fi`,
    ...back.map((step) => stepLine(step, VANTAGE)),
    `if [ "$1" = boot ]; then ${told(0, "what was there before the restore is in its place again")}; fi`,
    `if (start_again ${shellQuote(health.unit)} && ${stepLine(health, VANTAGE)}); then`,
    `  ${told(REVERTED, "what was there before the restore is in its place again, and is well")}`,
    "fi",
    told(
      UNWELL,
      `what was there before the restore is in its place again, but ${health.unit} is not well on it either`,
    ),
    "",
  ].join("\n");
}

export function restorePlan(restore: Restore): Plan {
  const { house, user, id, health, revertAfter } = restore;
  const [next, timer] = [`${pending(house)}.new`, revertTimer(house)];
  const root = { owner: "root", group: "root" };
  const own = { mode: "0700", owner: user, group: user };
  const inStaged = (path: string): string => `${staged(house)}/${path}`;
  return {
    lock: lockFile(house),
    deadline: restore.seconds + deadlineFor([health], () => restore.stopSeconds),
    steps: [
      ...(restore.leftovers
        ? [
            {
              ...({ do: "displace", path: restoringFolder(house), keep: displaced(house) } as const),
              name: "restore.unfinished",
            },
          ]
        : []),
      { do: "folder", path: restoringFolder(house), mode: "0750", owner: "root", group: user },
      { do: "folder", path: staged(house), ...own },
      {
        ...({ do: "unpack", folder: staged(house), argv: restore.unpack, as: user } as const),
        ...{ bytes: restore.bytes, input: restore.input, seconds: restore.seconds },
      },
      ...restore.folders.map((path): Step => ({ do: "folder", path: inStaged(path), ...own, as: user })),
      ...Object.entries(restore.links).map(([path, target]): Step => {
        return { do: "link", path: inStaged(path), target, as: user };
      }),
      { do: "remove-tree", path: next },
      { do: "folder", path: next, mode: "0700", ...root },
      { do: "file", path: `${next}/revert.sh`, mode: "0600", ...root, content: revertText(restore) },
      { do: "file", path: `${next}/restore-${id}`, mode: "0600", ...root, content: "" },
      { do: "commit" },
      { do: "rename", path: next, to: pending(house) },
      { do: "arm", house, timer, seconds: revertAfter },
      { do: "stop-unit", unit: health.unit },
      { do: "exchange", ...swapping(restore) },
      { do: "start-over", unit: health.unit },
      { do: "watch-for", house, seconds: revertAfter },
    ],
    confirm: [
      { do: "unconfirmed", house, release: id, kind: "restore" },
      health,
      ...restore.merges.map((argv): Step => ({ do: "merge", argv, as: user })),
      { do: "confirmed", house, timer },
      { do: "displace", path: staged(house), keep: displaced(house), name: restore.keepAs },
      { do: "remove-if-empty", path: restoringFolder(house) },
    ],
  };
}
