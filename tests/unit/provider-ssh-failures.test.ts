/** What ssh 9.2 really said, and what an operator is told. */
import { describe, expect, it } from "vitest";

import { explained } from "../../provider/host/advice.ts";
import { parseHostKey } from "../../provider/host/host-key.ts";
import type { Ending } from "../../provider/host/shell-process.ts";
import type { Target } from "../../provider/host/ssh-arguments.ts";
import { atHost, connectFailure, cutOff, otherKey } from "../../provider/host/ssh-failures.ts";

const PINNED = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
const OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICAhIiMkJSYnKCkqKywtLi8wMTIzNDU2Nzg5Ojs8PT4/";
const target: Target = {
  name: "forge",
  address: "198.18.0.2",
  port: 22,
  user: "operator",
  key: parseHostKey(PINNED)!,
  keyLine: PINNED,
  connectDeadline: 20,
};
const ending = (stderr: string, more: Partial<Ending> = {}): Ending => ({
  code: 255,
  ready: false,
  stderr,
  noise: "",
  ...more,
});
const CHANGED = `@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!
Someone could be eavesdropping on you right now (man-in-the-middle attack)!
It is also possible that a host key has just been changed.
The fingerprint for the ED25519 key sent by the remote host is
SHA256:5e096noA3gQLLPaQWzm3cI1MwuisSrOVxDDM/FzSQt4.
Please contact your system administrator.
Add correct host key in /tmp/houses-1-aaaaaa/1 to get rid of this message.
Offending ED25519 key in /tmp/houses-1-aaaaaa/1:1
  remove with:
  ssh-keygen -f "/tmp/houses-1-aaaaaa/1" -R "NAME"
Host key for NAME has changed and you have requested strict checking.
Host key verification failed.
`;
const THROUGH_JUMP =
  "kex_exchange_identification: Connection closed by remote host\nConnection closed by UNKNOWN port 65535\n";

