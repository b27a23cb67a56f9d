/** Rule `ssh-pinned`: a host is who it says it is before anything is sent to it. */
import type { Finding } from "./finding.ts";
import type { PolicySettings } from "./settings.ts";

const ALLOWED = "ssh-ed25519 and the host's own key, as its /etc/ssh/ssh_host_ed25519_key.pub has it";
const PREFIX = "0000000b7373682d6564323535313900000020";

/** What is wrong with the way a host is reached. On the transport `local` there is nothing to pin. */
export function connectionFindings(connection: { transport?: unknown; hostKey?: unknown }): Finding[] {
  if (connection.transport === "local") return [];
  if (connection.transport !== "ssh") {
    return [
      { path: ["transport"], message: "is not allowed", got: connection.transport, allowed: "ssh, local" },
    ];
  }
  return hostKeyFindings(connection.hostKey);
}

/** What is wrong with a pinned key: it must be one, and the key of somebody. */
export function hostKeyFindings(hostKey: unknown): Finding[] {
  if (hostKey === undefined) return [{ path: ["hostKey"], message: "is missing", allowed: ALLOWED }];
  const [, blob = ""] = /^ssh-ed25519 ([A-Za-z0-9+/]{68})$/.exec(String(hostKey)) ?? [];
  const bytes = Buffer.from(blob, "base64").toString("hex");
  const body = bytes.slice(PREFIX.length);
  if (bytes.startsWith(PREFIX) && /[1-9a-f]/.test(body)) return [];
  return [{ path: ["hostKey"], message: "is no ed25519 key of a host", got: hostKey, allowed: ALLOWED }];
}

/** Hosts that show another's key: whoever has one of the two machines can play the other. */
export function sharedKeyFindings(
  hosts: Readonly<Record<string, { hostKey?: string | undefined }>>,
  { sharedKeys }: PolicySettings["ssh-pinned"],
): Finding[] {
  if (sharedKeys) return [];
  const owner = new Map<string, string>();
  return Object.entries(hosts).flatMap(([name, { hostKey }]): Finding[] => {
    const first = hostKey === undefined ? undefined : owner.get(hostKey);
    if (hostKey !== undefined && first === undefined) owner.set(hostKey, name);
    if (first === undefined) return [];
    const message = `is the key of host ${first} too`;
    return [
      {
        path: [name, "hostKey"],
        message,
        allowed: "a key of its own per host: remove cloned ones and run ssh-keygen -A",
      },
    ];
  });
}
