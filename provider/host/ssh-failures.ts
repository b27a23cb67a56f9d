/**
 * Why a host could not be reached, from what ssh said about it: one line that tells an operator what to do. Pure.
 *
 * The words come from OpenSSH's client, in English because of LC_ALL=C, and from the host, which may say anything.
 */
import { printable } from "./facts.ts";
import type { Ending } from "./shell-process.ts";
import type { Target } from "./ssh-arguments.ts";

export interface Failure {
  message: string;
  /** Whether it may go away by itself within the time to connect. */
  passing?: boolean;
  /** The host has another key than the pinned one: {@link otherKey} says more. */
  otherKey?: boolean;
}

interface Rule extends Omit<Failure, "message"> {
  pattern: RegExp;
  words: (found: string[], target: Target) => string;
}

const FLEET = "wizards/fleet.yaml";
const sudoers = (user: string): string =>
  `put the line "${user} ALL=(root) NOPASSWD: ALL" into a file of /etc/sudoers.d there`;

/** What ssh says when a ProxyJump or ProxyCommand gives it no connection to the host, whose address it does not know then. */
const THROUGH_PROXY = /(kex_exchange_identification|banner exchange)[^]*UNKNOWN port 65535/;

/** Failures of what stands between. The first that fits counts; the last fits always. */
const PROXY_RULES: Rule[] = [
  {
    pattern: /^(?:channel \d+: )?open failed: [^:\n]*: (.*)\n(?:.*\n)*stdio forwarding failed/m,
    passing: true,
    words: ([, why]) =>
      `the jump host of your ssh_config cannot reach it (${why}): check its address and sshd`,
  },
  {
    pattern: /Host key verification failed/,
    words: () =>
      "the host key of the jump host of your ssh_config is not known or has changed: check it, and connect to the jump host by hand once",
  },
  {
    pattern: /(\S+): Permission denied \(/,
    words: ([, login]) =>
      `the jump host of your ssh_config does not let ${login} in: see which keys you have (ssh-add -l)`,
  },
  {
    pattern: /^ssh: (.*)/m,
    passing: true,
    words: ([, why]) => `the jump host of your ssh_config cannot be reached (${why})`,
  },
  {
    pattern: /^([^]*)$/,
    words: ([said]) => `the ProxyJump or ProxyCommand of your ssh_config does not lead to it (${said})`,
  },
];

/** Failures of the host itself. The first that fits counts. */
const RULES: Rule[] = [
  {
    pattern: /Host key (verification failed|for \S+ has changed)/,
    otherKey: true,
    words: () => "its host key is not the pinned one",
  },
  {
    pattern: /no matching host key type found\. Their offer: (\S+)/,
    words: ([, offer], { key }) =>
      `it has no host key of the pinned type ${key.type}, only ${offer}: if that is right, read one of these on the host's own console and put it as hostKey into ${FLEET}`,
  },
  {
    pattern: /no matching (.+) found\. Their offer: (\S+)/,
    words: ([, what, offer]) => `it and ssh on this machine have no ${what} in common; it offers ${offer}`,
  },
  {
    pattern: /Could not resolve hostname [^\n]*Temporary failure/i,
    passing: true,
    words: (_, { address }) =>
      `no name server says what address ${address} has: check this machine's network and DNS`,
  },
  {
    pattern: /Could not resolve hostname/i,
    words: (_, { address }) => `the name ${address} is not known: check the address in ${FLEET}, and DNS`,
  },
  {
    pattern: /Connection refused/,
    passing: true,
    words: () => "connection refused: check that sshd runs there, the port and the firewall",
  },
  {
    pattern: /No route to host|Network is unreachable|Host is down/,
    passing: true,
    words: ([why = ""]) =>
      `${why.toLowerCase()}: check that the host is up, its address, and this machine's network and VPN`,
  },
  {
    pattern: /timed out during banner exchange/,
    passing: true,
    words: () =>
      "timed out: it accepts connections, but no ssh server answers; check how busy it is, sshd and the port",
  },
  {
    pattern: /(Connection|Operation) timed out/,
    passing: true,
    words: () => "connection timed out: check that the host is up, its address and the firewall",
  },
  {
    pattern:
      /kex_exchange_identification|banner exchange|Connection reset by peer|^Connection (closed|reset) by \S+ port \d+$/,
    passing: true,
    words: () =>
      "it drops connections as soon as they are made: check that this is the port of sshd, and there sshd's MaxStartups and whatever bans addresses (fail2ban)",
  },
  {
    pattern: /Too many authentication failures/,
    words: (_, { user }) =>
      `it gave up on ${user} after too many keys: name the right one in ssh_config, by IdentityFile and IdentitiesOnly yes`,
  },
  {
    pattern: /Permission denied \(([^)\n]*)\)/,
    words: ([, methods], { user }) =>
      `it does not let ${user} in (it takes ${methods}): see which keys you have (ssh-add -l), and whether one is in ${user}'s authorized_keys there`,
  },
  {
    pattern: /sudo: (a password is required|a terminal is required)/,
    words: (_, { user }) => `${user} cannot use sudo without a password there: ${sudoers(user)}`,
  },
  {
    pattern: /sudo: .*you must have a tty/,
    words: (_, { user }) =>
      `sudo wants a terminal there: put the line "Defaults:${user} !requiretty" into a file of /etc/sudoers.d there`,
  },
  {
    pattern: /not in the sudoers file|may not run sudo|is not allowed to (execute|run)/,
    words: (_, { user }) => `${user} may not use sudo there: ${sudoers(user)}`,
  },
  {
    pattern: /\bsudo\b.*(not found|No such file)/,
    words: (_, { user }) => `sudo is not installed there: install it, or log in as root instead of ${user}`,
  },
];

