/**
 * Rule `banned-provider`: where a banned family would take effect, in everything that is parsed: configurations,
 * variables, command lines, units. Prose (SOUL.md, prompts, descriptions) is never looked at.
 */
import type { HarnessFacts } from "./harness/facts.ts";
import { isMap } from "./merge.ts";
import type { BannedFamily } from "./model.ts";
import { at } from "./pins.ts";
import type { Path } from "./problem.ts";
import { bannedKey, bannedModel, bannedProvider, bannedUrl } from "./rules/banned-names.ts";
import { assignment, shellCommands, shellWords, unitDirectives } from "./rules/words.ts";

/** A value that belongs to a banned family. */
export interface Violation {
  family: BannedFamily;
  path: Path;
  value: string;
}

export interface Surroundings {
  /** What `${NAME}` in a configuration stands for: the house's own `.env`. */
  env?: ReadonlyMap<string, string>;
  /** Tells who answers for a provider of the harness's own, whatever its id. */
  facts?: Pick<HarnessFacts, "providers">;
}

const PROVIDER_PLACE = /(^|_)providers?$/;
const MODEL_PLACE = /(^|_)(models?|model_id|model_aliases|image)$|^aliases$/;
const KEY_PLACE = /(^|_)(key_env|token_env|env_passthrough|forward_env)$/;
const ENV_PLACE = /(^|_)env$/;
const PROSE_PLACE =
  /^(prompt|prompts|system_prompt|channel_prompts|personalities|platform_hints|description|role)$/;
/** Lists by which an aggregator is told whom to use. `ignore` stands beside them and forbids. */
const ROUTING_PLACE = /^(only|order|allow)$/;
/** Where a program is named, with its arguments beside it or behind it. */
const COMMAND_PLACE = /^(command|cmd|script|exec)$/;

/**
 * Every violation in a configuration tree. The key a value stands under says what it names; a URL is recognised
 * anywhere, and so is `${NAME}` of a banned credential. Map keys under `providers` and `models` count as names too.
 */
export function bannedInConfig(
  banned: readonly BannedFamily[],
  config: unknown,
  surroundings: Surroundings = {},
): Violation[] {
  const found: Violation[] = [];
  const add = (family: BannedFamily | undefined, path: Path, value: string): void => {
    if (family !== undefined) found.push({ family, path, value });
  };
  const walk = (value: unknown, path: Path): void => {
    if (typeof value === "string") {
      add(judge(banned, value, path, surroundings), path, value);
    } else if (Array.isArray(value)) {
      value.forEach((item, index) => walk(item, [...path, index]));
    } else if (isMap(value)) {
      const place = lastName(path);
      for (const [key, inner] of Object.entries(value)) {
        if (PROVIDER_PLACE.test(place)) add(bannedProvider(banned, key), [...path, key], key);
        if (MODEL_PLACE.test(place)) add(bannedModel(banned, key), [...path, key], key);
        if (COMMAND_PLACE.test(key)) {
          const commands = commandsAt(inner, value["args"]);
          add(firstBanned(banned, commands), [...path, key], commands[0]?.[0] ?? "");
        }
        if (!PROSE_PLACE.test(key)) walk(inner, [...path, key]);
      }
    }
  };
  walk(config, []);
  return found;
}

/** Violations that a configuration leaves to the harness's defaults: what it does not set, and the harness would. */
export function bannedInDefaults(
  banned: readonly BannedFamily[],
  config: unknown,
  facts: Pick<HarnessFacts, "defaults" | "providers">,
): Violation[] {
  return inDefaults(banned, facts).filter(({ path }) => {
    // A branch that is replaced by something else, such as an empty list, leaves nothing to its defaults.
    const above = path.map((_, length) => at(config, path.slice(0, length + 1)));
    return above.every((value, index) => value === undefined || (isMap(value) && index < path.length - 1));
  });
}

/** The same for every house. */
const defaults = new WeakMap<object, { banned: readonly BannedFamily[]; found: Violation[] }>();

