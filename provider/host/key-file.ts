/** Makes an ed25519 key pair in OpenSSH's own formats, as `ssh-keygen -t ed25519 -N ''` does. */
import { generateKeyPairSync, randomBytes } from "node:crypto";

export interface KeyFiles {
  /** `ssh-ed25519 AAAA…`, without a comment. */
  publicKey: string;
  /** The text of a private key file. */
  privateKey: string;
}

const TYPE = "ssh-ed25519";
/** What an unencrypted key is padded to a multiple of. */
const BLOCK = 8;

/** @param comment ends the private key file's contents, e.g. the name of the host; nothing reads it */
export function makeKeyPair(comment: string): KeyFiles {
  const { privateKey } = generateKeyPairSync("ed25519");
  const { d = "", x = "" } = privateKey.export({ format: "jwk" });
  const [seed, point] = [Buffer.from(d, "base64url"), Buffer.from(x, "base64url")];
  const publicBlob = Buffer.concat([text(TYPE), field(point)]);
  // The same number twice, by which a reader sees that what it decrypted is a key.
  const check = randomBytes(4);
  const secret = Buffer.concat([
    ...[check, check, publicBlob, field(Buffer.concat([seed, point])), text(comment)],
  ]);
  const padding = Buffer.from(
    Array.from({ length: (BLOCK - (secret.length % BLOCK)) % BLOCK }, (_, at) => at + 1),
  );
  const file = Buffer.concat([
    Buffer.from("openssh-key-v1\0"),
    ...[text("none"), text("none"), text("")],
    number(1),
    field(publicBlob),
    field(Buffer.concat([secret, padding])),
  ]);
  const lines = file.toString("base64").match(/.{1,70}/g) ?? [];
  return {
    publicKey: `${TYPE} ${publicBlob.toString("base64")}`,
    privateKey: [
      "-----BEGIN OPENSSH PRIVATE KEY-----",
      ...lines,
      "-----END OPENSSH PRIVATE KEY-----",
      "",
    ].join("\n"),
  };
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

const field = (bytes: Buffer): Buffer => Buffer.concat([number(bytes.length), bytes]);
const text = (words: string): Buffer => field(Buffer.from(words));