describe("a failed connection", () => {
  it.each<[string, string, string, "passing"?]>([
    [
      "refused",
      "ssh: connect to host 198.18.0.2 port 22: Connection refused\r\n",
      "connection refused: check that sshd runs",
      "passing",
    ],
    [
      "timed out",
      "ssh: connect to host 198.18.0.2 port 22: Connection timed out\r\n",
      "connection timed out: check that the host is up",
      "passing",
    ],
    [
      "timed out, as macOS says it",
      "ssh: connect to host 198.18.0.2 port 22: Operation timed out\r\n",
      "connection timed out: check that the host is up",
      "passing",
    ],
    [
      "no route",
      "ssh: connect to host 198.18.0.2 port 22: No route to host\r\n",
      "no route to host: check that the host is up",
      "passing",
    ],
    [
      "accepts and says nothing",
      "Connection timed out during banner exchange\r\nConnection to 198.18.0.2 port 22 timed out\r\n",
      "timed out: it accepts connections, but no ssh server answers",
      "passing",
    ],
    [
      "closes at once",
      "kex_exchange_identification: Connection closed by remote host\r\nConnection closed by 198.18.0.2 port 22\r\n",
      "it drops connections as soon as they are made",
      "passing",
    ],
    [
      "resets at once",
      "kex_exchange_identification: read: Connection reset by peer\r\nConnection reset by 198.18.0.2 port 22\r\n",
      "it drops connections as soon as they are made",
      "passing",
    ],
    [
      "resets before anything",
      "ssh: connect to host 198.18.0.2 port 22: Connection reset by peer\r\n",
      "it drops connections as soon as they are made",
      "passing",
    ],
    [
      "drops during the key exchange",
      "Connection closed by 198.18.0.2 port 22\r\n",
      "it drops connections as soon as they are made",
      "passing",
    ],
    [
      "a name nobody knows",
      "ssh: Could not resolve hostname no-such-host.invalid: Name or service not known\r\n",
      "the name 198.18.0.2 is not known: check the address in wizards/fleet.yaml",
    ],
    [
      "no name server",
      "ssh: Could not resolve hostname forge.example: Temporary failure in name resolution\r\n",
      "no name server says what address",
      "passing",
    ],
    [
      "no key of the pinned type",
      "Unable to negotiate with 198.18.0.2 port 22: no matching host key type found. Their offer: rsa-sha2-512,rsa-sha2-256\r\n",
      "it has no host key of the pinned type ssh-ed25519, only rsa-sha2-512,rsa-sha2-256: if that is right",
    ],
    [
      "no common cipher",
      "Unable to negotiate with 198.18.0.2 port 22: no matching cipher found. Their offer: aes128-cbc\r\n",
      "have no cipher in common; it offers aes128-cbc",
    ],
    [
      "no key that is let in",
      "operator@198.18.0.2: Permission denied (publickey,password).\r\n",
      "it does not let operator in (it takes publickey,password): see which keys you have (ssh-add -l)",
    ],
    [
      "too many keys",
      "Received disconnect from 198.18.0.2 port 22:2: Too many authentication failures\r\nDisconnected from 198.18.0.2 port 22\r\n",
      "IdentitiesOnly yes",
    ],
    [
      "an account that has expired",
      "Your account has expired; please contact your system administrator.\r\nConnection closed by 198.18.0.2 port 22\r\n",
      "ssh ended without a connection (Your account has expired; please contact your system administrator.; Connection closed",
    ],
    [
      "a mistake in ssh_config",
      "/root/.ssh/config line 3: Bad port 'abc'.\r\n/root/.ssh/config: terminating, 1 bad configuration options\r\n",
      "(/root/.ssh/config line 3: Bad port 'abc'.; ",
    ],
    ["nothing", "", "ssh ended without a connection"],
    [
      "a jump host that refuses",
      `ssh: connect to host 198.18.0.9 port 22: Connection refused\r\n${THROUGH_JUMP}`,
      "the jump host of your ssh_config cannot be reached (connect to host 198.18.0.9 port 22: Connection refused)",
      "passing",
    ],
    [
      "a jump host with another key",
      CHANGED.replaceAll("NAME", "198.18.0.9") + THROUGH_JUMP,
      "the host key of the jump host of your ssh_config is not known or has changed",
    ],
    [
      "a jump host that lets nobody in",
      `Permission denied, please try again.\r\nroot@198.18.0.9: Permission denied (publickey,password).\r\n${THROUGH_JUMP}`,
      "the jump host of your ssh_config does not let root@198.18.0.9 in",
    ],
    [
      "a jump host that cannot reach it",
      `channel 0: open failed: connect failed: Connection refused\r\nstdio forwarding failed\r\n${THROUGH_JUMP}`,
      "the jump host of your ssh_config cannot reach it (Connection refused): check its address",
      "passing",
    ],
    [
      "a ProxyCommand that is not there",
      `/bin/sh: 1: exec: /no/such/program: not found\r\n${THROUGH_JUMP}`,
      "the ProxyJump or ProxyCommand of your ssh_config does not lead to it (/bin/sh: 1: exec: /no/such/program: not found; ",
    ],
    [
      "no key of the pinned type behind a jump host",
      "Unable to negotiate with UNKNOWN port 65535: no matching host key type found. Their offer: ssh-rsa\r\n",
      "it has no host key of the pinned type",
    ],
  ])("%s", (_, stderr, words, passing) => {
    const failure = connectFailure(target, ending(stderr), false);
    expect(failure.message).toContain(words);
    expect(failure.message).not.toMatch(/[\r\n]/);
    expect(failure.passing ?? false).toBe(passing === "passing");
    expect(failure.otherKey ?? false).toBe(false);
  });

  it("because of another key asks for that key", () => {
    expect(connectFailure(target, ending(CHANGED.replaceAll("NAME", "pinned")), false)).toEqual({
      message: "its host key is not the pinned one",
      otherKey: true,
    });
  });

  it.each<[string, Partial<Ending>, string]>([
    [
      "sudo that wants a password",
      { code: 1, stderr: "sudo: a password is required\n" },
      'operator cannot use sudo without a password there: put the line "operator ALL=(root) NOPASSWD: ALL" into',
    ],
    [
      "sudo that is not allowed",
      {
        code: 1,
        stderr: "Sorry, user operator is not allowed to execute '/usr/bin/sh -c …' as root on forge.\n",
      },
      "operator may not use sudo there: put the line",
    ],
    [
      "sudo that wants a terminal",
      { code: 1, stderr: "sudo: sorry, you must have a tty to run sudo\n" },
      'put the line "Defaults:operator !requiretty" into',
    ],
    [
      "no sudo",
      { code: 127, stderr: "env: 'sudo': No such file or directory\n" },
      "sudo is not installed there: install it, or log in as root instead of operator",
    ],
    [
      "no sh",
      { code: 127, stderr: "bash: line 1: sh: command not found\n" },
      "the login of operator finds no sh there (bash: line 1: sh: command not found)",
    ],
    [
      "no login",
      { code: 1, noise: "This account is currently not available.\n" },
      "does not lead to a shell, it ends with code 1 (This account is currently not available.)",
    ],
    [
      "another command than ours",
      { code: 142, noise: "Please login as the user debian rather than the user root.\n" },
      "ends with code 142 (Please login as the user debian rather than the user root.)",
    ],
    [
      "a password that must be changed",
      {
        code: 1,
        stderr:
          "You are required to change your password immediately (administrator enforced).\nWARNING: Your password has expired.\nPassword change required but no TTY available.\n",
      },
      "(You are required to change your password immediately (administrator enforced).; WARNING: Your",
    ],
  ])("%s", (_, how, words) => {
    const failure = connectFailure(target, ending("", how), false);
    expect(failure.message).toContain(words);
    expect(failure.passing ?? false).toBe(false);
  });

  it("without a word within the time says so, with what the login said", () => {
    const silent = connectFailure(target, ending("", { code: null, noise: "Password for x: " }), true);
    expect(silent.message).toBe(
      "timed out: it accepts connections, but operator has no shell within 20 s; check how busy it is, and what the login does (Password for x:)",
    );
  });

  it("without ssh on this machine", () => {
    const absent = Object.assign(new Error("spawn ssh ENOENT"), { code: "ENOENT" });
    expect(connectFailure(target, ending("", { code: null, unstarted: absent }), false).message).toContain(
      "install OpenSSH's client",
    );
  });

  it("hands nothing to the terminal that a host may have put there", () => {
    const hostile = `\u001b]0;pwned\u0007 ${"x".repeat(5000)}`;
    const { message } = connectFailure(target, ending(hostile, { noise: hostile }), false);

    expect(message).not.toMatch(/[\u0000-\u001f]/);
    expect(message.length).toBeLessThan(800);
  });
});

