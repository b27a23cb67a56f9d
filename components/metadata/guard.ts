/** What keeps the cloud's metadata service, where user data stays readable, from everybody but root. Pure. */

/** Answers on every droplet, and on no network of anybody's. */
const METADATA = "169.254.169.254";

export const RULES_FILE = "/etc/wizard-houses/metadata.nft";
export const GUARD_UNIT = "wizard-metadata.service";

/** To the letter as nft lists it while it is in force. */
const TABLE = `table inet wizard_metadata {
\tchain output {
\t\ttype filter hook output priority filter; policy accept;
\t\tip daddr ${METADATA} meta skuid != 0 reject with icmp port-unreachable
\t}
}`;

/** For `nft -f`: loaded a second time it is the same. */
export const RULES = `# Only root may ask the metadata service: a droplet's user data stays readable there.
table inet wizard_metadata
delete table inet wizard_metadata
${TABLE}
`;

/** Succeeds while the kernel has the rule, and nothing in its table beside it. */
export const IN_FORCE = [
  ...["/bin/sh", "-c", 'test "$(/usr/sbin/nft list table inet wizard_metadata)" = "$1"', "sh", TABLE],
];

/** Before the network and whatever runs for an agent, at every boot. It may change the packet filter and nothing else. */
export const guardUnit = (): string => `[Unit]
Description=Keeps the metadata service of the cloud from all but root
DefaultDependencies=no
After=local-fs.target
Before=network-pre.target network.target cron.service shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f ${RULES_FILE}
User=root
CapabilityBoundingSet=CAP_NET_ADMIN
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_NETLINK AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service

[Install]
WantedBy=multi-user.target
`;
