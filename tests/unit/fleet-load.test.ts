import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { parse } from "yaml";

import { bannedInConfig } from "../../fleet/banned.ts";
import { goldenLayer } from "../../fleet/golden.ts";
import { harnessFacts } from "../../fleet/harness/facts.ts";
import { ENVIRONMENTS, FleetError, loadFleet, type Problem, renderHouse } from "../../fleet/index.ts";
import { at, steeringLeaves } from "../../fleet/pins.ts";

const WIZARDS = join(import.meta.dirname, "../../wizards");
const scratch = mkdtempSync(join(tmpdir(), "fleet-load-"));
let wizards: string;

beforeEach(() => {
  wizards = join(mkdtempSync(join(scratch, "t-")), "wizards");
  cpSync(WIZARDS, wizards, { recursive: true });
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const file = (name: string): string => join(wizards, name);

/** Replaces text in a file; fails if it is not there, so that no case tests nothing. */
function edit(name: string, from: string, to: string): void {
  const text = readFileSync(file(name), "utf8");
  if (!text.includes(from)) throw new Error(`${name} has no ${from}`);
  writeFileSync(file(name), text.replace(from, to));
}

function append(name: string, text: string): void {
  writeFileSync(file(name), `${readFileSync(file(name), "utf8")}\n${text}\n`);
}

function lineOf(name: string, text: string): number {
  return (
    readFileSync(file(name), "utf8")
      .split("\n")
      .findIndex((line) => line.includes(text)) + 1
  );
}

function loadError(): FleetError {
  try {
    loadFleet(wizards);
  } catch (error) {
    if (error instanceof FleetError) return error;
    throw error;
  }
  throw new Error("the fleet loads");
}

/** One mistake: how it is made, where its problem is found, and what the problem says. */
interface Mistake {
  what: string;
  make: () => void;
  in: string;
  /** Text of the line the problem must point at. */
  at?: string;
  path: string;
  message: string;
  got?: string;
  allowed?: string;
}

const forge = (url: string, repository: string, key = "DEADMAN_FORGE_TOKEN"): string =>
  `deadman:\n  forge:\n    url: ${url}\n    repository: ${repository}\n    tokenKey: ${key}`;

/** A deploy hook in which one line is another. */
const deployHook = (from: string, to: string): void => {
  const text = `deployHook:
  host: forge
  stack: prod
  names: [deploy.example.org]
  tls: acme
  forge: { kind: gitea, url: "https://forge.example.org", repository: timmy/config }
  backend: s3://state
  node: /opt/node
`;
  if (!text.includes(from)) throw new Error(`the hook has no ${from}`);
  append("fleet.yaml", text.replace(from, to));
};

const mistakes: Mistake[] = [
  {
    what: "a deploy hook on the stack whose secrets are public",
    make: () => deployHook("stack: prod", "stack: dev"),
    in: "fleet.yaml",
    at: "stack: dev",
    path: "deployHook.stack",
    message: "is not accepted",
    got: '"dev"',
    allowed: "the name of a stack other than dev",
  },
  {
    what: "a deploy hook for any name",
    make: () => deployHook("[deploy.example.org]", '["*.example.org"]'),
    in: "fleet.yaml",
    at: "names:",
    path: "deployHook.names[0]",
    message: "is not accepted",
    allowed: "a host name in lower case",
  },
  {
    what: "a deploy hook with half a certificate",
    make: () => deployHook("tls: acme", "tls: { certificate: /etc/ssl/cert.pem }"),
    in: "fleet.yaml",
    at: "tls:",
    path: "deployHook.tls",
    message: "has the wrong type",
    allowed: "acme, or a map with the keys certificate and key",
  },
  {
    what: "a deploy hook of an unknown forge",
    make: () => deployHook("kind: gitea", "kind: forgejo"),
    in: "fleet.yaml",
    at: "forge: { kind",
    path: "deployHook.forge.kind",
    message: "is not accepted",
    got: '"forgejo"',
    allowed: "one of gitea, github; Forgejo is gitea",
  },
  {
    what: "a deploy hook of a branch that is an option",
    make: () => deployHook("timmy/config }", "timmy/config, branch: --upload-pack=x }"),
    in: "fleet.yaml",
    at: "forge: { kind",
    path: "deployHook.forge.branch",
    message: "is not accepted",
    allowed: "the name of a branch",
  },
  {
    what: "a deploy hook whose state would be where its unit cannot write",
    make: () => deployHook("s3://state", "file:///srv/state"),
    in: "fleet.yaml",
    at: "backend:",
    path: "deployHook.backend",
    message: "is not accepted",
    allowed: "file:///var/lib/deploy-converge/<folder>, s3://",
  },
  {
    what: "a deploy hook on a host that is none",
    make: () => deployHook("host: forge", "host: helm"),
    in: "fleet.yaml",
    at: "host: helm",
    path: "deployHook.host",
    message: "is no host of the fleet",
    got: '"helm"',
    allowed: "tower, forge",
  },
  {
    what: "an unknown key",
    make: () => append("ezra/house.yaml", "colour: blue"),
    in: "ezra/house.yaml",
    at: "colour: blue",
    path: "colour",
    message: "is no known key",
    got: '"blue"',
    allowed: "host, role, path",
  },
  {
    what: "an unknown key of a host",
    make: () => edit("fleet.yaml", "address: 203.0.113.20", "adress: 203.0.113.20"),
    in: "fleet.yaml",
    at: "adress:",
    path: "hosts.forge.adress",
    message: "is no known key",
    allowed: "address, port, user, hostKey",
  },
  {
    what: "a package that cannot have this name",
    make: () => edit("fleet.yaml", "packages: {}", "packages:\n  curl-: {}"),
    in: "fleet.yaml",
    at: "curl-:",
    path: "packages.curl-",
    message: "is no valid name",
    got: '"curl-"',
    allowed: "the name of a Debian package",
  },
  {
    what: "a package's version that is a number",
    make: () => edit("fleet.yaml", "packages: {}", "packages:\n  jq: {version: 1.6}"),
    in: "fleet.yaml",
    at: "version: 1.6",
    path: "packages.jq.version",
    message: "has the wrong type",
    got: "1.6",
    allowed: "the exact version of a Debian package, e.g.",
  },
  {
    what: "a list of packages",
    make: () => edit("fleet.yaml", "packages: {}", "packages: [jq]"),
    in: "fleet.yaml",
    path: "packages",
    message: "has the wrong type",
    allowed: "a map from package names to {} or {version, held}",
  },
  {
    what: "a URL with a token where the name of its key belongs",
    make: () =>
      edit(
        "bezalel/house.yaml",
        "deadman:",
        "deadman:\n  pingUrlKey: https://ping.example/0123456789abcdef0123456789abcdef",
      ),
    in: "bezalel/house.yaml",
    at: "pingUrlKey",
    path: "deadman.pingUrlKey",
    message: "is not accepted",
    got: "(hidden, it may be a secret: 55 characters)",
    allowed: "the name of an environment variable",
  },
  {
    what: "a forge that a token would reach in clear",
    make: () => edit("bezalel/house.yaml", "deadman:", forge("http://forge.example", "fleet/houses")),
    in: "bezalel/house.yaml",
    at: "url: http",
    path: "deadman.forge.url",
    message: "is not accepted",
    got: '"http://forge.example"',
    allowed: "a URL with https:, or http: and an address of a private network",
  },
  {
    what: "a repository that is a path out of the API",
    make: () => edit("bezalel/house.yaml", "deadman:", forge("https://forge.example", "../admin")),
    in: "bezalel/house.yaml",
    at: "repository:",
    path: "deadman.forge.repository",
    message: "is not accepted",
    got: '"../admin"',
    allowed: "owner/name",
  },
  {
    what: "a token of the deadman switch that an agent has as well",
    make: () =>
      edit("bezalel/house.yaml", "deadman:", forge("https://f.example", "a/b", "TELEGRAM_BOT_TOKEN")),
    in: "bezalel/house.yaml",
    at: "tokenKey:",
    path: "deadman.forge.tokenKey",
    message: "is also a key of the agent of allegro, who must not have it",
    got: '"TELEGRAM_BOT_TOKEN"',
    allowed: "a key of its own, which no agent gets",
  },
  {
    what: "an unknown key of a host's package",
    make: () =>
      edit(
        "fleet.yaml",
        "address: 203.0.113.20",
        'address: 203.0.113.20\n    packages:\n      jq: {verson: "1.6"}',
      ),
    in: "fleet.yaml",
    at: "verson",
    path: "hosts.forge.packages.jq.verson",
    message: "is no known key",
    allowed: "version, held",
  },
  {
    what: "a wrong type",
    make: () => edit("ezra/house.yaml", "health: 8643", "health: high"),
    in: "ezra/house.yaml",
    at: "health: high",
    path: "ports.health",
    message: "has the wrong type",
    got: '"high"',
    allowed: "a whole number from 1024 to 65535",
  },
  {
    what: "a port out of range",
    make: () => edit("ezra/house.yaml", "health: 8643", "health: 80"),
    in: "ezra/house.yaml",
    at: "health: 80",
    path: "ports.health",
    message: "is not accepted",
    got: "80",
  },
  {
    what: "a missing key",
    make: () => edit("ezra/house.yaml", "skin: ezra", ""),
    in: "ezra/house.yaml",
    path: "skin",
    message: "is missing",
  },
  {
    what: "a missing file",
    make: () => unlinkSync(file("ezra/SOUL.md")),
    in: "ezra/SOUL.md",
    path: "",
    message: "the file is missing",
  },
  {
    what: "an empty SOUL",
    make: () => writeFileSync(file("ezra/SOUL.md"), "\n"),
    in: "ezra/SOUL.md",
    path: "",
    message: "is empty",
  },
  {
    what: "a missing overlay",
    make: () => unlinkSync(file("base/prod.yaml")),
    in: "base/prod.yaml",
    path: "",
    message: "the file is missing",
  },
  {
    what: "a listed house without a folder",
    make: () => edit("fleet.yaml", "  - allegro", "  - allegro\n  - ghost"),
    in: "ghost/house.yaml",
    path: "",
    message: "the file is missing",
  },
  {
    what: "a folder that is not listed",
    make: () => edit("fleet.yaml", "  - ezra\n", ""),
    in: "fleet.yaml",
    path: "houses",
    message: "does not list the folder wizards/ezra/",
  },
  {
    what: "a house listed twice",
    make: () => edit("fleet.yaml", "  - ezra", "  - ezra\n  - ezra"),
    in: "fleet.yaml",
    path: "houses[2]",
    message: "is listed twice",
  },
  {
    what: "a house name that leaves the folder",
    make: () => edit("fleet.yaml", "  - ezra", "  - ../etc"),
    in: "fleet.yaml",
    at: "../etc",
    path: "houses[1]",
    message: "is not accepted",
    got: '"../etc"',
  },
  {
    what: "a skin name that leaves the folder",
    make: () => edit("ezra/house.yaml", "skin: ezra", "skin: ../../x"),
    in: "ezra/house.yaml",
    at: "../../x",
    path: "skin",
    message: "is not accepted",
  },
  {
    what: "a skin that is not there",
    make: () => edit("ezra/house.yaml", "skin: ezra", "skin: other"),
    in: "ezra/house.yaml",
    at: "skin: other",
    path: "skin",
    message: "is no skin",
    got: '"other"',
  },
  {
    what: "a skin under another name",
    make: () => edit("ezra/skins/ezra.yaml", "name: ezra", "name: erza"),
    in: "ezra/skins/ezra.yaml",
    at: "name: erza",
    path: "name",
    message: "differs from the file's name",
    allowed: "ezra",
  },
  {
    what: "a link out of the folder",
    make: () => (unlinkSync(file("ezra/SOUL.md")), symlinkSync("/etc/passwd", file("ezra/SOUL.md"))),
    in: "ezra/SOUL.md",
    path: "",
    message: "leads out of wizards/",
  },
  {
    what: "a 10 MB file",
    make: () => truncateSync(file("ezra/config.yaml"), 10_000_000),
    in: "ezra/config.yaml",
    path: "",
    message: "is too large",
    got: "10000000 bytes",
    allowed: "at most 262144 bytes",
  },
  {
    what: "duplicate keys",
    make: () => append("ezra/house.yaml", "host: forge"),
    in: "ezra/house.yaml",
    path: "",
    message: "the same key stands twice",
  },
  {
    what: "two houses on one port",
    make: () => edit("allegro/house.yaml", "health: 8641", "health: 8643"),
    in: "allegro/house.yaml",
    at: "health: 8643",
    path: "ports.health",
    message: "is taken on host tower by ezra (wizards/ezra/house.yaml:",
    got: "8643",
  },
  {
    what: "two houses in one folder",
    make: () => append("allegro/house.yaml", "path: /srv/wizards/ezra"),
    in: "allegro/house.yaml",
    path: "path",
    message: "is taken on host tower by ezra",
  },
  {
    what: "a house inside another",
    make: () => append("allegro/house.yaml", "path: /srv/wizards/ezra/home"),
    in: "allegro/house.yaml",
    path: "path",
    message: "is taken on host tower by ezra",
  },
  {
    what: "two houses with one account",
    make: () => append("allegro/house.yaml", "user: wizard-ezra"),
    in: "allegro/house.yaml",
    path: "user",
    message: "is taken on host tower by ezra",
  },
  {
    what: "a path with ..",
    make: () => append("ezra/house.yaml", "path: /srv/wizards/../ezra"),
    in: "ezra/house.yaml",
    path: "path",
    message: "is not accepted",
  },
  {
    what: "an unknown host",
    make: () => edit("ezra/house.yaml", "host: tower", "host: keep"),
    in: "ezra/house.yaml",
    at: "host: keep",
    path: "host",
    message: "is no host of the fleet",
    got: '"keep"',
    allowed: "tower, forge",
  },
  {
    what: "a cron schedule that is none",
    make: () => edit("ezra/house.yaml", "schedule: 30 2 1 * *", "schedule: 61 2 1 * *"),
    in: "ezra/house.yaml",
    at: "61 2 1",
    path: "cron[0].schedule",
    message: "has no valid minute",
    got: '"61"',
  },
  {
    what: "a cron user that is none",
    make: () => edit("ezra/house.yaml", "schedule: 30 2 1 * *", "schedule: 30 2 1 * *\n    user: root;id"),
    in: "ezra/house.yaml",
    at: "root;id",
    path: "cron[0].user",
    message: "is not accepted",
  },
  {
    what: "a cron command that is no list",
    make: () =>
      edit(
        "ezra/house.yaml",
        'command: [/usr/bin/find, /srv/wizards/ezra/home/logs, -name, "*.log.*", -mtime, "+60", -delete]',
        "command: rm -rf / # `x`",
      ),
    in: "ezra/house.yaml",
    at: "rm -rf",
    path: "cron[0].command",
    message: "has the wrong type",
    allowed: "an argv list",
  },
  {
    what: "a cron command with %",
    make: () => edit("ezra/house.yaml", '"+60"', '"+%d"'),
    in: "ezra/house.yaml",
    at: "+%d",
    path: "cron[0].command[5]",
    message: "holds a %",
  },
  {
    what: "a banned provider",
    make: () => edit("ezra/house.yaml", "provider: kimi-coding", "provider: anthropic"),
    in: "ezra/house.yaml",
    at: "provider: anthropic",
    path: "providers[1].provider",
    message: "belongs to the banned family anthropic",
    got: '"anthropic"',
  },
  {
    what: "a banned model behind an aggregator",
    make: () => edit("ezra/house.yaml", "deepseek/deepseek-v3.2", "anthropic/claude-opus"),
    in: "ezra/house.yaml",
    path: "providers[2].model",
    message: "belongs to the banned family",
  },
  {
    what: "a banned URL",
    make: () => edit("ezra/house.yaml", "http://127.0.0.1:8081/v1", "https://api.anthropic.com/v1"),
    in: "ezra/house.yaml",
    path: "providers[3].baseUrl",
    message: "belongs to the banned family",
  },
  {
    what: "a banned key",
    make: () => edit("ezra/house.yaml", "keys: [GITEA_TOKEN]", "keys: [ANTHROPIC_API_KEY]"),
    in: "ezra/house.yaml",
    path: "keys[0]",
    message: "belongs to the banned family",
  },
  {
    what: "a banned model in a job",
    make: () =>
      edit("ezra/house.yaml", "  - name: nightly digest", "  - name: nightly digest\n    model: claude-x"),
    in: "ezra/house.yaml",
    path: "jobs[0].model",
    message: "belongs to the banned family",
  },
  {
    what: "a banned model in an overlay",
    make: () => append("base/cron.yaml", "auxiliary:\n  monitor: {model: anthropic/claude-x}"),
    in: "base/cron.yaml",
    at: "monitor:",
    path: "auxiliary.monitor.model",
    message: "belongs to the banned family",
  },
  {
    what: "a banned server",
    make: () => append("ezra/config.yaml", "mcp_servers:\n  x: {url: https://api.anthropic.com/sse}"),
    in: "ezra/config.yaml",
    path: "mcp_servers.x.url",
    message: "belongs to the banned family",
  },
  {
    what: "one provider only",
    make: () =>
      edit(
        "ezra/house.yaml",
        readFileSync(join(WIZARDS, "ezra/house.yaml"), "utf8").match(
          / {2}- provider: kimi[\s\S]*(?=\ntoolsets)/,
        )?.[0] ?? "?",
        "",
      ),
    in: "ezra/house.yaml",
    path: "providers",
    message: "is not accepted",
    allowed: "at least two providers",
  },
  {
    what: "one provider under two models",
    make: () =>
      edit(
        "ezra/house.yaml",
        readFileSync(join(WIZARDS, "ezra/house.yaml"), "utf8").match(
          / {2}- provider: gemini[\s\S]*(?= {2}- provider: custom)/,
        )?.[0] ?? "?",
        "  - provider: custom\n    model: other\n    baseUrl: http://127.0.0.1:8082/v1\n",
      ),
    in: "ezra/house.yaml",
    path: "providers",
    message: "names one provider only",
    allowed: "at least two different providers",
  },
  {
    what: "a chain that does not end at home",
    make: () => edit("ezra/house.yaml", "http://127.0.0.1:8081/v1", "http://203.0.113.9:8081/v1"),
    in: "ezra/house.yaml",
    path: "providers[3]",
    message: "ends the chain without a local model",
  },
  {
    what: "an unknown provider",
    make: () => edit("ezra/house.yaml", "provider: gemini", "provider: groq"),
    in: "ezra/house.yaml",
    path: "providers[0].provider",
    message: "is no provider of the harness",
    got: '"groq"',
  },
  {
    what: "a fallback without a model",
    make: () => edit("ezra/house.yaml", "    model: kimi-k2.5\n", ""),
    in: "ezra/house.yaml",
    path: "providers[1].model",
    message: "is missing",
  },
  {
    what: "a fallback that is a string",
    make: () =>
      edit(
        "ezra/house.yaml",
        "  - provider: custom\n    model: qwen3-8b\n    baseUrl: http://127.0.0.1:8081/v1",
        "  - custom",
      ),
    in: "ezra/house.yaml",
    at: "- custom",
    path: "providers[3]",
    message: "has the wrong type",
    got: '"custom"',
  },
  {
    what: "a key the provider does not read",
    make: () => edit("ezra/house.yaml", "keyEnv: KIMI_API_KEY", "keyEnv: KIMI_KEY"),
    in: "ezra/house.yaml",
    path: "providers[1].keyEnv",
    message: "is not read for kimi-coding",
    got: '"KIMI_KEY"',
    allowed: "KIMI_API_KEY, KIMI_CODING_API_KEY",
  },
  {
    what: "an unknown toolset",
    make: () => edit("ezra/house.yaml", "toolsets: [web,", "toolsets: [webs,"),
    in: "ezra/house.yaml",
    path: "toolsets[0]",
    message: "is no toolset of the harness",
  },
  {
    what: "a job schedule that is a string",
    make: () => edit("ezra/house.yaml", 'schedule: { cron: "0 5 * * 1" }', 'schedule: "0 5 * * 1"'),
    in: "ezra/house.yaml",
    path: "jobs[1].schedule",
    message: "has the wrong type",
  },
  {
    what: "a job on a provider outside the chain",
    make: () =>
      edit("ezra/house.yaml", "  - name: nightly digest", "  - name: nightly digest\n    provider: zai"),
    in: "ezra/house.yaml",
    path: "jobs[0].provider",
    message: "is not in the house's chain",
  },
  {
    what: "a typo in config.yaml",
    make: () => append("ezra/config.yaml", "tiemzone: UTC"),
    in: "ezra/config.yaml",
    at: "tiemzone",
    path: "tiemzone",
    message: "is no key of the harness",
    allowed: "did you mean timezone?",
  },
  {
    what: "a string where the harness wants a map",
    make: () =>
      edit("base/config.yaml", "checkpoints:\n  enabled: true\n  max_snapshots: 20", "checkpoints: 20"),
    in: "base/config.yaml",
    at: "checkpoints: 20",
    path: "checkpoints",
    message: "has the wrong type",
    allowed: "a map",
  },
  {
    what: "a map over a list",
    make: () => append("base/dev.yaml", "terminal:\n  env_passthrough: {a: b}"),
    in: "base/dev.yaml",
    at: "env_passthrough",
    path: "terminal.env_passthrough",
    message: "is a map, but wizards/base/config.yaml:",
  },
  {
    what: "an unknown platform",
    make: () => append("ezra/config.yaml", "platforms: {telegramm: {enabled: true}}"),
    in: "ezra/config.yaml",
    path: "platforms.telegramm",
    message: "is no platform",
  },
  {
    what: "a derived key",
    make: () => append("ezra/config.yaml", "model: {default: other}"),
    in: "ezra/config.yaml",
    at: "default: other",
    path: "model.default",
    message: "is derived",
  },
  {
    what: "a fallback chain of its own",
    make: () => append("ezra/config.yaml", "fallback_providers: [{provider: zai}]"),
    in: "ezra/config.yaml",
    path: "fallback_providers",
    message: "is derived",
  },
  {
    what: "approvals turned off",
    make: () => append("base/dev.yaml", "approvals: {mode: off}"),
    in: "base/dev.yaml",
    path: "approvals.mode",
    message: "is not allowed",
    allowed: "manual, smart",
  },
  {
    what: "lazy installs",
    make: () => append("base/dev.yaml", "security: {allow_lazy_installs: true}"),
    in: "base/dev.yaml",
    path: "security.allow_lazy_installs",
    message: "is not allowed",
  },
  {
    what: "a working folder elsewhere",
    make: () => edit("ezra/config.yaml", "sessions:", "terminal: {cwd: /root}\nsessions:"),
    in: "ezra/config.yaml",
    path: "terminal.cwd",
    message: "is outside the house",
  },
  {
    what: "an unknown chat platform",
    make: () => writeFileSync(file("base/channel_aliases.json"), '{"telegraph": {}}'),
    in: "base/channel_aliases.json",
    path: "telegraph",
    message: "is no platform",
  },
  {
    what: "an unknown harness",
    make: () => edit("fleet.yaml", '"0.19.0"', '"0.1.0"'),
    in: "fleet.yaml",
    path: "harness.version",
    message: "is no harness version this program knows",
    allowed: "0.19.0",
  },
];

describe.each(mistakes)("$what", ({ make, at: text, path, message, got, allowed, ...mistake }) => {
  test("is found in its place", () => {
    make();
    const { problems } = loadError();
    const found = problems.filter(
      (problem) => problem.file === `wizards/${mistake.in}` && problem.path === path,
    );
    const matching = found.find((problem) => problem.message.includes(message));
    expect(matching, JSON.stringify(problems, null, 1)).toBeDefined();
    if (text !== undefined) expect(matching?.line).toBe(lineOf(mistake.in, text));
    if (got !== undefined) expect(matching?.got).toBe(got);
    if (allowed !== undefined) expect(matching?.allowed).toContain(allowed);
  });
});

test("all mistakes come at once, in order, in one message", () => {
  edit("ezra/house.yaml", "host: tower", "host: keep");
  edit("ezra/house.yaml", "skin: ezra", "skin: other");
  append("bezalel/house.yaml", "colour: blue");
  append("base/dev.yaml", "tiemzone: UTC");
  unlinkSync(file("allegro/SOUL.md"));
  const { problems, message } = loadError();
  const files = problems.map((problem: Problem) => problem.file);
  expect(files).toEqual([...files].sort());
  expect(new Set(files)).toEqual(
    new Set(
      ["ezra/house.yaml", "bezalel/house.yaml", "base/dev.yaml", "allegro/SOUL.md"].map(
        (name) => `wizards/${name}`,
      ),
    ),
  );
  expect(message).toContain(
    `wizards/ezra/house.yaml:${lineOf("ezra/house.yaml", "host: keep")}: host: is no host of the fleet`,
  );
  expect(message).toContain('got:     "keep"');
  expect(message).toContain("allowed: tower, forge");
});

test("with fleet.yaml broken, the houses' own mistakes are listed too", () => {
  append("fleet.yaml", "colour: blue");
  edit("ezra/house.yaml", "health: 8643", "health: high");
  expect(loadError().problems.map(({ path }) => path)).toEqual(
    expect.arrayContaining(["colour", "ports.health"]),
  );
});

test("a folder that is not there", () => {
  expect(() => loadFleet(join(wizards, "nowhere"))).toThrow(FleetError);
});

test.each([
  ["a key in a place for keys", () => append("ezra/config.yaml", "mcp_servers:\n  x: {api_key: canary}")],
  [
    "a key where text belongs",
    () => edit("ezra/house.yaml", "role: Scribe", "role: [sk-canary-1234567890abcdef]\nunused: Scribe"),
  ],
  ["a key as an unknown key", () => append("ezra/house.yaml", "sk-canary-1234567890abcdef: x")],
  [
    "a key in place of its name",
    () => edit("ezra/house.yaml", "keyEnv: KIMI_API_KEY", "keyEnv: sk-canary-1234567890abcdef"),
  ],
  [
    "a key among the house's keys",
    () => edit("ezra/house.yaml", "keys: [GITEA_TOKEN]", "keys: [canary0123456789abcdef0123456789]"),
  ],
  [
    "a key in a URL",
    () =>
      edit("ezra/house.yaml", "http://127.0.0.1:8081/v1", "http://u:canary0123456789abcdef0@127.0.0.1/v1"),
  ],
  ["a key in an overlay's text", () => append("base/dev.yaml", "timezone: sk-canary-1234567890abcdef")],
  ["a key in broken YAML", () => append("base/dev.yaml", "timezone: sk-canary-1234567890abcdef: [")],
  [
    "a token in a platform's settings",
    () => append("ezra/config.yaml", "platforms: {telegram: {token: canary}}"),
  ],
])("%s is reported without being printed", (_what, make) => {
  make();
  const error = loadError();
  expect(JSON.stringify([error.message, error.problems, error.stack])).not.toContain("canary");
});

describe("the fleet as it stands", () => {
  const fleet = loadFleet(WIZARDS);
  const facts = harnessFacts(fleet.houses[0]!.harness.version);
  const cases = fleet.houses.flatMap((house) => ENVIRONMENTS.map((environment) => ({ house, environment })));

  test("has three houses on two hosts, in rollout order", () => {
    expect(fleet.houses.map(({ name, host, ports }) => [name, host, ports.health])).toEqual([
      ["bezalel", "forge", 8642],
      ["ezra", "tower", 8643],
      ["allegro", "tower", 8641],
    ]);
  });

  test.each(cases)(
    "$house.name in $environment: config.yaml says what config holds, and names no banned family",
    ({ house, environment }) => {
      const { config, files, keys, env, links } = renderHouse(fleet, house, environment);
      expect(parse(files["config.yaml"] ?? "", { version: "1.1" })).toEqual(config);
      expect(bannedInConfig(fleet.banned, config)).toEqual([]);
      expect(config["fallback_providers"]).toHaveLength(house.providers.length - 1);
      expect(keys).toEqual([...keys].sort());
      expect(keys).toContain("API_SERVER_KEY");
      expect(keys.filter((key) => key in env)).toEqual([]);
      expect(env).toMatchObject({ ANTHROPIC_API_KEY: "", API_SERVER_PORT: String(house.ports.health) });
      for (const target of Object.values(links)) expect(files).toHaveProperty([target]);
    },
  );

  test.each(cases)(
    "$house.name in $environment: every steering leaf of the harness is pinned",
    ({ house, environment }) => {
      const golden = goldenLayer(fleet, house, fleet.sources[house.name]?.config[environment] ?? {}, facts);
      const leaves = steeringLeaves(facts.defaults);
      expect(leaves.length).toBeGreaterThan(100);
      expect(leaves.filter((path) => at(golden, path) === undefined)).toEqual([]);
    },
  );

  test("golden.yaml has placeholders for keys", () => {
    const [house] = fleet.houses;
    if (house === undefined) throw new Error("no houses");
    expect(parse(renderHouse(fleet, house, "prod").files["golden.yaml"] ?? "")).toEqual({
      house: "bezalel",
      harness: "0.19.0",
      ports: { health: 8642 },
      providers: [
        { provider: "kimi-coding", model: "kimi-k2.5", api_key: "${KIMI_API_KEY}" },
        { provider: "deepseek", model: "deepseek-chat", api_key: "${DEEPSEEK_API_KEY}" },
        { provider: "openrouter", model: "qwen/qwen3-coder", api_key: "${OPENROUTER_API_KEY}" },
        { provider: "custom", model: "qwen2.5-coder-14b", base_url: "http://127.0.0.1:8082/v1" },
      ],
    });
  });

  test("rendering twice gives the same texts", () => {
    const [house] = fleet.houses;
    if (house === undefined) throw new Error("no houses");
    expect(renderHouse(loadFleet(WIZARDS), house, "dev")).toEqual(renderHouse(fleet, house, "dev"));
  });

  test("the environments differ where their overlays say so", () => {
    const level = (environment: (typeof ENVIRONMENTS)[number]) =>
      at(fleet.sources["ezra"]?.config[environment], ["logging", "level"]);
    expect([level("dev"), level("prod")]).toEqual(["DEBUG", "INFO"]);
  });
});

test("a house of its own folder, with skins of the base", () => {
  mkdirSync(file("newton"));
  for (const name of ["house.yaml", "config.yaml", "SOUL.md"])
    cpSync(file(`ezra/${name}`), file(`newton/${name}`));
  edit("newton/house.yaml", "health: 8643", "health: 8650");
  edit("newton/house.yaml", "skin: ezra", "skin: fleet");
  edit("fleet.yaml", "  - allegro", "  - allegro\n  - newton");
  expect(loadFleet(wizards).houses.at(-1)).toMatchObject({
    name: "newton",
    user: "wizard-newton",
    path: "/srv/wizards/newton",
  });
});

test("a host has the packages of all hosts and its own, whose keys win one by one", () => {
  edit("fleet.yaml", "packages: {}", 'packages:\n  jq: {version: "1.6-2", held: true}\n  git: {}');
  edit(
    "fleet.yaml",
    "address: 203.0.113.20",
    'address: 203.0.113.20\n    packages:\n      jq: {version: "1.7-1"}\n      rsync: {held: true}',
  );
  const { hosts } = loadFleet(wizards);
  expect(hosts["tower"]?.packages).toEqual({ jq: { version: "1.6-2", held: true }, git: { held: false } });
  expect(hosts["forge"]?.packages).toEqual({
    jq: { version: "1.7-1", held: true },
    git: { held: false },
    rsync: { held: true },
  });
});

describe("where the deadman switch calls", () => {
  const bezalel = () => loadFleet(wizards).houses.find(({ name }) => name === "bezalel")?.deadman;

  test.each([
    ["https://forge.example/git/", "https://forge.example/git"],
    ["http://10.1.2.3:3000", "http://10.1.2.3:3000"],
    ["http://100.101.102.103:3000/", "http://100.101.102.103:3000"],
  ])("%s is a forge", (url, taken) => {
    edit("bezalel/house.yaml", "deadman:", forge(url, "fleet/wizard.houses"));
    expect(bezalel()).toMatchObject({ grace: 600, forge: { url: taken, repository: "fleet/wizard.houses" } });
  });

  test.each([
    "http://11.1.2.3",
    "http://localhost",
    "https://forge.example/?a=b",
    "https://u:p@forge.example",
    "ssh://forge.example",
    'https://forge.example/"',
  ])("%s is none", (url) => {
    edit("bezalel/house.yaml", "deadman:", forge(`'${url}'`, "fleet/houses"));
    expect(loadError().problems.map(({ path }) => path)).toEqual(["deadman.forge.url"]);
  });

  test("a key in the fleet's defaults that an agent has as well is told at its place there", () => {
    edit("fleet.yaml", "    dryRun: false", "    dryRun: false\n    pingUrlKey: GITEA_TOKEN");
    const [problem] = loadError().problems;
    expect(problem).toMatchObject({
      path: "defaults.deadman.pingUrlKey",
      line: lineOf("fleet.yaml", "pingUrlKey: GITEA"),
    });
    expect(problem?.message).toContain("also a key of the agent of bezalel, ezra, allegro");
  });
});
