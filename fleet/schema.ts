/**
 * What `fleet.yaml` and `house.yaml` may say. Unknown keys are refused.
 *
 * The error text of every check is what is *allowed*; {@link schemaProblems} adds file, line, path and the value got.
 */
import * as z from "zod";

import { scheduleProblems } from "./cron.ts";
import { OPENINGS, ROLLOUTS } from "./model.ts";
import { PACKAGE_NAME, PACKAGE_VERSION } from "./packages.ts";
import { type Path, type Problem, valueProblem } from "./problem.ts";
import { policySettings } from "./rules/settings.ts";
import { type DataFile, placeOf } from "./yaml.ts";

/** Names of houses and hosts: they become parts of paths, units and accounts. */
const NAME_RULE = "lower-case letters, digits and -, at most 24, beginning with a letter";
export const name = z.string().regex(/^[a-z](?:[a-z0-9]|-(?=[a-z0-9])){0,23}$/, NAME_RULE);

const oneLine = (max: number) =>
  z
    .string()
    .min(1, `text of 1 to ${max} characters on one line`)
    .max(max, `text of 1 to ${max} characters on one line`)
    .regex(/^[^\p{Cc}]*$/u, "text without line breaks and control characters");

const absolutePath = z
  .string()
  .regex(
    /^(?:\/[A-Za-z0-9_][A-Za-z0-9._-]*){2,}$/,
    "an absolute path of letters, digits, . _ - with no .. in it",
  );
/** Where data of a host lies: nothing that the system starts from, and nothing that the sandbox hides. */
const dataFolder = z
  .string()
  .regex(
    /^\/(?:srv|mnt|media|data)(?:\/[A-Za-z0-9_][A-Za-z0-9._-]*)+$/,
    "a folder below /srv, /mnt, /media or /data, of letters, digits, . _ - with no .. in it",
  );
const variable = z
  .string()
  .regex(/^[A-Z][A-Z0-9_]{0,63}$/, "the name of an environment variable, e.g. KIMI_API_KEY");
const user = z.string().regex(/^[a-z_][a-z0-9_-]{0,31}$/, "a user name: lower-case letters, digits, _ and -");
const whole = (low: number, high: number) => {
  const allowed = `a whole number from ${low} to ${high}`;
  return z.int(allowed).min(low, allowed).max(high, allowed);
};
const url = (schemes: readonly string[]) =>
  z
    .string()
    .refine(
      (text) => isUrl(text, schemes),
      `a URL with ${schemes.join(" or ")} and without user and password`,
    );
const strings = (item: z.ZodType<string>) => z.array(item, "a list of text");

const banned = object({
  family: name,
  reason: oneLine(200),
  providers: strings(oneLine(100)).default([]),
  models: strings(oneLine(100)).default([]),
  hosts: strings(oneLine(100)).default([]),
  keys: strings(oneLine(100)).default([]),
});

/** `{}` is any version, not on hold. */
const packages = z.record(
  z.string().regex(PACKAGE_NAME.expression, PACKAGE_NAME.words),
  object({
    version: z
      .string(PACKAGE_VERSION.words)
      .regex(PACKAGE_VERSION.expression, PACKAGE_VERSION.words)
      .optional(),
    held: z.boolean("true or false").optional(),
  }),
  "a map from package names to {} or {version, held}",
);

