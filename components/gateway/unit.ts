/** The text of a gateway's systemd unit. Pure. */

export interface GatewayUnit {
  /** Name of the house, for the description. */
  house: string;
  /** Absolute path of the house on its host. */
  path: string;
  /** The agent's account and group. */
  user: string;
  /** The harness's virtualenv on the host. */
  venv: string;
  /** Seconds the gateway may take to finish running work when it is stopped. */
  drainTimeout: number;
}

/** Files of the home that the harness would believe, covered by the release's. `prepare-home.sh` gets the same list. */
const MOUNTED = [".env", "config.yaml"];

/**
 * Renders the unit. Throws an `Error` where a path or the user holds a character that means something to systemd
 * (white space, quotes, `%`, `:` and the like), or where the house lies in a folder the sandbox hides.
 *
 * Deliberately left out of the sandbox: `MemoryDenyWriteExecute` (agents run tools with just-in-time compilers) and
 * `ProcSubset=pid` (Python tools read /proc/meminfo).
 */
export function gatewayUnit(unit: GatewayUnit): string {
  const { house, path, user, venv } = unit;
  refuseUnfit(unit);
  const home = `${path}/home`;
  const current = `${path}/current`;
  return `[Unit]
Description=Hermes agent gateway of wizard house ${house}
After=network-online.target
Wants=network-online.target
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
Environment=PATH=${venv}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
Environment=VIRTUAL_ENV=${venv}
Environment=HERMES_HOME=${home}
Environment=HERMES_MANAGED_DIR=${current}
# Outside the sandbox, but not as root: setpriv drops to the house's user before anything in its home is touched.
ExecStartPre=+/usr/bin/setpriv --reuid=${user} --regid=${user} --clear-groups --no-new-privs --reset-env /bin/sh ${current}/gateway/prepare-home.sh ${home} ${MOUNTED.join(" ")}
# Inside the sandbox: what the agent reads under its own names is the release's, or the gateway does not start.
${MOUNTED.map((file) => `ExecStartPre=/usr/bin/test ! -L ${home}/${file} -a ${home}/${file} -ef ${current}/${file}`).join("\n")}
ExecStart=${venv}/bin/python -m hermes_cli.main gateway run
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
TimeoutStopSec=${Math.max(60, unit.drainTimeout + 30)}
StandardOutput=journal
StandardError=journal
UMask=0077

# The agent's .env is loaded before the managed scope is looked up and could point it elsewhere, and the gateway reads
# its fallback chain from the agent's config.yaml without the managed scope. So the release's files lie over both,
# read-only. Everything but the home is read-only too.
${MOUNTED.map((file) => `BindReadOnlyPaths=${current}/${file}:${home}/${file}`).join("\n")}
ReadWritePaths=${home}
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectProc=invisible
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
LockPersonality=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
`;
}

const PLAIN_PATH = /^(\/(?!\.{1,2}(\/|$))[A-Za-z0-9._+-]+)+$/;
const PLAIN_NAME = /^[a-z_][a-z0-9_-]*$/;
/** Hidden by `ProtectHome`, made private by `PrivateTmp`, or gone after a reboot. */
const HIDDEN = /^\/(home|root|run|tmp|var\/tmp|dev|proc|sys)(\/|$)/;

function refuseUnfit({ house, path, user, venv, drainTimeout }: GatewayUnit): void {
  const problems = [
    ...[["path", path] as const, ["venv", venv] as const].flatMap(([what, value]) => [
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
