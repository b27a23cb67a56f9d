/**
 * What `fleet.yaml` and `house.yaml` may say. Unknown keys are refused.
 *
 * The error text of every check is what is *allowed*; {@link schemaProblems} adds file, line, path and the value got.
 */
import { BlockList, isIP } from "node:net";

import * as z from "zod";

import { isRecipient, RECIPIENT_RULE } from "./age-recipient.ts";
import { scheduleProblems } from "./cron.ts";
import { FORGES, OPENINGS, ROLLOUTS } from "./model.ts";
import { isNetwork } from "./networks.ts";
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
/** Where a forge is. A token goes there, which must not be read on the way. */
const forgeUrl = z
  .string()
  .refine(
    isForgeUrl,
    "a URL with https:, or http: and an address of a private network; without user, password, ? and #",
  )
  .transform((text) => text.replace(/\/+$/, ""));
const repository = z
  .string()
  .regex(
    /^(?!\.+\/)[A-Za-z0-9._-]{1,64}\/(?!\.+$)[A-Za-z0-9._-]{1,100}$/,
    "owner/name, as in the forge's URLs",
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

/** `banned:` of fleet.yaml, and the file with the least that a control house wants banned. */
export const bannedSchema = z.array(banned, "a list of families");

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

/** Names as DigitalOcean's API has them. */
const slug = (example: string) =>
  z.string().regex(/^[a-z0-9][a-z0-9.-]{0,62}$/, `a name of DigitalOcean's, e.g. ${example}`);
const network = z.string().refine(isNetwork, "an address or a network, e.g. 203.0.113.0/24 or 2001:db8::/48");
const networks = z.array(network, "a list of networks").min(1, "at least one network");

const droplet = object({
  region: slug("fra1"),
  size: slug("s-1vcpu-2gb"),
  image: slug("debian-12-x64").default("debian-12-x64"),
  vpc: z.uuid("the id of a VPC").optional(),
  backups: z.boolean("true or false").default(true),
  monitoring: z.boolean("true or false").default(true),
  tags: strings(z.string().regex(/^[A-Za-z0-9:_-]{1,255}$/, "letters, digits, : _ -")).default([]),
  reservedIp: z.boolean("true or false").default(false),
  volume: whole(1, 16_384).optional(),
  inbound: z.array(object({ port: whole(1, 65_535), from: networks }), "a list of {port, from}").default([]),
  generation: whole(1, 999).default(1),
  protect: z.boolean("true or false").default(true),
});

const publicKey = z
  .string()
  .regex(
    /^(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)) [A-Za-z0-9+/]{68,}={0,2}$/,
    "a public SSH key without a comment, e.g. ssh-ed25519 AAAA…",
  );

const digitalocean = object({
  sshKeys: z
    .record(name, publicKey, "a map from names to public SSH keys")
    .refine((keys) => Object.keys(keys).length > 0, "at least one public SSH key"),
  sshFrom: networks,
  project: oneLine(175).optional(),
  domain: z
    .string()
    .regex(/^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,}$/, "a domain name in lower case")
    .optional(),
});