function inDefaults(
  banned: readonly BannedFamily[],
  facts: Pick<HarnessFacts, "defaults" | "providers">,
): Violation[] {
  const known = defaults.get(facts);
  if (known?.banned === banned) return known.found;
  const found = bannedInConfig(banned, facts.defaults, { facts });
  defaults.set(facts, { banned, found });
  return found;
}

/** The family of a variable and its value. An empty one bans nothing: pinned to nothing is how credentials are kept out. */
export function bannedVariable(
  banned: readonly BannedFamily[],
  name: string,
  value: string,
): BannedFamily | undefined {
  if (value.trim() === "") return undefined;
  return (
    bannedKey(banned, name) ??
    (/_PROVIDER$/i.test(name) ? bannedProvider(banned, value) : undefined) ??
    (/_MODEL$/i.test(name) ? bannedModel(banned, value) : undefined) ??
    (/_(URL|BASE|HOST|ENDPOINT)$/i.test(name) || value.includes("://") ? bannedUrl(banned, value) : undefined)
  );
}

const MODEL_OPTION = /^--?(m|models?|.*-model)$/i;
const PROVIDER_OPTION = /^--?(p|providers?|.*-provider)$/i;
const SHELL = /sh$/;
/** Programs that run the one behind them. */
const WRAPPER = /^(env|exec|nice|nohup|timeout|setsid|xargs|sudo|npx|uvx|pnpx|bunx|pipx|command)$/;

/**
 * The family that a command line would call: by its program, its options for model and provider, variables set in it,
 * URLs. Other words, such as paths and search terms, are prose.
 */
export function bannedInCommand(
  banned: readonly BannedFamily[],
  words: readonly string[],
): BannedFamily | undefined {
  let program = true;
  let shell = false;
  for (const [index, word] of words.entries()) {
    const [option = "", attached] = /^(--?[A-Za-z][\w-]*)=(.*)$/s.exec(word)?.slice(1) ?? [word];
    const named = attached ?? words[index + 1] ?? "";
    const value = attached ?? word;
    const set = assignment(word);
    const family =
      (MODEL_OPTION.test(option) ? bannedModel(banned, named) : undefined) ??
      (PROVIDER_OPTION.test(option) ? bannedProvider(banned, named) : undefined) ??
      (set === undefined ? undefined : bannedVariable(banned, ...set)) ??
      (/^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? bannedUrl(banned, value) : undefined) ??
      (program ? bannedProgram(banned, word) : undefined) ??
      (shell && /^-[a-z]*c$/.test(words[index - 1] ?? "")
        ? firstBanned(banned, shellCommands(word))
        : undefined);
    if (family !== undefined) return family;
    const skipped = set !== undefined || word.startsWith("-") || /^\d+[smhd]?$/.test(word);
    const isShell = SHELL.test(baseName(word));
    shell ||= program && isShell;
    program &&= skipped || isShell || WRAPPER.test(baseName(word));
  }
  return undefined;
}

function bannedProgram(banned: readonly BannedFamily[], word: string): BannedFamily | undefined {
  const name = baseName(word);
  // As a package it may carry a version: `@vendor/tool@1.2`.
  return bannedProvider(banned, name) ?? (word.startsWith("@") ? bannedModel(banned, word) : undefined);
}

/** Directives of a unit that would call a banned family. The path is the directive's name. */
export function bannedInUnit(banned: readonly BannedFamily[], text: string): Violation[] {
  return unitDirectives(text).flatMap(({ name, value }) => {
    const family = bannedInDirective(banned, name, value);
    return family === undefined ? [] : [{ family, path: [name], value }];
  });
}

