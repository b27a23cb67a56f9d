/**
 * Every house in every environment, judged by the real harness: does it accept the configuration, does it follow the
 * golden chain, and can an agent that rewrites its own configuration reach a banned provider?
 */
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { stringify } from "yaml";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { bannedInConfig } from "../../fleet/banned.ts";
import { harnessFacts } from "../../fleet/harness/facts.ts";
import {
  ENVIRONMENTS,
  type Environment,
  type House,
  loadFleet,
  renderEnvFile,
  renderHouse,
} from "../../fleet/index.ts";
import { hostileConfig, hostileEnvironment, urlVariables } from "./hostile.ts";
import { HARNESS_VERSION, harnessPython, SEALED } from "./venv.ts";

const root = join(import.meta.dirname, "../..");
const fleet = loadFleet(join(root, "wizards"));
const facts = harnessFacts(HARNESS_VERSION);
const cases = fleet.houses.flatMap((house) => ENVIRONMENTS.map((environment) => ({ house, environment })));

/**
 * The agent's own config.yaml and .env. `mounted`: the release's, as the unit mounts them. `hostile`: an attacker's, with
 * nothing but the managed scope against them; there the variables with the URL of a provider are left out of .env.
 * `very-hostile`: with these too.
 */
type Home = "mounted" | "hostile" | "very-hostile";

interface Route {
  provider?: string;
  model?: string;
  base_url?: string;
  error?: string;
}

interface Report {
  issues: string[];
  fallbackList: string;
  get: Record<string, unknown>;
  main: Route;
  gatewayMain: Route;
  chain: Route[];
  gatewayChain: Route[];
  auxiliary: Record<string, Route & { extra_body: unknown; client: string }>;
  taskFallbacks: Record<string, unknown>;
  vision: Route;
  delegation: Route;
  aliases: string[];
  platforms: Record<string, { enabled: boolean; overrides: unknown; routes: unknown; port: number | null }>;
  moa: unknown;
  jobs: { name: string; provider: string; model: string }[];
}

let python: string;
let scratch: string;
const reports = new Map<string, Report>();

beforeAll(async () => {
  python = harnessPython();
  scratch = mkdtempSync(join(tmpdir(), "harness-"));
  const queue = cases.flatMap(({ house, environment }) =>
    (["hostile", "mounted"] as const).map((home) => async () => {
      reports.set(`${house.name} ${environment} ${home}`, await probe(house, environment, home));
    }),
  );
  // Two at a time: each is a second of import and then done.
  const workers = [0, 1].map(async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await next();
  });
  await Promise.all(workers);
}, 600_000);

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe.each(cases)("$house.name in $environment", ({ house, environment }) => {
  const report = (home: Home): Report => {
    const found = reports.get(`${house.name} ${environment} ${home}`);
    if (found === undefined) throw new Error("no report");
    return found;
  };

  test("the harness finds nothing wrong with the configuration", () => {
    expect(report("mounted").issues).toEqual([]);
  });

  test.each(["hostile", "mounted"] as const)("the whole chain is followed in order, home %s", (home) => {
    const [primary, ...fallbacks] = house.providers;
    const { fallbackList, main, chain, gatewayMain } = report(home);
    expect(main).toMatchObject({ provider: primary?.provider, model: primary?.model });
    expect(gatewayMain).toMatchObject({ provider: primary?.provider, model: primary?.model });
    expect(fallbackList).toContain(`Primary:   ${primary?.model}  (via ${primary?.provider})`);
    expect(chain.map(({ provider, model }) => ({ provider, model }))).toEqual(
      fallbacks.map(({ provider, model }) => ({ provider, model })),
    );
    const listed = [...fallbackList.matchAll(/^ {4}\d+\. (\S+) {2}\(via ([\w-]+)\)/gm)];
    expect(listed.map(([, model, provider]) => ({ provider, model }))).toEqual(
      fallbacks.map(({ provider, model }) => ({ provider, model })),
    );
  });

  test("golden values beat the agent's own", () => {
    const [primary] = house.providers;
    expect(report("hostile").get).toEqual({
      "model.default": primary?.model,
      "model.provider": primary?.provider,
      "model.base_url": "",
      "platforms.api_server.extra.port": house.ports.health,
      "security.allow_lazy_installs": false,
      "security.redact_secrets": true,
      "display.skin": house.skin,
      _config_version: facts.defaults["_config_version"],
    });
  });

  test("a hostile configuration and .env reach no banned provider", () => {
    expect(violations(report("hostile"))).toEqual([]);
  });

  test("with the release mounted over the agent's files, the gateway's own reading follows the chain too", () => {
    const { gatewayChain, platforms } = report("mounted");
    expect(gatewayChain.map(({ provider, model }) => ({ provider, model }))).toEqual(
      house.providers.slice(1).map(({ provider, model }) => ({ provider, model })),
    );
    expect(violations(report("mounted"), "with the gateway's reading")).toEqual([]);
    const enabled = Object.entries(platforms).filter(([, { enabled: on }]) => on);
    const expected = house.keys.includes("TELEGRAM_BOT_TOKEN") ? ["api_server", "telegram"] : ["api_server"];
    expect(enabled.map(([name]) => name).sort()).toEqual(expected);
    expect(platforms["api_server"]?.port).toBe(house.ports.health);
  });

  test("every task resolves to a model of the chain", () => {
    const { auxiliary, delegation, vision } = report("mounted");
    const chain = house.providers.map(({ provider }) => provider);
    for (const route of [...Object.values(auxiliary), delegation, vision]) {
      expect(route.error).toBeUndefined();
      expect(chain).toContain(route.provider);
    }
  });

  test("the agent's jobs are read with their provider and model", () => {
    expect(report("mounted").jobs).toMatchObject(
      house.jobs.map(({ name, provider, model, schedule }) => ({ name, provider, model, schedule })),
    );
  });
});

