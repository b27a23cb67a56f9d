/** The public key of a host, as it stands in its /etc/ssh/ssh_host_*_key.pub and, pinned, in wizards/fleet.yaml. */
import { createHash } from "node:crypto";

/** Types of keys that can be pinned, with the signature algorithms a host may prove each with. */
const TYPES: Record<string, string> = {
  "ssh-ed25519": "ssh-ed25519",
  "ecdsa-sha2-nistp256": "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384": "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521": "ecdsa-sha2-nistp521",
  // SHA-1 signatures, which the type's own name stands for, can be forged.
  "ssh-rsa": "rsa-sha2-512,rsa-sha2-256",
};

export const HOST_KEY_SHAPE =
  '"ssh-ed25519 AAAA…" as it stands in the host\'s /etc/ssh/ssh_host_ed25519_key.pub, without the comment at its end ' +
  `(types: ${Object.keys(TYPES).join(", ")})`;

export interface HostKey {
  /** E.g. `ssh-ed25519`. */
  type: string;
  /** As ssh's option HostKeyAlgorithms takes them. */
  algorithms: string;
  /** E.g. `SHA256:YiwK…`, as ssh and ssh-keygen print it. */
  fingerprint: string;
}

/** Reads `<type> <base64>`; undefined if it is no such key. */
export function parseHostKey(text: string): HostKey | undefined {
  const match = /^([a-z0-9-]+) ([A-Za-z0-9+/]+={0,2})$/.exec(text);
  if (!match) return undefined;
  const [, type = "", base64 = ""] = match;
  const algorithms = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
  const blob = Buffer.from(base64, "base64");
  const [inside, ...numbers] = fields(blob) ?? [];
  if (algorithms === undefined || inside?.toString("latin1") !== type) return undefined;
  if (numbers.length === 0 || blob.toString("base64") !== base64) return undefined;
  const digest = createHash("sha256").update(blob).digest("base64").replaceAll("=", "");
  return { type, algorithms, fingerprint: `SHA256:${digest}` };
}

/** The fields of a key, each behind its length; undefined if they do not end where the key does. */
function fields(blob: Buffer): Buffer[] | undefined {
  const found: Buffer[] = [];
  let at = 0;
  while (at + 4 <= blob.length) {
    const end = at + 4 + blob.readUInt32BE(at);
    found.push(blob.subarray(at + 4, end));
    at = end;
  }
  return at === blob.length ? found : undefined;
}
