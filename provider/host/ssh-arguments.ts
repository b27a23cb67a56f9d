/**
 * What OpenSSH's client is started with. The operator's ssh_config, agent, keys and jump hosts are honoured; whatever
 * they say, a host gets no way back to the operator and is believed to be itself only by its pinned key.
 */
import type { HostKey } from "./host-key.ts";

/** A host as ssh reaches it. */
export interface Target {
  /** Its name in the fleet. */
  name: string;
  /** Name, IPv4 or IPv6 address, or a `Host` of the operator's ssh_config. */
  address: string;
  port: number;
  user: string;
  key: HostKey;
  /** `<type> <base64>`. */
  keyLine: string;
  /** Of the same type: believed as well, while the host's key is being changed. */
  formerKeyLine?: string;
  /** Seconds within which a connection must be made. */
  connectDeadline: number;
}

/** The name under which the key stands in the file of known hosts. Every connection has a file of its own. */
export const ALIAS = "pinned";

/** Names the operator's environment may hand to ssh, its ProxyCommand and its agent; a passphrase is not among them. */
const ENVIRONMENT = [
  "PATH",
  "HOME",
  "USER",
  "LOGNAME",
  "SHELL",
  "TMPDIR",
  "SSH_AUTH_SOCK",
  "XDG_RUNTIME_DIR",
  "KRB5CCNAME",
  "KRB5_CONFIG",
];

export function sshEnvironment(environment: NodeJS.ProcessEnv): Record<string, string> {
  const kept = ENVIRONMENT.flatMap((name) => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  // Error messages are read, so they must be in English; and nobody is there to answer a question.
  return { ...Object.fromEntries(kept), LC_ALL: "C", SSH_ASKPASS_REQUIRE: "never" };
}

/** Options on the command line, which come before anything in a file. */
function options(target: Target, knownHosts: string, connectTimeout: number): Record<string, string> {
  return {
    // First, because it holds for what follows: an option that a client does not know is one it has not got.
    IgnoreUnknown: "*",
    BatchMode: "yes",
    // Only the pinned key, and no other way to believe a host.
    StrictHostKeyChecking: "yes",
    UserKnownHostsFile: knownHosts,
    GlobalKnownHostsFile: "/dev/null",
    KnownHostsCommand: "none",
    HostKeyAlias: ALIAS,
    HostKeyAlgorithms: target.key.algorithms,
    NoHostAuthenticationForLocalhost: "no",
    GSSAPIKeyExchange: "no",
    VerifyHostKeyDNS: "no",
    CheckHostIP: "no",
    UpdateHostKeys: "no",
    // Nothing leads back: an agent or a forwarded port would serve whoever has taken over the host.
    ForwardAgent: "no",
    ForwardX11: "no",
    ForwardX11Trusted: "no",
    ClearAllForwardings: "yes",
    GSSAPIDelegateCredentials: "no",
    Tunnel: "no",
    PermitLocalCommand: "no",
    AddKeysToAgent: "no",
    // A plain channel for bytes.
    RemoteCommand: "none",
    SessionType: "default",
    RequestTTY: "no",
    StdinNull: "no",
    ForkAfterAuthentication: "no",
    EscapeChar: "none",
    ChannelTimeout: "none",
    // Retries and back-off are ours.
    ConnectionAttempts: "1",
    ConnectTimeout: String(connectTimeout),
    ServerAliveInterval: "5",
    ServerAliveCountMax: "3",
    // What is said is read by ssh-failures.ts.
    LogLevel: "INFO",
    FingerprintHash: "sha256",
    VisualHostKey: "no",
    ControlPersist: "no",
  };
}

export interface SshFiles {
  /** Holds the pinned key under {@link ALIAS}. */
  knownHosts: string;
  /** Where further sessions over the same connection are asked for. */
  socket: string;
  /** The operator's ssh_config if it is not ~/.ssh/config. */
  config: string | undefined;
}

export interface SshRun {
  target: Target;
  files: SshFiles;
  /** `master`: connects. `further`: another session over the master's connection. `probe`: no session, see below. */
  as: "master" | "further" | "probe";
  /** Whole seconds for one attempt. */
  connectTimeout: number;
  /** What runs on the host. */
  command: string;
}

/** The arguments of ssh. */
export function sshArguments({ target, files, as, connectTimeout, command }: SshRun): string[] {
  const particular: Record<string, Record<string, string>> = {
    master: { ControlMaster: "yes", ControlPath: files.socket },
    // Where the master is gone, ssh would connect by itself; then a new master is better.
    further: { ControlMaster: "no", ControlPath: files.socket, ProxyCommand: "false" },
    // Learns which key a host shows, into a file nobody trusts, and does not log in.
    probe: {
      ControlMaster: "no",
      ControlPath: "none",
      StrictHostKeyChecking: "accept-new",
      HashKnownHosts: "no",
      PreferredAuthentications: "none",
      PubkeyAuthentication: "no",
    },
  };
  const all = { ...options(target, files.knownHosts, connectTimeout), ...particular[as] };
  return [
    ...(files.config === undefined ? [] : ["-F", files.config]),
    ...Object.entries(all).flatMap(([name, value]) => ["-o", `${name}=${value}`]),
    "-p",
    String(target.port),
    "-l",
    target.user,
    "--",
    target.address,
    command,
  ];
}
