/**
 * The way back of a house, as a script that lies on its host while a release waits for its confirmation.
 *
 * It is made before the switch, when everything about the state before is known, and needs nothing of either release:
 * a timer on the host runs it when nobody confirms in time, a unit when the host boots, a script of ours when it fails.
 */
import { shellQuote } from "../../fleet/shell.ts";
import { shellText } from "./shell.ts";
import { stepFunctions, stepLine, type HealthStep, type Step } from "./steps.ts";

export interface Revert {
  /** Absolute path of the house. */
  house: string;
  /** The link that says which release is in force. */
  current: string;
  /** The release that is about to be switched to. */
  release: string;
  /** The one before, if there is one. */
  previous: string | undefined;
  /** What makes links and folders as they were. */
  undo: Step[];
  /** Units to stop first, because only the new release has them. */
  stops: string[];
  /** Units to start anew afterwards. */
  restarts: string[];
  /** When the release before counts as well. */
  health: HealthStep;
  /** What is tried when it does; a failure of it is no failure of the revert. */
  merge: Step[];
}

/** Exit codes of the script, and of every script that has run it. */
export const REVERTED = 80;
export const UNWELL = 81;
export const STOPPED = 82;
/** Exit code of a confirmation that comes too late. */
export const TOO_LATE = 84;
/** Exit code of a switch that was not begun because there is no timer. */
export const UNARMED = 86;

/** On a live host. */
const VANTAGE = { prefix: "", owners: true };

/** Text of `<house>/pending/revert.sh`. */
export function revertScript(revert: Revert): string {
  const { house, current, release, previous, undo, stops, restarts, health, merge } = revert;
  const [at, from] = [shellQuote(house), shellQuote(release)];
  const lines = (steps: Step[]): string[] => steps.map((step) => stepLine(step, VANTAGE));
  const stopAll = lines([...new Set([...stops, health.unit])].map((unit) => ({ do: "stop-unit", unit })));
  const told = (code: number, words: string): string => `told ${at} ${code} ${shellQuote(words)}`;
  const nothing = [
    ...stopAll,
    ...lines(undo),
    "reload_units",
    told(
      STOPPED,
      `release ${release} is taken back; there was none before it, and ${health.unit} is stopped`,
    ),
  ];
  const back = [
    `if is_revoked ${at} ${shellQuote(previous ?? "")}; then`,
    ...[...stopAll, ...lines([{ do: "remove", path: current }])].map((line) => `  ${line}`),
    `  ${told(STOPPED, `the release before, ${previous}, has been revoked, and ${health.unit} is stopped`)}`,
    "fi",
    ...lines(stops.map((unit) => ({ do: "stop-unit", unit }))),
    ...lines(undo),
    "reload_units",
    `if [ "$1" = boot ]; then ${told(0, `release ${previous} is in force again`)}; fi`,
    `if (${[...restarts.map((unit) => `start_again ${shellQuote(unit)}`), ...lines([health])].join(" && ")}); then`,
    ...lines(merge).map((line) => `  (${line}) || :`),
    `  ${told(REVERTED, `release ${previous} runs again and is well`)}`,
    "fi",
    told(UNWELL, `release ${previous} is in force again, but ${health.unit} is not well on it either`),
  ];
  return [
    "#!/bin/sh",
    `# Takes ${house} back from release ${release}, which nobody has confirmed. Written by the provider before the switch.`,
    "PATH=/usr/sbin:/usr/bin:/sbin:/bin; export PATH",
    ...stepFunctions([...undo, health, ...merge], VANTAGE, ["units", "health", "arm"]),
    `timer=${shellQuote(revertTimer(house))}`,
    shellText("revert"),
    `begin ${at} ${from} "\${1:-}"`,
    `reject ${at} ${from} "$1"`,
    ...(previous === undefined ? nothing : back),
    "",
  ].join("\n");
}

/** `/srv/wizards/bezalel` as a part of a unit's name, the way systemd escapes paths. */
const escaped = (house: string): string => house.slice(1).replaceAll("-", "\\x2d").replaceAll("/", "-");

/** The transient timer that reverts a house, without its suffix. */
export const revertTimer = (house: string): string => `wizard-revert-${escaped(house)}`;

const BOOT = "wizard-revert-boot-";

/** The unit that reverts a house at boot, before its gateway starts. */
export const revertUnitName = (house: string): string => `${BOOT}${escaped(house)}.service`;

export const isRevertUnit = (name: string): boolean => name.startsWith(BOOT);

/** @param units those of the house, which start only afterwards */
export const revertUnit = (house: string, units: string[]): string => `[Unit]
Description=Revert of ${house} to the release before, if the host went down before the new one was confirmed
ConditionPathExists=${house}/pending/revert.sh
RequiresMountsFor=${house}
Before=${units.join(" ")}

[Service]
Type=oneshot
ExecStart=/bin/sh ${house}/pending/revert.sh boot
TimeoutStartSec=120

[Install]
WantedBy=multi-user.target
`;
