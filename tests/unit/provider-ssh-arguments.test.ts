/** Whatever an operator's ssh_config says: what must hold for a connection to a host holds. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { parseHostKey } from "../../provider/host/host-key.ts";
import { loopCommand } from "../../provider/host/shell-process.ts";
import { sshArguments, sshEnvironment, type SshRun, type Target } from "../../provider/host/ssh-arguments.ts";

const installed = spawnSync("ssh", ["-V"]).error === undefined;
const keyLine = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
const target: Target = {
  name: "forge",
  address: "198.18.0.2",
  port: 2222,
  user: "root",
  key: parseHostKey(keyLine)!,
  keyLine,
  connectDeadline: 20,
};

const HOSTILE = `
Host *
  IgnoreUnknown OnlyThis
  BatchMode no
  StrictHostKeyChecking no
  UserKnownHostsFile /tmp/theirs
  GlobalKnownHostsFile /tmp/theirs
  KnownHostsCommand /bin/echo %H
  HostKeyAlias other
  HostKeyAlgorithms ssh-rsa
  NoHostAuthenticationForLocalhost yes
  GSSAPIKeyExchange yes
  VerifyHostKeyDNS yes
  CheckHostIP yes
  UpdateHostKeys yes
  ForwardAgent yes
  ForwardX11 yes
  ForwardX11Trusted yes
  LocalForward 9999 localhost:22
  RemoteForward 9998 localhost:22
  DynamicForward 9997
  GSSAPIDelegateCredentials yes
  Tunnel yes
  PermitLocalCommand yes
  LocalCommand touch /tmp/pwned
  AddKeysToAgent yes
  RemoteCommand /bin/false
  SessionType none
  RequestTTY force
  StdinNull yes
  ForkAfterAuthentication yes
  EscapeChar ~
  ConnectionAttempts 9
  ConnectTimeout 999
  ServerAliveInterval 0
  ServerAliveCountMax 99
  LogLevel QUIET
  FingerprintHash md5
  VisualHostKey yes
  ControlMaster auto
  ControlPath /tmp/theirs-%C
  ControlPersist yes
  Port 1
  User nobody
  SendEnv *
`;

let folder: string;
beforeAll(() => (folder = mkdtempSync(path.join(os.tmpdir(), "ssh-g-"))));
afterAll(() => rmSync(folder, { recursive: true }));

/** What ssh makes of our arguments and a config file: option → values. */
function understood(config: string, as: SshRun["as"], args?: string[]): Map<string, string[]> {
  const file = path.join(folder, "config");
  writeFileSync(file, config);
  const ours = sshArguments({
    target,
    files: { knownHosts: "/run/k", socket: "/run/s", config: file },
    as,
    connectTimeout: 7,
    command: loopCommand(),
  });
  const { stdout, stderr, status } = spawnSync("ssh", ["-G", ...(args ?? ours)], { encoding: "utf8" });
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  const options = new Map<string, string[]>();
  for (const line of stdout.trim().split("\n")) {
    const [name = "", ...values] = line.split(" ");
    options.set(name, [...(options.get(name) ?? []), values.join(" ")]);
  }
  return options;
}

const WANTED = {
  hostname: "198.18.0.2",
  user: "root",
  port: "2222",
  batchmode: "yes",
  stricthostkeychecking: "true",
  userknownhostsfile: "/run/k",
  globalknownhostsfile: "/dev/null",
  hostkeyalias: "pinned",
  hostkeyalgorithms: "ssh-ed25519",
  nohostauthenticationforlocalhost: "no",
  gssapikeyexchange: "no",
  verifyhostkeydns: "false",
  checkhostip: "no",
  updatehostkeys: "false",
  forwardagent: "no",
  forwardx11: "no",
  forwardx11trusted: "no",
  clearallforwardings: "yes",
  gssapidelegatecredentials: "no",
  tunnel: "false",
  permitlocalcommand: "no",
  addkeystoagent: "false",
  sessiontype: "default",
  requesttty: "false",
  stdinnull: "no",
  forkafterauthentication: "no",
  escapechar: "none",
  connectionattempts: "1",
  connecttimeout: "7",
  serveraliveinterval: "5",
  serveralivecountmax: "3",
  loglevel: "INFO",
  fingerprinthash: "SHA256",
  visualhostkey: "no",
  controlmaster: "true",
  controlpath: "/run/s",
  controlpersist: "no",
};
/** As ssh -G names them; absent means that the option is off. */
const ABSENT = ["remotecommand", "knownhostscommand", "localforward", "remoteforward", "dynamicforward"];

