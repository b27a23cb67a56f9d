/** Texts of the systemd units of the deploy hook. Pure. */
import { cloneUrl, HOOK_LISTEN, statusUrl } from "../../fleet/deploy-hook.ts";
import type { DeployHookSettings } from "../../fleet/model.ts";
import { CERTIFICATE } from "./caddyfile.ts";

/** Where the scripts are on the control house. */
export const SCRIPTS = "/usr/local/lib/wizard-deploy";
/** Where the configuration is. What stands there and is not delivered by us is the operator's own. */
export const CONFIGURATION = "/etc/wizard-deploy";
/** Where systemd looks for credentials. */
export const CREDENTIALS = "/etc/credstore";
/** Credential that is the hooks file. */
export const HOOKS_CREDENTIAL = "deploy-hooks.json";

/** Accounts, each with a home below /var/lib that its unit's StateDirectory= makes. */
export const ACCOUNTS = ["deploy-hook", "deploy-forge", "deploy-build", "deploy-converge"] as const;
type Account = (typeof ACCOUNTS)[number];

const SANDBOX = [
  "NoNewPrivileges=yes",
  "ProtectSystem=strict",
  "ProtectHome=yes",
  "ProtectProc=invisible",
  "PrivateTmp=yes",
  "PrivateDevices=yes",
  "ProtectClock=yes",
  "ProtectControlGroups=yes",
  "ProtectHostname=yes",
  "ProtectKernelLogs=yes",
  "ProtectKernelModules=yes",
  "ProtectKernelTunables=yes",
  "RestrictRealtime=yes",
  "RestrictSUIDSGID=yes",
  "RestrictNamespaces=yes",
  "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
  "LockPersonality=yes",
  "KeyringMode=private",
  "RemoveIPC=yes",
  "SystemCallArchitectures=native",
  "SystemCallFilter=@system-service",
  "SystemCallErrorNumber=EPERM",
];

/** Directives of a unit's section; a list gives as many lines. */
type Section = Readonly<Record<string, string | number | readonly string[]>>;

function unit(head: Section, service: Section, tail: readonly string[] = []): string {
  const lines = (section: Section): string[] =>
    Object.entries(section).flatMap(([name, value]) =>
      (Array.isArray(value) ? value : [value]).map((one) => `${name}=${String(one)}`),
    );
  const capabilities =
    "CapabilityBoundingSet" in service ? [] : ["CapabilityBoundingSet=", "AmbientCapabilities="];
  const sections = [["[Unit]", ...lines(head)]];
  sections.push(["[Service]", ...lines(service), ...SANDBOX, ...capabilities]);
  return [...sections.map((section) => `${section.join("\n")}\n`), ...tail].join("\n");
}

/** A step of a run: one program that ends. */
function step(account: Account, description: string, head: Section, service: Section): string {
  return unit(
    {
      Description: description,
      // Whoever is allowed to wake a run is brake enough, and a run that is refused here would be lost.
      StartLimitIntervalSec: 0,
      ...head,
    },
    {
      Type: "oneshot",
      User: account,
      Group: account,
      SyslogIdentifier: account,
      RuntimeDirectory: account,
      RuntimeDirectoryMode: "0755",
      RuntimeDirectoryPreserve: "yes",
      StateDirectory: account,
      StateDirectoryMode: "0750",
      KillMode: "mixed",
      ...service,
    },
  );
}

/** A step that comes when another has succeeded. What has been fetched stands in the file; without it there is nothing to do. */
const behind = (unit: string): Section => ({
  Requires: unit,
  After: unit,
  ConditionPathExists: "/run/deploy-forge/target",
});

/** Where the control house's own rules are, which no merge can change. */
export const ALLOWED_SIGNERS = `${CONFIGURATION}/allowed_signers`;
export const MINIMUM = `${CONFIGURATION}/banned.yaml`;
/** What was brought up last. */
const DEPLOYED = "/var/lib/deploy-converge/deployed";
const QUEUE = "/var/lib/deploy-hook/queue";

export interface UnitText {
  content: string;
  /** Whether a target or something else starts it. */
  startedBy: "a target" | "something else";
}

