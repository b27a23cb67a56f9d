/**
 * API keys: from the stack's secret configuration to the houses that need them.
 *
 *     pulumi config set --secret --path 'wizard-houses:keys.KIMI_API_KEY'            # every house that needs it
 *     pulumi config set --secret --path 'wizard-houses:keys.bezalel.KIMI_API_KEY'    # bezalel alone; wins
 *
 * Everything here is pure. Error texts name keys and never hold a value.
 */
import { isUrl } from "../fleet/schema.ts";

/** Keys by house and environment variable, in clear; the caller wraps them at once. */
export type HouseKeys = Record<string, Record<string, string>>;

export interface KeyRequest {
  /** The configuration object `wizard-houses:keys`, parsed; `undefined` where none is set. */
  configured: unknown;
  /** Which names each house needs, and what the values of some of them must look like. */
  houses: { name: string; keys: string[]; shapes?: Record<string, KeyShape> }[];
  /** The stack's passphrase is public: real keys are refused, missing ones are replaced by placeholders. */
  dev: boolean;
}

/** `url`: http or https; `token`: letters, digits, `.`, `_` and `-`. */
export type KeyShape = "url" | "token";

const SHAPES: Record<KeyShape, { fits: (value: string) => boolean; words: string }> = {
  url: {
    fits: (value) => isUrl(value, ["https:", "http:"]) && !/["\\]/.test(value),
    words: "a URL with https: or http:, without user, password, quotes and backslashes",
  },
  token: { fits: (value) => /^[A-Za-z0-9._-]+$/.test(value), words: "a token of letters, digits, . _ and -" },
};

/** Something is wrong with the keys; `problems` has one line each. */
export class KeysError extends Error {
  readonly problems: string[];

  constructor(problems: string[]) {
    super(
      `The stack's API keys do not fit the fleet:\n${problems.map((problem) => `  ${problem}`).join("\n")}`,
    );
    this.name = "KeysError";
    this.problems = problems;
  }
}

/** Gives every house its keys. Throws a {@link KeysError} that lists everything missing, unused, malformed or refused. */
export function resolveKeys({ configured, houses, dev }: KeyRequest): HouseKeys {
  const { entries, problems } = readKeys(configured, new Set(houses.map((house) => house.name)));
  const used = new Set<string>();
  const missing = new Set<string>();
  const misshapen = new Map<string, string>();

  const resolved = houses.map((house): [string, Record<string, string>] => {
    const values = house.keys.map((name): [string, string] => {
      const path = [`${house.name}.${name}`, name].find((candidate) => entries.has(candidate));
      used.add(name);
      used.add(`${house.name}.${name}`);
      const shape = house.shapes?.[name];
      if (path !== undefined) {
        const value = entries.get(path) ?? "";
        if (shape !== undefined && !SHAPES[shape].fits(value)) misshapen.set(path, SHAPES[shape].words);
        return [name, value];
      }
      if (!dev) missing.add(name);
      const placeholder = `placeholder-for-${name}-in-the-dev-stack`;
      // No name below .invalid is ever found.
      return [
        name,
        shape === "url" ? `http://${placeholder.replaceAll("_", "-").toLowerCase()}.invalid/` : placeholder,
      ];
    });
    return [house.name, Object.fromEntries(values)];
  });

  for (const name of [...missing].sort()) {
    const by = houses.filter((house) => house.keys.includes(name) && !entries.has(`${house.name}.${name}`));
    problems.push(
      `${name} is not set, needed by ${by.map((house) => house.name).join(", ")}; ` +
        `run: pulumi config set --secret --path 'wizard-houses:keys.${name}'`,
    );
  }
  for (const [path, words] of misshapen) problems.push(`${path} must be ${words}`);
  for (const [path, value] of entries) {
    if (!used.has(path)) {
      problems.push(
        `${shown(path)} is set but no house needs it: a slip of the pen, or left over; ` +
          `run: pulumi config rm --path 'wizard-houses:keys.${shown(path)}'`,
      );
    }
    if (dev && looksReal(value)) {
      problems.push(
        `${path} looks like a real key; this stack's passphrase is public, so anyone could read it. ` +
          `Remove it (pulumi config rm --path 'wizard-houses:keys.${path}'), revoke it if it was committed, and use another stack`,
      );
    }
  }
  if (problems.length > 0) throw new KeysError(problems);
  return Object.fromEntries(resolved);
}

const VARIABLE = /^[A-Z][A-Z0-9_]*$/;

/** Flattens the configuration object to `NAME` and `house.NAME`. */
function readKeys(
  configured: unknown,
  houses: Set<string>,
): { entries: Map<string, string>; problems: string[] } {
  const entries = new Map<string, string>();
  const problems: string[] = [];
  if (configured === undefined) return { entries, problems };
  if (!isObject(configured))
    return { entries, problems: ["wizard-houses:keys must be an object of names and values"] };

  const read = (path: string, name: string, value: unknown): void => {
    if (!VARIABLE.test(name)) {
      problems.push(
        `${shown(path)} is neither an environment variable such as KIMI_API_KEY nor a house of this fleet`,
      );
    } else if (typeof value !== "string" || value.trim() === "" || /[\r\n\0]/.test(value)) {
      problems.push(`${path} must be a non-empty text of one line`);
    } else {
      entries.set(path, value);
    }
  };
  for (const [name, value] of Object.entries(configured)) {
    if (!houses.has(name)) {
      read(name, name, value);
    } else if (isObject(value)) {
      for (const [inner, innerValue] of Object.entries(value)) read(`${name}.${inner}`, inner, innerValue);
    } else {
      problems.push(`${name} is a house, so it must be an object of names and values`);
    }
  }
  return { entries, problems };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A name for an error text, unless somebody pasted a key where its name belongs. */
function shown(path: string): string {
  return path.split(".").some(looksReal) ? "(a name that looks like a key itself, hidden)" : path;
}

/** How the keys of well-known services begin. */
const KEY_PREFIXES =
  /^(sk-|sk_|rk_|pk_|AIza|ya29\.|xai-|gh[pousr]_|github_pat_|glpat-|hf_|gsk_|nvapi-|fw_|r8_|pplx-|AKIA|ASIA|xox[abeprs]-|xapp-|eyJ|dop_v1_|-----BEGIN)/;
/** A Telegram bot token. */
const BOT_TOKEN = /^\d{6,12}:[\w-]{30,}$/;

/**
 * Whether a value may be a real credential: it begins like one, or is long and jumps between letters and digits or
 * cases as words and names never do.
 */
export function looksReal(value: string): boolean {
  const text = value.trim();
  if (KEY_PREFIXES.test(text) || BOT_TOKEN.test(text)) return true;
  const kinds = [...text.replace(/[^A-Za-z0-9]/g, "")].map((char) =>
    /[0-9]/.test(char) ? "digit" : /[a-z]/.test(char) ? "lower" : "upper",
  );
  const jumps = kinds.filter((kind, index) => index > 0 && kind !== kinds[index - 1]).length;
  return kinds.length >= 16 && jumps >= 6;
}

/**
 * The error to end with if a stack other than dev encrypts its secrets under an empty passphrase, otherwise nothing.
 * An unset passphrase is fine: it then comes from a file or the stack has another secrets provider.
 */
export function passphraseProblem(dev: boolean, passphrase: string | undefined): string | undefined {
  if (dev || passphrase !== "") return undefined;
  return (
    "PULUMI_CONFIG_PASSPHRASE is empty, so anyone could decrypt this stack's keys. Set a passphrase " +
    "(pulumi stack change-secrets-provider passphrase), or unset the variable if the stack has another secrets provider."
  );
}