describe.runIf(installed)("the arguments of ssh", () => {
  it("win over everything a config file says", () => {
    const options = understood(HOSTILE, "master");
    const got = Object.fromEntries(Object.keys(WANTED).map((name) => [name, options.get(name)?.join(",")]));
    expect(got).toEqual(WANTED);
    for (const name of ABSENT) expect([name, options.get(name) ?? ["none"]]).toEqual([name, ["none"]]);
  });

  it("are needed: without them the file counts", () => {
    const options = understood(HOSTILE, "master", ["-F", path.join(folder, "config"), "198.18.0.2"]);
    const same = Object.entries(WANTED).filter(([name, value]) => options.get(name)?.join(",") === value);
    expect(same.map(([name]) => name)).toEqual(["hostname"]);
    for (const name of ABSENT) expect(options.get(name)).toBeDefined();
  });

  it("leave the way to a host, and who one is, to the operator", () => {
    const options = understood(
      "Host 198.18.0.2\n HostName 198.18.0.9\n ProxyJump jump\n IdentityFile /k\n IdentitiesOnly yes\n Compression yes\n",
      "master",
    );
    expect(options.get("hostname")).toEqual(["198.18.0.9"]);
    expect(options.get("proxyjump")).toEqual(["jump"]);
    expect(options.get("identityfile")).toEqual(["/k"]);
    expect(options.get("compression")).toEqual(["yes"]);
  });

  it("never connect anew for a further session", () => {
    const options = understood("Host *\n ProxyJump jump\n", "further");
    expect(options.get("proxycommand")).toEqual(["false"]);
    expect(options.get("proxyjump")).toBeUndefined();
    expect(options.get("controlmaster")).toEqual(["false"]);
    expect(options.get("controlpath")).toEqual(["/run/s"]);
  });

  it("neither log in nor trust anything to learn a key", () => {
    const options = understood(HOSTILE, "probe");
    expect(options.get("preferredauthentications")).toEqual(["none"]);
    expect(options.get("pubkeyauthentication")).toEqual(["false"]);
    expect(options.get("stricthostkeychecking")).toEqual(["accept-new"]);
    expect(options.get("userknownhostsfile")).toEqual(["/run/k"]);
    expect(options.get("controlpath") ?? ["none"]).toEqual(["none"]);
  });

  it("ask for modern signatures where the pinned key is RSA", () => {
    expect(parseHostKey(RSA)!.algorithms).toBe("rsa-sha2-512,rsa-sha2-256");
  });
});

// A key of 1024 bits, made for this test.
const RSA =
  "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQCXQcfDjFBroi9eS2+UGyDUc+cftN5uAjyIHvJXh3PVUp+sB+4V0MMx4VmNaaVvvwD4bIuoK14ALHqC1J+nLF4ehoHH/Yrsx1f4XT9lnkf9JAlbMKwMTRGALv22672RituIKyBK3GBeZuNVCDj+T2tU2b84L7gYpsTtJo0595bteQ==";

it("the environment of ssh is what it needs and nothing else", () => {
  const given = {
    PATH: "/bin",
    HOME: "/h",
    SSH_AUTH_SOCK: "/a",
    PULUMI_CONFIG_PASSPHRASE: "secret",
    AWS_SECRET_ACCESS_KEY: "secret",
    LANG: "de_DE.UTF-8",
    SSH_ASKPASS: "/bin/ask",
    DISPLAY: ":0",
  };
  expect(sshEnvironment(given)).toEqual({
    PATH: "/bin",
    HOME: "/h",
    SSH_AUTH_SOCK: "/a",
    LC_ALL: "C",
    SSH_ASKPASS_REQUIRE: "never",
  });
});
