/** What `check` says of a resource's input `host`, and the pinned keys in it. */
import { describe, expect, it } from "vitest";

import { connectionFailures, sshTarget } from "../../provider/host/connection.ts";
import { parseHostKey } from "../../provider/host/host-key.ts";
import { formatPath, UNKNOWN, type Values } from "../../provider/values.ts";

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
const ECDSA =
  "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBFsBFZ+p57+ICaiuZPFjo0azNrntr1bNgORLMjCOZcIk9WdD6B2tscogeltmTebrxRn+qApbTgFv4hIqD1R/5CE=";
const ssh: Values = {
  name: "forge",
  transport: "ssh",
  address: "198.18.0.2",
  port: 22,
  user: "root",
  hostKey: KEY,
};
const failures = (change: Values, base = ssh): string[] =>
  connectionFailures({ ...base, ...change }).map(({ path, reason }) => `${formatPath(path)} ${reason}`);
const without = (key: string): string[] => {
  const { [key]: _, ...rest } = ssh;
  return failures({}, rest);
};

describe("a connection by ssh", () => {
  it.each(["forge", "forge.example.org", "198.18.0.2", "2001:db8::1", "::1", "fe80::1%eth0"])(
    "takes the address %s",
    (address) => expect(failures({ address })).toEqual([]),
  );

  it.each(["", "-oProxyCommand=x", "a b", "a\tb", "a\nb", "root@forge", "$(id)", "ssh://forge", "a;b", "é"])(
    "refuses the address %j",
    (address) => expect(failures({ address })).toEqual(["host.address must be a host name or an IP address"]),
  );

  it.each(["root", "operator", "DEPLOY_1", "first.last"])("takes the user %s", (user) =>
    expect(failures({ user })).toEqual([]),
  );

  it.each(["", "-l", "a b", "a\u0000", "$USER", "a'b", "-"])("refuses the user %j", (user) =>
    expect(failures({ user })).toEqual(["host.user must be a login name"]),
  );

  it.each(["address", "user", "hostKey"])("needs %s", (key) =>
    expect(without(key)).toEqual([`host.${key} is required for the transport ssh`]),
  );

  it("says all at once", () => {
    expect(failures({ address: "-x", user: "-y", hostKey: "z", port: 70_000 })).toEqual([
      "host.address must be a host name or an IP address",
      "host.user must be a login name",
      expect.stringMatching(
        /^host\.hostKey must be "ssh-ed25519 AAAA…" as it stands in .*ssh_host_ed25519_key/,
      ),
      "host.port must be at most 65535",
    ]);
  });

  it("waits for what is not known yet", () => {
    expect(failures({ address: UNKNOWN, hostKey: UNKNOWN })).toEqual([]);
  });

  it("has defaults for port and time", () => {
    const { port: _, ...rest } = ssh;
    expect(sshTarget(rest)).toEqual({
      ...{ name: "forge", address: "198.18.0.2", port: 22, user: "root", keyLine: KEY, connectDeadline: 20 },
      key: parseHostKey(KEY),
    });
    expect(sshTarget({ ...ssh, connectDeadline: 3 }).connectDeadline).toBe(3);
  });
});

describe("a local connection", () => {
  it("needs a folder and nothing else", () => {
    expect(failures({}, { name: "a", transport: "local", root: "x" })).toEqual([]);
    expect(failures({}, { name: "a", transport: "local" })).toEqual([
      "host.root is required for the transport local",
    ]);
  });
});

describe("a host key", () => {
  it("is understood, with the fingerprint that ssh-keygen prints", () => {
    expect(parseHostKey(KEY)).toEqual({
      type: "ssh-ed25519",
      algorithms: "ssh-ed25519",
      fingerprint: FINGERPRINT,
    });
    expect(parseHostKey(ECDSA)?.algorithms).toBe("ecdsa-sha2-nistp256");
  });

  it.each([
    `${KEY} root@forge`,
    ` ${KEY}`,
    `${KEY}\n`,
    KEY.replace("ssh-ed25519", "ssh-rsa"),
    KEY.replace("ssh-ed25519", "constructor"),
    KEY.slice(0, -1),
    KEY.slice(0, -4),
    `${KEY}AAAA`,
    // The type and nothing behind it.
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5",
    `${KEY}=`,
    "ssh-ed25519 AAAA",
    "ssh-ed25519",
    "ssh-dss AAAAB3NzaC1kc3M=",
    "@cert-authority * ssh-ed25519 AAAA",
    "",
  ])("is not %j", (text) => expect(parseHostKey(text)).toBeUndefined());
});

// ssh-keygen -lf, of KEY
const FINGERPRINT = "SHA256:ZkAslGjFiUHdGf/WUL8rQvkib4PTvQatUV0OUQSncCA";
