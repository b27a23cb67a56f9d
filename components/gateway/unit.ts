/** The texts of a house's systemd units: the gateway's, and the one that prepares its home. Pure. */
import type { SandboxSettings } from "../../fleet/model.ts";
import { drainedFlag } from "../drain/command-lines.ts";
import { sandboxLines } from "./sandbox.ts";
import { stopTimeout } from "./stopping.ts";

export interface GatewayUnit {
  /** Name of the house, for names and descriptions. */
  house: string;
  /** Absolute path of the house on its host. */
  path: string;
  /** The agent's account and group. */
  user: string;
  /** The harness's virtualenv on the host, which `current/harness` leads to. */
  venv: string;
  /** Seconds the gateway may take to finish running work when it is stopped. */
  drainTimeout: number;
  sandbox: SandboxSettings;
}

/**
 * Files of the home that the harness would believe, covered by the release's. The agent's .env is loaded before the
 * managed scope is looked up and could point it elsewhere, and the gateway reads its fallback chain from the agent's
 * config.yaml without the managed scope.
 */
const MOUNTED = [".env", "config.yaml"];

/** The gateway's unit. Its name is not `hermes.service`, which the harness's installer takes for its own old unit and removes. */
export const gatewayUnitName = (house: string): string => `hermes-${house}.service`;

/** The unit that prepares the home. No house's gateway has a name like it. */
export const homeUnitName = (house: string): string => `wizard-home-${house}.service`;

/**
 * Renders the gateway's unit. Throws an `Error` where a path or the user holds a character that means something to
 * systemd (white space, quotes, `%`, `:` and the like), or where the house lies in a folder the sandbox hides.
 */
export function gatewayUnit(unit: GatewayUnit): string {
  const { house, path, user } = unit;
  refuseUnfit(unit);
  const home = `${path}/home`;
  const current = `${path}/current`;
  return `[Unit]
Description=Hermes agent gateway of wizard house ${house}
After=network-online.target
Wants=network-online.target
# It runs before every start, also those by Restart=, or there is no start.
Requires=${homeUnitName(house)}
After=${homeUnitName(house)}
# A house that was drained stays so over a reboot.
ConditionPathExists=!${drainedFlag(house)}
# Restarts are never given up here: counting them and calling a human is the deadman switch's work.
StartLimitIntervalSec=0

[Service]
Type=simple
User=${user}
Group=${user}
WorkingDirectory=${home}
Environment=HOME=${home}
Environment=USER=${user}
Environment=LOGNAME=${user}
Environment=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
Environment=HERMES_HOME=${home}
Environment=HERMES_MANAGED_DIR=${current}
# The harness would answer its sixth start in two minutes by sleeping through the next: a sound release, or the way back
# to one, would look dead. RestartSec= is brake enough.
Environment=HERMES_GATEWAY_MAX_STARTS=0
# What the agent reads under its own names is the release's, or the gateway does not start.
${MOUNTED.map((file) => `ExecStartPre=/usr/bin/test ! -L ${home}/${file} -a ${home}/${file} -ef ${current}/${file}`).join("\n")}
ExecStart=/bin/sh ${current}/gateway/start-gateway.sh ${current}
ExecReload=/bin/kill -USR1 $MAINPID
Restart=always
RestartSec=5
# The harness's own codes: 75 asks for a restart, 78 is a configuration no restart can mend. It answers a plain
# SIGTERM with 1, which must not make every stop a failure.
RestartForceExitStatus=75
RestartPreventExitStatus=78
SuccessExitStatus=1 75
KillMode=mixed
KillSignal=SIGTERM
# What the harness asks for. A job that outlasts it is killed; without running work a stop takes a second or two.
TimeoutStopSec=${stopTimeout(unit.drainTimeout)}
StandardOutput=journal
StandardError=journal
UMask=0077

# The release's files over those of the home that could lead past the managed scope.
${MOUNTED.map((file) => `BindReadOnlyPaths=${current}/${file}:${home}/${file}`).join("\n")}
${sandboxLines(home, unit.sandbox).join("\n")}

[Install]
WantedBy=multi-user.target
`;
}

/**
 * Renders the unit that makes sure that the mount points are plain files: systemd, which mounts as root, follows a link
 * in their place and makes an empty file wherever it leads. It cannot be an `ExecStartPre` of the gateway: each of those,
 * `+` or not, runs with the mounts already made.
 */
export function homeUnit(unit: GatewayUnit): string {
  const { house, path, user } = unit;
  refuseUnfit(unit);
  const home = `${path}/home`;
  return `[Unit]
Description=Home of wizard house ${house}, made ready for its gateway
# As often as the gateway is started.
StartLimitIntervalSec=0

[Service]
Type=oneshot
User=${user}
Group=${user}
ExecStart=/bin/sh ${path}/current/gateway/prepare-home.sh ${home} ${MOUNTED.join(" ")}
TimeoutStartSec=30
UMask=0077
${sandboxLines(home, { write: [], allow: [] }).join("\n")}
`;
}

const PLAIN_PATH = /^(\/(?!\.{1,2}(\/|$))[A-Za-z0-9._+-]+)+$/;
const PLAIN_NAME = /^[a-z_][a-z0-9_-]*$/;
/** Hidden by `ProtectHome`, made private by `PrivateTmp`, or gone after a reboot. */
const HIDDEN = /^\/(home|root|run|tmp|var\/tmp|dev|proc|sys)(\/|$)/;

function refuseUnfit({ house, path, user, venv, drainTimeout, sandbox }: GatewayUnit): void {
  const paths = [["path", path], ["venv", venv], ...sandbox.write.map((folder) => ["sandbox.write", folder])];
  const problems = [
    ...paths.flatMap(([what, value = ""]) => [
      ...(PLAIN_PATH.test(value)
        ? []
        : [`${what} ${JSON.stringify(value)} is not an absolute path of letters, digits and . _ + -`]),
      ...(HIDDEN.test(value)
        ? [`${what} ${JSON.stringify(value)} lies where the unit's sandbox hides it; use /srv or /opt`]
        : []),
    ]),
    ...(PLAIN_NAME.test(house)
      ? []
      : [`name ${JSON.stringify(house)} is not lower-case letters, digits, - and _`]),
    ...(PLAIN_NAME.test(user)
      ? []
      : [`user ${JSON.stringify(user)} is not lower-case letters, digits, - and _`]),
    ...(Number.isInteger(drainTimeout) && drainTimeout >= 0
      ? []
      : [`drain timeout ${drainTimeout} is not a whole number of seconds from 0`]),
  ];
  if (problems.length === 0) return;
  throw new Error(`The unit of house ${JSON.stringify(house)} cannot be written: ${problems.join("; ")}.`);
}