const host = object({
  address: z
    .string()
    .regex(/^[A-Za-z0-9](?:[A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?$/, "a host name or an IP address"),
  port: whole(1, 65535).default(22),
  user: user.default("root"),
  hostKey: z
    .string()
    .regex(
      /^ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/]{43}$/,
      "ssh-ed25519 and the key, without a comment",
    )
    .optional(),
  packages: packages.default({}),
});

const deadman = {
  grace: whole(60, 86_400),
  maxRetries: whole(1, 20),
  window: whole(60, 604_800),
  pingUrl: url(["https:", "http:"]).optional(),
  webhookUrl: url(["https:", "http:"]).optional(),
  dryRun: z.boolean("true or false"),
};
/** Settings of one piece of scheduled work; what is left out is the fleet's or the program's default. */
const scheduledWork = <Shape extends z.ZodRawShape>(own: Shape) =>
  object({
    enabled: z.boolean("true or false").optional(),
    schedule: oneLine(100).optional(),
    timeout: whole(5, 3600).optional(),
    ...own,
  }).optional();
const scheduled = object({
  heartbeat: scheduledWork({
    urls: strings(url(["https:", "http:"]))
      .max(10, "at most ten URLs")
      .optional(),
  }),
  heavyHeartbeat: scheduledWork({}),
  orphanCleanup: scheduledWork({ maxAge: whole(1, 720).optional() }),
  dailyReset: scheduledWork({ cacheDays: whole(1, 3650).optional(), logDays: whole(1, 3650).optional() }),
  tokenBudget: scheduledWork({ dailyTokens: whole(1, 1_000_000_000_000).optional() }),
  flushContinuity: scheduledWork({ keepDays: whole(1, 3650).optional() }),
}).default({});
const requestLog = { maxBytes: whole(10_000, 1_000_000_000), keep: whole(1, 100) };

export const fleetSchema = object({
  harness: object({
    version: z.string().regex(/^\d+\.\d+\.\d+$/, 'three numbers in quotes, e.g. "0.19.0"'),
    venv: absolutePath,
  }),
  rollout: z.enum(ROLLOUTS, `one of ${ROLLOUTS.join(", ")}`).default("canary"),
  banned: z.array(banned, "a list of families"),
  policies: policySettings.prefault({}),
  hosts: z.record(name, host, "a map from host names to hosts"),
  houses: strings(name).min(1, "at least one house"),
  packages: packages.default({}),
  defaults: object({ deadman: object(deadman), requestLog: object(requestLog), scheduled }),
});

const provider = object({
  provider: oneLine(64),
  model: oneLine(200),
  baseUrl: url(["http:", "https:"]).optional(),
  keyEnv: variable.optional(),
});

const cronEntry = object({
  name: oneLine(64),
  schedule: oneLine(100),
  user: user.optional(),
  command: z.array(z.string("text; put quotes around it"), "an argv list, e.g. [/usr/bin/find, /tmp]"),
});

const JOB_SCHEDULE = '{every: <minutes>} or {cron: "0 9 * * *"} with digits, * - , / only';

const job = object({
  name: oneLine(64),
  prompt: z.string("text").max(20_000, "at most 20000 characters").default(""),
  schedule: z.union(
    [
      object({ every: whole(1, 525_600) }),
      object({
        // The harness's parser takes digits and * - , / only.
        cron: z
          .string("text")
          .refine((text) => scheduleProblems(text).length === 0 && /^[0-9*,/ -]+$/.test(text), JOB_SCHEDULE),
      }),
    ],
    JOB_SCHEDULE,
  ),
  provider: oneLine(64).optional(),
  model: oneLine(200).optional(),
  skills: strings(oneLine(128)).default([]),
  deliver: oneLine(200).default("local"),
  script: z
    .string()
    .regex(
      /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.(?:sh|py)$/,
      "the name of a file in scripts/, ending in .sh or .py",
    )
    .optional(),
  noAgent: z.boolean("true or false").default(false),
});

const port = whole(1024, 65535);
const PORTS = "a map with the key health, and those of further platforms that listen";

export const houseSchema = object({
  host: name,
  role: oneLine(200),
  path: absolutePath.optional(),
  user: user.optional(),
  ports: z.object({ health: port }, PORTS).catchall(port),
  providers: z.array(provider, "a list of provider, model and so on").min(2, "at least two providers"),
  toolsets: strings(oneLine(64)).min(1, "at least one toolset"),
  skin: name,
  keys: strings(variable).default([]),
  cron: z.array(cronEntry, "a list of entries").default([]),
  jobs: z.array(job, "a list of jobs").default([]),
  deadman: object(deadman).partial().default({}),
  requestLog: object(requestLog).partial().default({}),
  scheduled,
  sandbox: object({
    write: strings(dataFolder).default([]),
    allow: z.array(z.enum(OPENINGS, `one of ${OPENINGS.join(", ")}`), "a list of names").default([]),
  }).default({ write: [], allow: [] }),
  adopt: z.boolean("true or false").default(false),
});

export type FleetData = z.output<typeof fleetSchema>;
export type HouseData = z.output<typeof houseSchema>;

/** Checks a file against a schema: data with defaults filled in, or every mistake in it. */
export function checkSchema<T>(
  schema: z.ZodType<T>,
  source: DataFile,
): { ok: true; value: T } | { ok: false; problems: Problem[] } {
  const result = schema.safeParse(source.value);
  if (result.success) return { ok: true, value: result.data };
  return { ok: false, problems: result.error.issues.flatMap((issue) => schemaProblems(source, issue)) };
}

function schemaProblems(source: DataFile, issue: z.core.$ZodIssue): Problem[] {
  const path = issue.path.filter((step) => typeof step !== "symbol");
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => {
      const place = placeOf(source, [...path, key]);
      return valueProblem(place, "is no known key", valueAt(source.value, place.path), issue.message);
    });
  }
  const got = valueAt(source.value, path);
  const place = placeOf(source, path);
  if (got === undefined) return [valueProblem(place, "is missing", undefined, issue.message)];
  if (issue.code === "invalid_key") {
    const [inner] = issue.issues;
    return [valueProblem(place, "is no valid name", path.at(-1), inner?.message ?? issue.message)];
  }
  const wrongType = issue.code === "invalid_type" || issue.code === "invalid_union";
  return [valueProblem(place, wrongType ? "has the wrong type" : "is not accepted", got, issue.message)];
}

function valueAt(value: unknown, path: Path): unknown {
  let current = value;
  for (const step of path) {
    if (typeof current !== "object" || current === null || !Object.hasOwn(current, step)) return undefined;
    current = (current as Record<string | number, unknown>)[step];
  }
  return current;
}

/** A strict object whose errors name the keys it has. */
function object<Shape extends z.ZodRawShape>(shape: Shape) {
  const keys = Object.keys(shape).join(", ");
  return z.strictObject(shape, {
    error: (issue) => (issue.code === "unrecognized_keys" ? keys : `a map with the keys ${keys}`),
  });
}

function isUrl(text: string, schemes: readonly string[]): boolean {
  // `new URL` trims and drops line breaks, so what it would repair is refused first.
  if (/[\s\p{Cc}]/u.test(text) || !URL.canParse(text)) return false;
  const parsed = new URL(text);
  return schemes.includes(parsed.protocol) && parsed.username === "" && parsed.password === "";
}