describe("another key than the pinned one", () => {
  const offered = { line: OTHER, fingerprint: parseHostKey(OTHER)!.fingerprint };

  it("is shown whole, with what to compare it with", () => {
    const message = otherKey(target, offered);
    expect(message).toContain(`pinned one (${target.key.fingerprint})`);
    expect(message).toContain(`it shows "${OTHER}" (${offered.fingerprint})`);
    expect(message).toContain("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub");
    expect(message).toContain("only if that is the same put the key as hostKey into wizards/fleet.yaml");
    expect(message).toContain("somebody stands in between");
  });

  it("that cannot be got a second time", () =>
    expect(otherKey(target, undefined)).toContain("the one it shows could not be read"));

  it("and then the pinned one", () =>
    expect(otherKey(target, { line: PINNED, fingerprint: target.key.fingerprint })).toContain(
      "more than one machine may answer",
    ));
});

describe("a connection that was there", () => {
  it.each([
    [
      { stderr: "Connection to 198.18.0.2 closed by remote host.\r\n" },
      "the connection was cut (Connection to",
    ],
    [
      { stderr: "Timeout, server 198.18.0.2 not responding.\r\n" },
      "the connection was cut (Timeout, server 198.18.0.2 not responding.)",
    ],
    [{ code: 137 }, "its shell ended with code 137 in the middle of a script"],
  ])("%j", (how, words) => expect(cutOff(ending("", { ready: true, ...how }))).toContain(words));

  it("names the host", () =>
    expect(atHost(target, "the connection was cut")).toBe(
      "host forge (198.18.0.2 port 22): the connection was cut",
    ));
});

describe("advice", () => {
  it.each([
    ["mktemp: failed to create file: No space left on device", /disk there is full: see df -h/],
    ["mv: cannot move 'a' to 'b': Read-only file system", /mounted read-only/],
    ["head: write error: Disk quota exceeded", /quota/],
  ])("%s", (words, advice) => {
    expect(explained(words)).toMatch(advice);
    expect(explained(words).startsWith(words)).toBe(true);
  });

  it("is not given where there is none", () => expect(explained("exit 3")).toBe("exit 3"));
});