/** The units by name, in the order in which they can be made. */
export function deployUnits(hook: DeployHookSettings): Record<string, UnitText> {
  const { forge, node } = hook;
  const [address, port] = HOOK_LISTEN.split(":") as [string, string];
  const given = typeof hook.tls === "object" ? hook.tls : undefined;
  const environment = (values: Record<string, string>) =>
    Object.entries(values).map(([name, value]) => `${name}=${value.replaceAll("%", "%%")}`);
  const target = ["[Install]\nWantedBy=multi-user.target\n"];

  const listener = unit(
    {
      Description: "Deploy hook: hears the forge",
      After: "network-online.target",
      Wants: "network-online.target",
      // A hooks file that cannot be loaded: it stops and is seen to have.
      StartLimitIntervalSec: 30,
      StartLimitBurst: 5,
    },
    {
      Type: "simple",
      User: "deploy-hook",
      Group: "deploy-hook",
      StateDirectory: "deploy-hook",
      StateDirectoryMode: "0750",
      LoadCredential: HOOKS_CREDENTIAL,
      Environment: environment({ FORGE_REPOSITORY: forge.repository, FORGE_BRANCH: forge.branch }),
      // Whoever takes requests off the queue is of the same group.
      ExecStartPre: `/usr/bin/install -d -m 0770 ${QUEUE}`,
      // Neither -verbose nor -nopanic: with either it would run without the hooks that it could not load.
      ExecStart: `/usr/bin/webhook -hooks %d/${HOOKS_CREDENTIAL} -ip ${address} -port ${port} -urlprefix hooks`,
      // A merge may have come while nobody listened.
      ExecStartPost: `/usr/bin/touch ${QUEUE}/start`,
      Restart: "on-failure",
      RestartSec: 1,
      UMask: "0007",
      MemoryMax: "256M",
      TasksMax: 256,
      MemoryDenyWriteExecute: "yes",
    },
    target,
  );
  const proxy = unit(
    {
      Description: "Deploy hook: TLS and bounds before it",
      After: "network-online.target webhook.service",
      Wants: "network-online.target",
    },
    {
      Type: "notify",
      User: "caddy",
      Group: "caddy",
      StateDirectory: "caddy",
      Environment: ["HOME=/var/lib/caddy", "XDG_DATA_HOME=/var/lib/caddy", "XDG_CONFIG_HOME=/var/lib/caddy"],
      ...(given && {
        LoadCredential: [
          `${CERTIFICATE.certificate}:${given.certificate}`,
          `${CERTIFICATE.key}:${given.key}`,
        ],
      }),
      ExecStart: `/usr/bin/caddy run --config ${CONFIGURATION}/Caddyfile --adapter caddyfile`,
      Restart: "on-failure",
      RestartSec: 1,
      MemoryMax: "512M",
      LimitNOFILE: 2048,
      MemoryDenyWriteExecute: "yes",
      CapabilityBoundingSet: "CAP_NET_BIND_SERVICE",
      AmbientCapabilities: "CAP_NET_BIND_SERVICE",
    },
    target,
  );
  const wake = `[Unit]
Description=Deploy hook: begins a run when something is in the queue

[Path]
DirectoryNotEmpty=${QUEUE}
Unit=deploy-converge.service

[Install]
WantedBy=multi-user.target
`;
  const fetch = step(
    "deploy-forge",
    "Deploy, step 1: fetches the branch and looks whose it is",
    {},
    {
      SupplementaryGroups: "deploy-hook deploy-converge",
      ReadWritePaths: QUEUE,
      LoadCredential: "deploy-forge-read",
      Environment: environment({
        QUEUE,
        CLONE_URL: cloneUrl(hook),
        FORGE_BRANCH: forge.branch,
        SIGNED_COMMITS: hook.signedCommits ? "yes" : "no",
        ALLOWED_SIGNERS,
        DEPLOYED,
      }),
      ExecStart: `${SCRIPTS}/fetch.sh`,
      TimeoutStartSec: 180,
    },
  );
  const build = step(
    "deploy-build",
    "Deploy, step 2: installs and compiles, with nothing to lose",
    behind("deploy-fetch.service"),
    {
      SupplementaryGroups: "deploy-forge",
      CacheDirectory: "deploy-build",
      Environment: environment({ NODE: node, MINIMUM }),
      ExecStart: `${SCRIPTS}/build.sh`,
      TimeoutStartSec: 600,
    },
  );
  const converge = step(
    "deploy-converge",
    "Deploy, step 3: brings the stack up",
    {
      ...behind("deploy-build.service"),
      OnSuccess: "deploy-report.service",
      OnFailure: "deploy-report.service",
    },
    {
      SupplementaryGroups: "deploy-forge deploy-build",
      // The last two are for those whose state lies in a bucket or with Pulumi.
      LoadCredential: [
        "deploy-passphrase",
        "deploy-ssh-key",
        "deploy-aws-credentials",
        "deploy-pulumi-credentials",
      ],
      Environment: [
        ...environment({
          NODE: node,
          STACK: hook.stack,
          PULUMI_BACKEND_URL: hook.backend,
          PULUMI_HOME: "/var/lib/deploy-converge/pulumi",
          WIZARD_HOUSES_SSH_CONFIG: `${CONFIGURATION}/ssh_config`,
        }),
        "PULUMI_CONFIG_PASSPHRASE_FILE=%d/deploy-passphrase",
        "AWS_SHARED_CREDENTIALS_FILE=%d/deploy-aws-credentials",
      ],
      ExecStart: `${SCRIPTS}/converge.sh`,
      TimeoutStartSec: hook.deadline,
      TimeoutStopSec: 60,
    },
  );
  const report = step(
    "deploy-forge",
    "Deploy: says how a run ended",
    {},
    {
      LoadCredential: "deploy-forge-status",
      Environment: environment({ FORGE_KIND: forge.kind, STATUS_URL: statusUrl(hook), STACK: hook.stack }),
      ExecStart: `${SCRIPTS}/report.sh`,
      TimeoutStartSec: 120,
    },
  );
  return {
    "deploy-report.service": { content: report, startedBy: "something else" },
    "deploy-fetch.service": { content: fetch, startedBy: "something else" },
    "deploy-build.service": { content: build, startedBy: "something else" },
    "deploy-converge.service": { content: converge, startedBy: "something else" },
    "webhook.service": { content: listener, startedBy: "a target" },
    "caddy.service": { content: proxy, startedBy: "a target" },
    "deploy-converge.path": { content: wake, startedBy: "a target" },
  };
}
