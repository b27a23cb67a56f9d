/** Which values may be printed. Errors quote what they found, so whatever may be a secret is recognised here. */

const SECRET_PLACE =
  /(^|[_\-.])(api_?keys?|keys?|token|secret|password|passwd|credentials?|authorization|env)$/i;
/** Places that hold names of variables, not their values. */
const NAME_PLACE = /^(keyEnv|keys|key_env|api_key_env|pingUrlKey|webhookUrlKey|tokenKey)$/;
const NAME_OF_A_VARIABLE = /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$/;
const KNOWN_PREFIX =
  /(?<![A-Za-z0-9])(?:(?:sk|rk|ghp|gho|ghs|github_pat|glpat|xox[abprs]|hf|gsk|dop_v1|pul)[-_][A-Za-z0-9_-]{8,}|(?:AIza|AKIA|ASIA|ya29)[A-Za-z0-9._-]{8,})/;
const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY/;
const RUN = /[A-Za-z0-9+/=_-]{20,}/g;

/** What stands in the place of a secret. */
export const HIDDEN = "(hidden)";
const LONGEST_SHOWN = 80;

/** Whether the value under this key is a secret whatever it looks like: `api_key`, `GITEA_TOKEN`, `env` … */
export function isSecretPlace(key: string): boolean {
  return SECRET_PLACE.test(key.replace(/([a-z])([A-Z])/g, "$1_$2"));
}

/** Whether text has the shape of a known vendor's key, or is a private key. Fewer false alarms than {@link isSecretLooking}. */
export function isKnownSecret(text: string): boolean {
  return PRIVATE_KEY.test(text) || KNOWN_PREFIX.test(text);
}

/** The text with a word in place of everything that has the shape of a known vendor's key. */
export function hideKnownSecrets(text: string): string {
  return text.replaceAll(new RegExp(KNOWN_PREFIX, "g"), HIDDEN);
}

/** Whether text looks like a key or token: a known vendor's prefix, or a long run of mixed letters and digits. */
export function isSecretLooking(text: string): boolean {
  if (isKnownSecret(text)) return true;
  return (text.match(RUN) ?? []).some((run) => {
    // Paths and dashed words are long too; a token has digits and letters mixed within one word of it.
    const word = run.split(/[/_-]/).reduce((a, b) => (b.length > a.length ? b : a), "");
    if (word.length < 16) return false;
    return /[0-9]/.test(word) && /[A-Za-z]/.test(word);
  });
}

/** A value for an error message: JSON, cut at 80 characters, or only its size where it may be a secret. */
export function describe(value: unknown, path: readonly (string | number)[] = []): string {
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value) ?? String(value);
  if (!isPublic(value, path) && (path.some(secretStep) || containsSecret(value))) {
    return `(hidden, it may be a secret: ${text.length} characters)`;
  }
  return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}… (${text.length} characters)` : text;
}

/** What is public though it looks like a secret: a name such as KIMI_API_KEY where one belongs, a host's public key. */
function isPublic(value: unknown, path: readonly (string | number)[]): boolean {
  // A host's public key: its owner has to see what is wrong with it. A private one never starts like this.
  if (path.at(-1) === "hostKey" && typeof value === "string" && /^ssh-[a-z0-9-]+ /.test(value)) return true;
  if (typeof value !== "string" || !NAME_OF_A_VARIABLE.test(value) || isKnownSecret(value)) return false;
  return NAME_PLACE.test(String(path.findLast((step) => typeof step === "string")));
}

function secretStep(step: string | number): boolean {
  return typeof step === "string" && (isSecretPlace(step) || isSecretLooking(step));
}

function containsSecret(value: unknown): boolean {
  if (typeof value === "string") return isSecretLooking(value) && !NAME_OF_A_VARIABLE.test(value);
  if (Array.isArray(value)) return value.some(containsSecret);
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(
    ([key, inner]) => isSecretPlace(key) || isSecretLooking(key) || containsSecret(inner),
  );
}