/** Families that a script of an agent's job would call: line by line as commands, and by every URL in them. */
export function bannedInScript(banned: readonly BannedFamily[], text: string): BannedFamily[] {
  const found = text
    .split("\n")
    .filter((line) => !/^\s*#/.test(line))
    .flatMap((line) => {
      const urls = line.match(/[a-z][a-z0-9+.-]*:\/\/[^\s"'`<>()]+/gi) ?? [];
      return [
        firstBanned(banned, shellCommands(line)) ?? [],
        ...urls.map((url) => bannedUrl(banned, url) ?? []),
      ].flat();
    });
  return [...new Set(found)];
}

function bannedInDirective(
  banned: readonly BannedFamily[],
  name: string,
  value: string,
): BannedFamily | undefined {
  if (/^Exec[A-Z]/.test(name)) return bannedInCommand(banned, shellWords(value.replace(/^[-@:+!]+/, "")));
  const words = shellWords(value);
  for (const word of words) {
    const set = assignment(word);
    const family =
      name === "Environment" && set !== undefined
        ? bannedVariable(banned, ...set)
        : name === "PassEnvironment"
          ? bannedKey(banned, word)
          : /^(Load|Set|Import)Credential/.test(name)
            ? bannedKey(banned, word.split(":")[0] ?? "")
            : undefined;
    if (family !== undefined) return family;
  }
  return undefined;
}

function judge(
  banned: readonly BannedFamily[],
  written: string,
  path: Path,
  { env, facts }: Surroundings,
): BannedFamily | undefined {
  const place = lastName(path);
  for (const match of written.matchAll(/\$\{([^}:]+)/g)) {
    const key = bannedKey(banned, match[1] ?? "");
    if (key !== undefined) return key;
  }
  // As the harness does: once, and what is not set stays as it is.
  const value = written.replace(/\$\{([^}]+)\}/g, (whole, name: string) => env?.get(name) ?? whole);
  const parent = lastName(path.slice(0, path.lastIndexOf(place)));
  if (ENV_PLACE.test(parent)) return bannedVariable(banned, place, value);
  if (ENV_PLACE.test(place)) {
    const set = assignment(value);
    if (set !== undefined) return bannedVariable(banned, ...set);
  }
  if (PROVIDER_PLACE.test(place) || (ROUTING_PLACE.test(place) && /^provider(_routing)?$/.test(parent)))
    return bannedProvider(banned, value) ?? bannedUrl(banned, value) ?? bannedAnswerer(banned, value, facts);
  if (place === "name" && parent === "custom_providers") return bannedProvider(banned, value);
  if (KEY_PLACE.test(place)) return bannedKey(banned, value);
  // `model: {default: …}` and its spellings: the section's own name says that it is a model.
  const isModel =
    MODEL_PLACE.test(place) ||
    /^(model_)?aliases$/.test(parent) ||
    (path[0] === "model" && ["default", "name"].includes(place));
  if (isModel) return bannedModel(banned, value);
  const looksLikeUrl =
    /^[a-z][a-z0-9+.-]*:\/\//i.test(value.trim()) || /(^|_)(url|host|endpoint|api_base)$/.test(place);
  return looksLikeUrl ? bannedUrl(banned, value) : undefined;
}

/** By where the harness sends what goes to a provider of its own, and what it signs in with. */
function bannedAnswerer(
  banned: readonly BannedFamily[],
  provider: string,
  facts: Surroundings["facts"],
): BannedFamily | undefined {
  const id = provider.trim().toLowerCase();
  const known = facts !== undefined && Object.hasOwn(facts.providers, id) ? facts.providers[id] : undefined;
  if (known === undefined) return undefined;
  const [firstKey] = known.keys;
  return bannedUrl(banned, known.url) ?? (firstKey === undefined ? undefined : bannedKey(banned, firstKey));
}

/** Commands of text or of a list of words; arguments that stand beside them belong to the last. */
function commandsAt(command: unknown, args: unknown): string[][] {
  const commands = typeof command === "string" ? shellCommands(command) : [strings(command)];
  return [...commands, [...(commands.at(-1) ?? []), ...strings(args)]];
}

function firstBanned(
  banned: readonly BannedFamily[],
  commands: readonly (readonly string[])[],
): BannedFamily | undefined {
  for (const command of commands) {
    const family = bannedInCommand(banned, command);
    if (family !== undefined) return family;
  }
  return undefined;
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? (value as unknown[]).filter((item) => typeof item === "string") : [];
}

/** The closest map key: list items belong to the key of their list. */
function lastName(path: Path): string {
  return String(path.findLast((step) => typeof step === "string") ?? "");
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
