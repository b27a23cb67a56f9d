/**
 * Matching banned families of providers and models on parsed structure: provider ids, model names, hosts of URLs and
 * names of keys. Prose (SOUL.md, prompts) is never looked at, and neither the wire protocol `anthropic_messages` nor
 * another vendor's URL path ending in `/anthropic` is a violation: what counts is who answers.
 */
import type { BannedFamily } from "./model.ts";
import type { Path } from "./problem.ts";

/** A value that belongs to a banned family. */
export interface Violation {
  family: BannedFamily;
  path: Path;
  value: string;
}

export function bannedMessage({ family, reason }: BannedFamily): string {
  return `belongs to the banned family ${family} (${reason})`;
}

export function bannedProvider(banned: readonly BannedFamily[], provider: string): BannedFamily | undefined {
  // `custom:claude` and `claude` name the same entry of the harness.
  const id = normalise(provider).replace(/^custom:/, "");
  return banned.find((family) => family.providers.some((pattern) => fits(pattern, id)));
}

/**
 * A model as aggregators and clouds spell it: `anthropic/claude-x`, `us.anthropic.claude-x-v1:0`,
 * `publishers/anthropic/models/claude-x`, `claude-x@date`. A pattern matches the whole name or what follows a separator.
 */
export function bannedModel(banned: readonly BannedFamily[], model: string): BannedFamily | undefined {
  const name = normalise(model);
  const parts = [...name.matchAll(/[/.:~@]/g)].map((match) => name.slice(match.index + 1));
  const candidates = [name, ...parts];
  return banned.find((family) =>
    family.models.some((pattern) => candidates.some((candidate) => fits(pattern, candidate))),
  );
}

/** By the host of a URL only. Text without a scheme is read as a host, as clients do. */
export function bannedUrl(banned: readonly BannedFamily[], url: string): BannedFamily | undefined {
  const host = hostOf(url);
  if (host === undefined) return undefined;
  return banned.find((family) => family.hosts.some((pattern) => hostFits(pattern, host)));
}

/** The name of an environment variable that holds a credential. */
export function bannedKey(banned: readonly BannedFamily[], name: string): BannedFamily | undefined {
  const variable = normalise(name);
  return banned.find((family) => family.keys.some((pattern) => fits(pattern.toLowerCase(), variable)));
}

const PROVIDER_PLACE = /(^|_)providers?$/;
const MODEL_PLACE = /(^|_)(models?|model_id|default_model|reference_models)$/;
const KEY_PLACE = /(^|_)(key_env|api_key_env|token_env|env_passthrough|docker_forward_env)$/;
const PROSE_PLACE =
  /^(prompt|prompts|system_prompt|channel_prompts|personalities|platform_hints|description|role)$/;

/**
 * Every violation in a configuration tree. The key a value stands under says what it names; a URL is recognised
 * anywhere, and so is `${NAME}` of a banned credential. Map keys under `providers` and `models` count as names too.
 */
export function bannedInConfig(banned: readonly BannedFamily[], config: unknown): Violation[] {
  const found: Violation[] = [];
  const add = (family: BannedFamily | undefined, path: Path, value: string): void => {
    if (family !== undefined) found.push({ family, path, value });
  };
  const walk = (value: unknown, path: Path): void => {
    if (typeof value === "string") {
      add(judge(banned, value, path), path, value);
    } else if (Array.isArray(value)) {
      value.forEach((item, index) => walk(item, [...path, index]));
    } else if (typeof value === "object" && value !== null) {
      const place = lastName(path);
      for (const [key, inner] of Object.entries(value)) {
        if (PROVIDER_PLACE.test(place)) add(bannedProvider(banned, key), [...path, key], key);
        if (MODEL_PLACE.test(place)) add(bannedModel(banned, key), [...path, key], key);
        if (!PROSE_PLACE.test(key)) walk(inner, [...path, key]);
      }
    }
  };
  walk(config, []);
  return found;
}

function judge(banned: readonly BannedFamily[], value: string, path: Path): BannedFamily | undefined {
  const place = lastName(path);
  if (path.some((step) => step === "env") && typeof path.at(-1) === "string") {
    const key = bannedKey(banned, String(path.at(-1)));
    if (key !== undefined) return key;
  }
  for (const match of value.matchAll(/\$\{([^}:]+)/g)) {
    const key = bannedKey(banned, match[1] ?? "");
    if (key !== undefined) return key;
  }
  if (PROVIDER_PLACE.test(place)) return bannedProvider(banned, value) ?? bannedUrl(banned, value);
  if (KEY_PLACE.test(place)) return bannedKey(banned, value);
  // `model: {default: …}` and its spellings: the section's own name says that it is a model.
  const isModel =
    MODEL_PLACE.test(place) || (path[0] === "model" && ["default", "name", "model"].includes(place));
  if (isModel) return bannedModel(banned, value);
  const looksLikeUrl =
    /^[a-z][a-z0-9+.-]*:\/\//i.test(value.trim()) || /(^|_)(url|host|endpoint|api_base)$/.test(place);
  return looksLikeUrl ? bannedUrl(banned, value) : undefined;
}

/** The closest map key: list items belong to the key of their list. */
function lastName(path: Path): string {
  return String(path.findLast((step) => typeof step === "string") ?? "");
}

/** Lower case, compatibility forms folded, percent-encoding undone, blanks trimmed. */
function normalise(text: string): string {
  let plain = text;
  // Twice, so that an encoded percent sign does not hide an encoded letter.
  for (let round = 0; round < 2; round++) {
    try {
      plain = decodeURIComponent(plain);
    } catch {
      break; // Not percent-encoded text: it is what it says.
    }
  }
  return plain
    .normalize("NFKC")
    .replace(/\p{Default_Ignorable_Code_Point}/gu, "")
    .trim()
    .toLowerCase();
}

function hostOf(url: string): string | undefined {
  const text = normalise(url);
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//.test(text) ? text : `https://${text.replace(/^\/+/, "")}`;
  try {
    // Unknown schemes leave the host as written, so it is read as https, which also resolves punycode.
    const { hostname } = new URL(withScheme.replace(/^[a-z][a-z0-9+.-]*:/, "https:"));
    return hostname.replace(/\.+$/, "");
  } catch {
    return undefined; // No URL at all, e.g. an empty string.
  }
}

/** `*.example.com` also covers `example.com` itself. */
function hostFits(pattern: string, host: string): boolean {
  return fits(pattern, host) || (pattern.startsWith("*.") && host === pattern.slice(2).toLowerCase());
}

const compiled = new Map<string, RegExp>();

/** Whether `*` patterns match the whole text. */
function fits(pattern: string, text: string): boolean {
  let expression = compiled.get(pattern);
  if (expression === undefined) {
    const body = pattern
      .toLowerCase()
      .split("*")
      .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
    expression = new RegExp(`^${body.join(".*")}$`, "su");
    compiled.set(pattern, expression);
  }
  return expression.test(text);
}
