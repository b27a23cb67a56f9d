/**
 * Matching one name against the banned families: a provider's id, a model's name, a URL, a credential's variable. What
 * counts is who answers: neither the wire protocol `anthropic_messages` nor another vendor's URL path ending in
 * `/anthropic` is a violation.
 */
import type { BannedFamily } from "../model.ts";

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

/**
 * By the hosts of a URL: its own, and those that it passes on to, as `https://relay.example/https://api.example.com` and
 * `?url=https%3A%2F%2Fapi.example.com` do. Clouds name the model in the path, behind `publishers/` or `model/`. Text
 * without a scheme is read as a host, as clients do.
 */
export function bannedUrl(banned: readonly BannedFamily[], url: string): BannedFamily | undefined {
  const hosts = hostsOf(url);
  const byHost = banned.find((family) =>
    family.hosts.some((pattern) => hosts.some((host) => hostFits(pattern, host))),
  );
  if (byHost !== undefined) return byHost;
  const [, model] = /\/(?:publishers|models?)\/([^?#]+)/.exec(normalise(url)) ?? [];
  return model === undefined ? undefined : bannedModel(banned, model);
}

/** The name of an environment variable that holds a credential. */
export function bannedKey(banned: readonly BannedFamily[], name: string): BannedFamily | undefined {
  const variable = normalise(name);
  return banned.find((family) => family.keys.some((pattern) => fits(pattern, variable)));
}

/** Lower case, compatibility forms folded, percent-encoding undone, blanks trimmed. */
function normalise(text: string): string {
  // Nearly all text has nothing to undo.
  if (/^[\x20-\x24\x26-\x7e]*$/.test(text)) return text.trim().toLowerCase();
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

/** The host of a URL, then those of URLs inside it and the parts of its path that are host names themselves. */
function hostsOf(url: string): string[] {
  // Clients take a backslash for a slash.
  const text = normalise(url).replaceAll("\\", "/");
  const inner = [...text.matchAll(/(?<=.)(?:[a-z][a-z0-9+.-]*:)?\/\/[^/?#&\s]+/g)].map(([found]) => found);
  const [path = ""] = text.split(/[?#]/);
  const steps = path.split("/").filter((step) => step.includes("."));
  return [text, ...inner, ...steps].flatMap((one) => hostOf(one) ?? []);
}

/** `undefined` where there is no host, e.g. in an empty string. */
function hostOf(text: string): string | undefined {
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//.test(text) ? text : `https://${text}`;
  try {
    // Unknown schemes leave the host as written, so it is read as https, which also resolves punycode.
    const { hostname } = new URL(withScheme.replace(/^[a-z][a-z0-9+.-]*:/, "https:"));
    return hostname.replace(/\.+$/, "");
  } catch {
    return undefined;
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
