/** Rule `deploy-hook-signed`: a deploy is started by whoever holds the key, and by nobody who only found the address. */
import type { Finding } from "./finding.ts";
import { hostName, reachOf } from "./hosts.ts";
import type { PolicySettings } from "./settings.ts";

/** Inputs of `fleet:index:DeployHook` that the rule looks at; each may be missing or wrong. */
export interface DeployHookInputs {
  /** Key of the HMAC that every request must carry. */
  secret: unknown;
  /** Host names the hook answers for. */
  hosts: unknown;
  /** The URL the forge calls, e.g. `https://deploy.example.org/hooks/deploy`. */
  url: unknown;
  /** Where the hook itself listens, e.g. `127.0.0.1:9000`. */
  listen: unknown;
}

export function secretFindings(
  secret: unknown,
  { minSecret }: PolicySettings["deploy-hook-signed"],
): Finding[] {
  const length = typeof secret === "string" ? secret.length : 0;
  // A word repeated is long and still guessed.
  const distinct = typeof secret === "string" ? new Set(secret).size : 0;
  if (length >= minSecret && distinct >= 8) return [];
  const message = length === 0 ? "is missing: anybody could start a deploy" : "is too weak";
  return [
    {
      path: ["secret"],
      message,
      allowed: `a random HMAC secret of at least ${minSecret} characters, in the stack's secrets`,
    },
  ];
}

export function hostsFindings(hosts: unknown): Finding[] {
  const allowed = "the names the forge calls it by, each written out";
  if (!Array.isArray(hosts) || hosts.length === 0)
    return [{ path: ["hosts"], message: "is missing", allowed }];
  return hosts.flatMap((host: unknown, index): Finding[] => {
    const plain =
      typeof host === "string" && /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(host) && !/^[0.]+$/.test(host);
    return plain
      ? []
      : [{ path: ["hosts", index], message: "is a wildcard or no host name", got: host, allowed }];
  });
}

export function urlFindings(url: unknown): Finding[] {
  const allowed = "https, or plain HTTP on the loopback address or a private network";
  if (typeof url !== "string" || hostName(url) === undefined) {
    return [{ path: ["url"], message: "is no URL", got: url, allowed }];
  }
  if (/^https:/i.test(url)) return [];
  if (/^http:/i.test(url) && reachOf(url) !== "public") return [];
  return [{ path: ["url"], message: "is plain HTTP on a public address", got: url, allowed }];
}

/** Without it, whoever gets a merge past the forge has every host. */
export function unsignedFindings(signedCommits: unknown): Finding[] {
  if (signedCommits === true) return [];
  const message = "is off: whoever may merge, or has the forge, deploys";
  return [{ path: [], message, got: signedCommits, allowed: "true" }];
}

/** The hook itself speaks plain HTTP, so it listens where only a proxy of its own host or network gets at it. */
export function listenFindings(listen: unknown): Finding[] {
  const text = typeof listen === "string" ? listen : "";
  const reach = /^(0\.0\.0\.0|\[?::\]?|\*|):\d+$/.test(text) ? "public" : reachOf(`http://${text}`);
  if (reach === "loopback" || reach === "private") return [];
  const allowed = "127.0.0.1:<port> or an address of a private network";
  return [{ path: ["listen"], message: "is plain HTTP on a public address", got: listen, allowed }];
}
