/**
 * The settings of the rules, `policies:` in fleet.yaml. The banned families stand beside them, under `banned:`.
 *
 * Each setting's description is what the documentation says about it. Error texts are what is allowed.
 */
import * as z from "zod";

const whole = (low: number, high: number) => {
  const allowed = `a whole number from ${low} to ${high}`;
  return z.int(allowed).min(low, allowed).max(high, allowed);
};
const list = (expression: RegExp, allowed: string) =>
  z.array(z.string(allowed).regex(expression, allowed), `a list: ${allowed}`);
const HOST = list(
  /^(?:\*\.)?[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/,
  "host names in lower case; *.example.com also covers example.com",
);
const NAME = list(/^[a-z0-9][a-z0-9_-]*$/, "names of lower-case letters, digits, _ and -");

/** A rule's settings: strict, all with defaults, so that a fleet which says nothing has them all. */
function settings<Shape extends z.ZodRawShape>(shape: Shape) {
  const keys = Object.keys(shape).join(", ");
  return z.strictObject(shape, {
    error: (issue) => (issue.code === "unrecognized_keys" ? keys : `a map with the keys ${keys}`),
  });
}

const soulGate = settings({
  remoteHosts: HOST.default([]).describe(
    "Hosts on the internet that a `base_url` may name, beside those of the harness's own providers.",
  ),
  ttsProviders: NAME.default([
    ...["edge", "elevenlabs", "openai", "xai", "minimax", "mistral", "gemini", "deepinfra", "neutts"],
    ...["kittentts", "piper"],
  ]).describe("What may speak: values of `tts.provider`."),
  sttProviders: NAME.default(["local", "groq", "openai", "mistral", "elevenlabs", "deepinfra"]).describe(
    "What may listen: values of `stt.provider`.",
  ),
});

const goldenState = settings({
  providers: whole(2, 10).default(2).describe("How many independent providers a chain has at least."),
});

const deadmanPresent = settings({
  maxGrace: whole(60, 86_400).default(3600).describe("Seconds a house may be silent at most."),
  maxRetries: whole(1, 20).default(10).describe("Restarts at most before a human is called."),
});

const requestLogPresent = settings({
  maxTotal: whole(10_000, 1_000_000_000_000)
    .default(2_000_000_000)
    .describe("Bytes that a house's log and its rotated files may take together."),
});

const deployHookSigned = settings({
  minSecret: whole(16, 256).default(32).describe("Characters that the HMAC secret has at least."),
});

const cronSafe = settings({
  everyMinutes: whole(1, 1440)
    .default(5)
    .describe("Minutes between two runs of a job of `house.yaml`, at least."),
});

const portsUnique = settings({
  reserved: z
    .array(whole(1, 65_535), "a list of ports")
    .default([])
    .describe("Ports of the hosts that something else uses, e.g. 8080."),
});

const secretsStaySecret = settings({
  minEntropy: z
    .number("a number from 3 to 6")
    .min(3, "a number from 3 to 6")
    .max(6, "a number from 3 to 6")
    .default(4)
    .describe("Bits per character from which a word of 24 characters or more counts as key-like."),
  public: z
    .array(z.string("text").min(8, "text of at least 8 characters"), "a list of text")
    .default([])
    .describe("Words that look like keys and are none."),
});

const fileModes = settings({
  worldReadable: z
    .array(z.string("a path").startsWith("/", "an absolute path"), "a list of absolute paths")
    .default(["/etc/", "/usr/local/"])
    .describe("Folders outside houses in which files may be readable for everybody."),
});

const unitHardened = settings({
  capabilities: list(/^CAP_[A-Z_]+$/, "names of capabilities, e.g. CAP_NET_BIND_SERVICE")
    .default(["CAP_NET_BIND_SERVICE"])
    .describe("Capabilities that units outside houses may have. Those of houses have none."),
});

const sshPinned = settings({
  sharedKeys: z
    .boolean("true or false")
    .default(false)
    .describe("Whether two hosts may show the same host key, as machines cloned from one image do."),
});

const PRICES = "a map from sizes to US dollars a month, e.g. {s-1vcpu-1gb: 6}";
const droplet = settings({
  regions: NAME.default(["ams3", "fra1", "nyc3"]).describe("Regions a droplet may be in."),
  sizes: z
    .record(z.string(), z.number(PRICES).min(0, PRICES), PRICES)
    .default({ "s-1vcpu-1gb": 6, "s-1vcpu-2gb": 12, "s-2vcpu-2gb": 18, "s-2vcpu-4gb": 24 })
    .describe("Sizes a droplet may have, with their price in US dollars a month."),
  monthly: z
    .number("a number of US dollars")
    .min(0, "a number of US dollars")
    .default(100)
    .describe("US dollars that all droplets of a stack may cost a month, backups included."),
  tags: NAME.default(["wizard-houses"]).describe("Tags that every droplet has."),
  backups: z.boolean("true or false").default(true).describe("Whether every droplet is backed up."),
});

/** `policies:` of fleet.yaml. */
export const policySettings = settings({
  "soul-gate": soulGate.prefault({}),
  "golden-state": goldenState.prefault({}),
  "deadman-present": deadmanPresent.prefault({}),
  "request-log-present": requestLogPresent.prefault({}),
  "deploy-hook-signed": deployHookSigned.prefault({}),
  "cron-safe": cronSafe.prefault({}),
  "ports-unique": portsUnique.prefault({}),
  "secrets-stay-secret": secretsStaySecret.prefault({}),
  "file-modes": fileModes.prefault({}),
  "unit-hardened": unitHardened.prefault({}),
  "ssh-pinned": sshPinned.prefault({}),
  droplet: droplet.prefault({}),
});

/** Settings by rule. A rule that is not here has nothing to set. */
export type PolicySettings = z.output<typeof policySettings>;

/** What applies to a fleet that sets nothing. */
export const DEFAULT_SETTINGS: PolicySettings = policySettings.parse({});

export interface SettingDoc {
  /** What applies where fleet.yaml says nothing. */
  fallback: unknown;
  meaning: string;
}

/** Every setting by rule and name, for the documentation. */
export const RULE_SETTINGS: Readonly<Record<string, Readonly<Record<string, SettingDoc>>>> =
  Object.fromEntries(
    Object.entries(policySettings.shape).map(([rule, schema]) => [
      rule,
      Object.fromEntries(
        Object.entries(schema.unwrap().shape as Record<string, z.ZodType>).map(([name, setting]) => [
          name,
          { fallback: setting.parse(undefined), meaning: setting.description ?? "" },
        ]),
      ),
    ]),
  );