const host = object({
  address: z
    .string()
    .regex(/^[A-Za-z0-9](?:[A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?$/, "a host name or an IP address")
    .optional(),
  port: whole(1, 65535).default(22),
  user: user.default("root"),
  hostKey: z
    .string()
    .regex(
      /^ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/]{43}$/,
      "ssh-ed25519 and the key, without a comment",
    )
    .optional(),
  droplet: droplet.optional(),
  packages: packages.default({}),
});

const deadman = {
  grace: whole(60, 86_400),
  maxRetries: whole(1, 20),
  window: whole(60, 604_800),
  pingUrlKey: variable.optional(),
  webhookUrlKey: variable.optional(),
  forge: object({ url: forgeUrl, repository, tokenKey: variable }).optional(),
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

const backup = {
  recipients: strings(z.string().refine(isRecipient, RECIPIENT_RULE))
    .min(1, "at least one public key")
    .optional(),
  schedule: oneLine(100).optional(),
  keep: whole(1, 1000).optional(),
  maxSize: whole(1_000_000, 100_000_000_000).optional(),
  maxAge: whole(1, 8784).optional(),
  timeout: whole(60, 43_200).optional(),
};

const TLS = "acme, or a map with the keys certificate and key";
const deployHook = object({
  host: name,
  stack: z
    .string()
    .regex(/^(?!dev$)[a-z][a-z0-9-]{0,31}$/, "the name of a stack other than dev, whose secrets are public"),
  names: z
    .array(
      z
        .string()
        .regex(
          /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/,
          "a host name in lower case, e.g. deploy.example.org",
        ),
      "a list of host names",
    )
    .min(1, "at least one host name"),
  tls: z.union([z.literal("acme"), object({ certificate: absolutePath, key: absolutePath })], TLS).optional(),
  forge: object({
    kind: z.enum(FORGES, `one of ${FORGES.join(", ")}; Forgejo is gitea`),
    url: url(["https:", "http:"]),
    repository: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/, "owner/name"),
    branch: z
      .string()
      .regex(/^[A-Za-z0-9](?:[A-Za-z0-9_-]|[./](?=[A-Za-z0-9_-])){0,99}$/, "the name of a branch")
      .default("main"),
  }),
  backend: z
    .string()
    .regex(
      /^(?:file:\/\/\/var\/lib\/deploy-converge\/[A-Za-z0-9._-]+|(?:s3|gs|azblob|https):\/\/[A-Za-z0-9][A-Za-z0-9._~:/?&=%+-]*)$/,
      "file:///var/lib/deploy-converge/<folder>, s3://…, gs://…, azblob://… or https://…, without user and password",
    ),
  signedCommits: z.boolean("true or false").default(true),
  node: absolutePath,
  deadline: whole(60, 7200).default(900),
});

/** With `venv` it is on the host already; without, it is installed from a lock. */
const harness = object({
  version: z.string().regex(/^\d+\.\d+\.\d+$/, 'three numbers in quotes, e.g. "0.19.0"'),
  venv: absolutePath.optional(),
  lock: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.lock$/, "the name of a file in harness/, ending in .lock")
    .optional(),
});

export const fleetSchema = object({
  harness,
  rollout: z.enum(ROLLOUTS, `one of ${ROLLOUTS.join(", ")}`).default("canary"),
  banned: bannedSchema,
  policies: policySettings.prefault({}),
  hosts: z.record(name, host, "a map from host names to hosts"),
  digitalocean: digitalocean.optional(),
  houses: strings(name).min(1, "at least one house"),
  packages: packages.default({}),
  deployHook: deployHook.optional(),
  defaults: object({
    deadman: object(deadman),
    requestLog: object(requestLog),
    scheduled,
    backup: object(backup).optional(),
  }),
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
  backup: object({ enabled: z.boolean("true or false").optional(), ...backup }).optional(),
  sandbox: object({
    write: strings(dataFolder).default([]),
    allow: z.array(z.enum(OPENINGS, `one of ${OPENINGS.join(", ")}`), "a list of names").default([]),
  }).default({ write: [], allow: [] }),
  harness: harness.optional(),
  adopt: z.boolean("true or false").default(false),
});

export type HarnessData = z.output<typeof harness>;
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

/** What stands at a place of plain data; `undefined` where there is no such place. */
export function valueAt(value: unknown, path: Path): unknown {
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

/** Whether text is a URL as it stands, with one of the schemes (`https:`) and without user and password. */
export function isUrl(text: string, schemes: readonly string[]): boolean {
  // `new URL` trims and drops line breaks, so what it would repair is refused first.
  if (/[\s\p{Cc}]/u.test(text) || !URL.canParse(text)) return false;
  const parsed = new URL(text);
  return schemes.includes(parsed.protocol) && parsed.username === "" && parsed.password === "";
}

/** Networks whose addresses nobody outside reaches, those of tailnets among them. */
const PRIVATE = new BlockList();
for (const [network, bits] of [
  ["127.0.0.0", 8],
  ["10.0.0.0", 8],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["100.64.0.0", 10],
  ["198.18.0.0", 15],
] as const)
  PRIVATE.addSubnet(network, bits);

function isForgeUrl(text: string): boolean {
  if (!isUrl(text, ["https:", "http:"]) || /["\\?#]/.test(text)) return false;
  const { protocol, hostname } = new URL(text);
  return protocol === "https:" || (isIP(hostname) === 4 && PRIVATE.check(hostname));
}