test("without the release, the same hostile configuration does reach one", async () => {
  const [first] = cases;
  if (first === undefined) throw new Error("no houses");
  const report = await probe(first.house, first.environment, "hostile", { managed: false });
  const places = violations(report).map((violation) => violation.split(".")[0]);
  for (const place of ["main", "chain", "auxiliary", "delegation", "platforms", "aliases"])
    expect(places).toContain(place);
}, 60_000);

describe("under the managed scope alone", () => {
  // Why the unit mounts both files of the release over the agent's. If a newer harness closes these holes, these tests
  // fail and the mounts may be thought over.
  test("the gateway takes its fallback chain from the agent's config.yaml", () => {
    const report = reports.get(`${fleet.houses[0]?.name} prod hostile`);
    expect(report?.gatewayChain.map(({ provider }) => provider)).toContain("anthropic");
  });

  test("a provider's URL is taken from the agent's .env", async () => {
    const house = fleet.houses.find(({ providers }) => providers[0]?.provider === "kimi-coding");
    if (house === undefined) throw new Error("no house on kimi-coding");
    const report = await probe(house, "prod", "very-hostile");
    expect(report.main.base_url).toContain("anthropic.com");
  }, 60_000);
});

test("the command line agrees: fallback list and config get", () => {
  const [first] = cases;
  if (first === undefined) throw new Error("no houses");
  const { variables } = layOut(first.house, first.environment, "hostile", { managed: true });
  const hermes = (...words: string[]): string =>
    execFileSync(python, ["-m", "hermes_cli.main", ...words], {
      env: variables,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
  const [primary, ...fallbacks] = first.house.providers;
  expect(hermes("config", "get", "model.default").trim()).toBe(primary?.model);
  const list = hermes("fallback", "list");
  const places = fallbacks.map(({ model }) => list.indexOf(`. ${model} `));
  expect(places).toEqual([...places].sort((a, b) => a - b));
  expect(Math.min(...places)).toBeGreaterThan(0);
}, 60_000);

test("the stored facts are those of the installed harness", () => {
  const home = mkdtempSync(join(scratch, "dump-"));
  const dumped = execFileSync(python, [join(root, "fleet/harness/dump.py")], {
    env: { PATH: process.env["PATH"], HOME: home, HERMES_HOME: home, ...SEALED },
    encoding: "utf8",
    maxBuffer: 1 << 24,
  });
  expect(JSON.parse(dumped)).toEqual(facts);
}, 60_000);

test("both readers of .env read what we write alike", () => {
  const values = {
    PLAIN: "abc",
    EMPTY: "",
    SYMBOLS: "a=b&c;d|e`f$(g)\\n!*'x",
    HASH: "#x#y",
    PADDED: "QUJDRA==",
    URLISH: "https://h/p?q=1&r=2",
  };
  const file = join(mkdtempSync(join(scratch, "env-")), ".env");
  writeFileSync(file, renderEnvFile(values));
  const script = `
import json, sys
from dotenv import dotenv_values
from hermes_cli.config import _sanitize_env_lines
from hermes_cli.managed_scope import _parse_env
path = sys.argv[1]
lines = open(path).readlines()
print(json.dumps([dotenv_values(path), _parse_env(open(path)), _sanitize_env_lines(lines) == lines]))`;
  const home = mkdtempSync(join(scratch, "env-home-"));
  const env = { PATH: process.env["PATH"], HOME: home, HERMES_HOME: home, ...SEALED };
  expect(JSON.parse(execFileSync(python, ["-c", script, file], { env, encoding: "utf8" }))).toEqual([
    values,
    values,
    true,
  ]);
}, 60_000);

/** Places in a report that name a banned family, as `place.path: value`. */
function violations(report: Report, gateway?: "with the gateway's reading"): string[] {
  const { main, gatewayMain, chain, auxiliary, taskFallbacks, vision, delegation, platforms, moa } = report;
  // A resolution that fails would hide what it was about to use.
  const errors = [main, gatewayMain, ...chain].flatMap(({ error }) =>
    error === undefined ? [] : [`error: ${error}`],
  );
  const effective = {
    main,
    gatewayMain,
    chain,
    auxiliary,
    taskFallbacks,
    vision,
    delegation,
    moa,
    platforms,
    ...(gateway === undefined ? {} : { gatewayChain: report.gatewayChain }),
  };
  const found = bannedInConfig(fleet.banned, effective).map(
    ({ path, value }) => `${path.join(".")}: ${value}`,
  );
  const aliases = report.aliases
    .filter((alias) => /anthropic|claude/i.test(alias))
    .map((alias) => `aliases.${alias}`);
  return [...errors, ...found, ...aliases];
}

interface Layout {
  managed: boolean;
}

function layOut(
  house: House,
  environment: Environment,
  home: Home,
  { managed }: Layout,
): { variables: Record<string, string> } {
  const folder = mkdtempSync(join(scratch, `${house.name}-${environment}-`));
  const paths = { home: join(folder, "home"), release: join(folder, "current") };
  for (const path of Object.values(paths)) mkdirSync(path);
  const rendered = renderHouse(fleet, house, environment);
  const secrets = Object.fromEntries(rendered.keys.map((key) => [key, `test-value-of-${key.toLowerCase()}`]));
  const release = {
    "config.yaml": rendered.files["config.yaml"] ?? "",
    ".env": renderEnvFile({ ...rendered.env, ...secrets }),
  };
  const own = {
    "config.yaml": stringify(hostileConfig(facts), { version: "1.1" }),
    ".env": renderEnvFile({
      ...hostileEnvironment(facts, home === "hostile" ? urlVariables(facts) : []),
      ...secrets,
    }),
  };
  for (const [name, text] of Object.entries(release)) writeFileSync(join(paths.release, name), text);
  for (const [name, text] of Object.entries(home === "mounted" ? release : own))
    writeFileSync(join(paths.home, name), text);
  mkdirSync(join(paths.home, "cron"));
  writeFileSync(join(paths.home, "cron/jobs.json"), rendered.files["jobs.json"] ?? "");
  return {
    variables: {
      PATH: process.env["PATH"] ?? "",
      HOME: paths.home,
      HERMES_HOME: paths.home,
      ...(managed ? { HERMES_MANAGED_DIR: paths.release } : SEALED),
    },
  };
}

const GET = [
  "model.default",
  "model.provider",
  "model.base_url",
  "platforms.api_server.extra.port",
  "security.allow_lazy_installs",
  "security.redact_secrets",
  "display.skin",
  "_config_version",
];

function probe(
  house: House,
  environment: Environment,
  home: Home,
  layout: Layout = { managed: true },
): Promise<Report> {
  const { variables } = layOut(house, environment, home, layout);
  return new Promise((resolve, reject) => {
    const child = execFile(
      python,
      [join(import.meta.dirname, "probe.py")],
      { env: variables, timeout: 60_000, maxBuffer: 1 << 24 },
      (error, stdout, stderr) => {
        if (error) reject(new Error(`probe of ${house.name}: ${stderr.slice(-2000)}`, { cause: error }));
        else resolve(JSON.parse(stdout) as Report);
      },
    );
    child.stdin?.end(JSON.stringify({ get: GET }));
  });
}