/** Words of ssh or of the host, lines joined. */
const quoted = (text = ""): string => printable(text.trim().replace(/\s*[\r\n]+\s*/g, "; "), 300);

/** Everything that was said, in brackets behind a message. */
function inBrackets({ stderr, noise }: Ending): string {
  const said = [stderr, noise].map(quoted).filter(Boolean).join("; ");
  return said && ` (${said})`;
}

/**
 * Why there is no shell on the host.
 *
 * @param timedOut ssh was ended because the time to connect was over
 */
export function connectFailure(target: Target, ending: Ending, timedOut: boolean): Failure {
  const { code, unstarted } = ending;
  if (unstarted?.code === "ENOENT")
    return { message: "there is no program ssh on this machine: install OpenSSH's client" };
  if (unstarted) return { message: `ssh could not be started: ${unstarted.message}` };
  const stderr = ending.stderr.trim().replaceAll("\r", "");
  for (const rule of THROUGH_PROXY.test(stderr) ? PROXY_RULES : RULES) {
    const found = rule.pattern.exec(stderr);
    if (!found) continue;
    const { pattern: _, words, ...failure } = rule;
    return { ...failure, message: words(Array.from(found, quoted), target) };
  }
  const said = inBrackets(ending);
  if (timedOut) {
    const { connectDeadline, user } = target;
    return {
      message: `timed out: it accepts connections, but ${user} has no shell within ${connectDeadline} s; check how busy it is, and what the login does${said}`,
    };
  }
  if (code === 255) return { message: `ssh ended without a connection${said}` };
  if (code === 126 || code === 127)
    return { message: `the login of ${target.user} finds no sh there${said}` };
  return {
    message: `the login of ${target.user} does not lead to a shell, it ends with code ${code}${said}`,
  };
}

/** A host key as `<type> <base64>`, and its fingerprint. */
interface Offered {
  line: string;
  fingerprint: string;
}

/** What to do about a key that is not the pinned one. `offered` is the host's, if it could be got. */
export function otherKey({ key, keyLine }: Target, offered: Offered | undefined): string {
  if (offered?.line === keyLine) {
    return "it showed another host key than the pinned one, and the pinned one when asked again: more than one machine may answer at this address";
  }
  const kind = key.type.startsWith("ecdsa") ? "ecdsa" : key.type.replace("ssh-", "");
  const shown = offered
    ? `it shows "${offered.line}" (${offered.fingerprint})`
    : "the one it shows could not be read";
  return (
    `its host key is not the pinned one (${key.fingerprint}): ${shown}. Either its key was changed, or somebody stands in ` +
    `between. Compare with what the host's own console says (ssh-keygen -lf /etc/ssh/ssh_host_${kind}_key.pub), and only ` +
    `if that is the same put the key as hostKey into ${FLEET}`
  );
}

/** The connection was there and is gone. */
export function cutOff(ending: Ending): string {
  const said = inBrackets(ending);
  if (ending.code === 255) return `the connection was cut${said}`;
  return `its shell ended with code ${ending.code} in the middle of a script${said}`;
}

/** A message with the host in front of it. */
export const atHost = ({ name, address, port }: Target, message: string): string =>
  `host ${name} (${address} port ${port}): ${message}`;
