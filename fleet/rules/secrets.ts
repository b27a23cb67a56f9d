/** Rule `secrets-stay-secret`: nothing that looks like a key stands anywhere but in `.env`. */
import { isMap } from "../merge.ts";
import type { Path } from "../problem.ts";
import { isKnownSecret } from "../redact.ts";
import type { Finding } from "./finding.ts";
import type { PolicySettings } from "./settings.ts";

type Settings = PolicySettings["secrets-stay-secret"];

/** Keys under which a value is a secret whatever it looks like. */
const SECRET_LEAF = /(^|_)(api_?key|token|secret|password|passwd|access_key|private_key)$/i;
const REFERENCE = /^\$\{[A-Z][A-Z0-9_]*\}$/;
/** `/` and `=` part words although base64 has them: paths and assignments are far more often long. */
const WORD = /[A-Za-z0-9+_-]{24,}/g;
/** A public key as OpenSSH writes it, and the hash of one. */
const PUBLIC_KEY =
  /\b(?:ssh-(?:ed25519|rsa)|ecdsa-sha2-nistp\d+) AAAA[A-Za-z0-9+/=]+|\bSHA256:[A-Za-z0-9+/]{43}/g;
const URL_PASSWORD = /\b[a-z][a-z0-9+.-]*:\/\/[^\s/?#@:]*:[^\s/?#@]+@/i;

const ALLOWED = "${NAME}, with NAME among the house's `keys` and its value in the stack's secrets";

/** Key-like material in a tree of a configuration. Values under a secret's name must be references. */
export function secretsInTree(value: unknown, settings: Settings, path: Path = []): Finding[] {
  if (Array.isArray(value))
    return value.flatMap((item, index) => secretsInTree(item, settings, [...path, index]));
  if (isMap(value))
    return Object.entries(value).flatMap(([key, inner]) => secretsInTree(inner, settings, [...path, key]));
  if (typeof value !== "string" || value === "" || REFERENCE.test(value)) return [];
  const place = String(path.findLast((step) => typeof step === "string") ?? "");
  return SECRET_LEAF.test(place) || isKeyLike(value, settings)
    ? [{ path, message: "is a secret in plain text", got: value, allowed: ALLOWED }]
    : [];
}

/** Key-like material in prose, scripts, units. */
export function secretsInText(text: string, settings: Settings): Finding[] {
  return secretLines(text, settings).map((line) => ({
    path: [],
    message: `holds what looks like a key in line ${line}`,
    allowed:
      "no secrets outside .env; a word that only looks like one can be named in policies.secrets-stay-secret.public",
  }));
}

/** Numbers, from 1, of the lines that hold key-like material. */
function secretLines(text: string, settings: Settings): number[] {
  // Most files hold nothing of the kind, and so need not be taken apart.
  if (!isKeyLike(text, settings)) return [];
  return text.split("\n").flatMap((line, index) => (isKeyLike(line, settings) ? [index + 1] : []));
}

/** Whether text holds a known vendor's key, a URL with a password, or a word as random as a key. */
export function isKeyLike(text: string, settings: Settings): boolean {
  const plain = settings.public.reduce(
    (rest, word) => rest.replaceAll(word, ""),
    text.replaceAll(PUBLIC_KEY, ""),
  );
  if (isKnownSecret(plain) || URL_PASSWORD.test(plain)) return true;
  return (plain.match(WORD) ?? []).some((word) => looksRandom(word, settings.minEntropy));
}

/**
 * Digits and both cases within one part of a dashed word, and as many different characters as chance makes. Hashes in
 * hexadecimal are not: they identify commits and files far more often than they open anything.
 */
function looksRandom(word: string, minEntropy: number): boolean {
  const mixed = word
    .split(/[-_]/)
    .some((part) => part.length >= 16 && /[0-9]/.test(part) && /[a-z]/.test(part) && /[A-Z]/.test(part));
  return mixed && entropy(word) >= minEntropy;
}

/** Shannon's, in bits per character. */
export function entropy(word: string): number {
  const counts = new Map<string, number>();
  for (const char of word) counts.set(char, (counts.get(char) ?? 0) + 1);
  return [...counts.values()].reduce(
    (sum, count) => sum - (count / word.length) * Math.log2(count / word.length),
    0,
  );
}

/** Names of variables whose value is a secret, as opposed to a setting. */
const SECRET_VARIABLE = /(KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS?)$/;

/** The secrets among the variables of an `.env`. */
export function secretVariables(env: ReadonlyMap<string, string>): [string, string][] {
  return [...env].filter(([name]) => SECRET_VARIABLE.test(name));
}

/** Names of the secrets whose very value stands in another text. */
export function copiedSecrets(secrets: readonly [string, string][], text: string): string[] {
  return secrets.flatMap(([name, value]) => (value.length >= 8 && text.includes(value) ? [name] : []));
}
