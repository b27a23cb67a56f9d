/** The deploy hook's resources: what they are called, what is in them, and that they pass every rule. */
import { describe, expect, test } from "vitest";

import { HOOK_NEEDED } from "../../components/deploy-hook.ts";
import { caddyfile } from "../../components/deploy-hook/caddyfile.ts";
import { hooksFile } from "../../components/deploy-hook/hooks.ts";
import { deployUnits } from "../../components/deploy-hook/units.ts";
import { deploySecrets } from "../../components/deploy-secrets.ts";
import { cloneUrl, hookUrl, statusUrl } from "../../fleet/deploy-hook.ts";
import type { DeployHookSettings } from "../../fleet/model.ts";
import { hookResources, violations, type Registered } from "./policies-fixture.ts";

const SECRET = "f3Zk9sQw7LmX2vB8nT4yR6uH1cJ5dP0a";
const FORMER = "0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d";
const settings: DeployHookSettings = {
  host: "helm",
  stack: "prod",
  names: ["deploy.example.org"],
  tls: "acme",
  forge: { kind: "gitea", url: "https://forge.example.org/", repository: "timmy/config", branch: "main" },
  backend: "s3://state?region=eu",
  signedCommits: true,
  node: "/opt/node",
  deadline: 900,
};
const { tls: _tls, ...plain } = settings;

const contents = (all: readonly Registered[]): Record<string, { content: string; mode?: string }> =>
  all.find(({ name }) => name === "deploy-hook-files")?.inputs["files"] as never;

describe("the component", () => {
  test("types and names are a contract, because renaming a resource replaces it", async () => {
    const made = await hookResources(settings, [SECRET]);
    expect(made.map(({ type, name }) => `${type.replace(":index:", ":")} ${name}`).sort()).toEqual(
      [
        "fleet:DeployHook deploy-hook",
        "fleet:Host helm-host",
        "host:Packages helm-packages",
        "host:Files deploy-hook-files",
        ...["hook", "forge", "build", "converge"].map((one) => `host:User deploy-hook-deploy-${one}`),
        ...Object.keys(deployUnits(settings)).map((unit) => `host:Unit deploy-hook-${unit}`),
      ].sort(),
    );
  });

  test.each([
    ["gitea, a certificate got by ACME", settings],
    ["github, a given certificate", { ...settings, forge: { ...settings.forge, kind: "github" } }],
    ["on loopback", plain],
  ] as [string, DeployHookSettings][])("%s: passes every rule", async (_, hook) => {
    expect(violations(await hookResources(hook, [SECRET, FORMER]))).toEqual([]);
  });

  test("unsigned commits are warned of, and a weak secret refused", async () => {
    const found = violations(await hookResources({ ...settings, signedCommits: false }, ["a".repeat(40)]));
    expect(found.map(({ rule }) => rule).sort()).toEqual(["deploy-hook-commits", "deploy-hook-signed"]);
  });

  test("the secret is in the credential and in no other input of a resource on a host", async () => {
    const made = await hookResources(settings, [SECRET, FORMER]);
    const files = contents(made);
    expect(files["/etc/credstore/deploy-hooks.json"]).toMatchObject({ mode: "0600" });
    expect(files["/etc/credstore/deploy-hooks.json"]?.content).toContain(SECRET);
    delete files["/etc/credstore/deploy-hooks.json"];
    const onHosts = made.filter(({ type }) => type.startsWith("host:"));
    expect(JSON.stringify(onHosts)).not.toContain(SECRET);
    expect(JSON.stringify(onHosts)).not.toContain(FORMER);
  });

  test("what a run is made of is never started, stopped or cut by an update", async () => {
    const made = await hookResources(settings, [SECRET]);
    const steps = made.filter(({ inputs }) => /^deploy-.*\.service$/.test(String(inputs["unit"])));
    expect(steps.length).toBe(4);
    for (const { inputs } of steps) expect(inputs).toMatchObject({ triggered: true, enabled: false });
  });

  test("needs packages for what its scripts call", () => {
    expect(Object.keys(HOOK_NEEDED)).toEqual(["caddy", "git", "openssh-client", "webhook"]);
  });
});

describe("URLs", () => {
  test.each([
    ["gitea", "https://forge.example.org/", "https://forge.example.org/api/v1/repos/timmy/config/statuses"],
    ["github", "https://github.com", "https://api.github.com/repos/timmy/config/statuses"],
    ["github", "https://git.example.org", "https://git.example.org/api/v3/repos/timmy/config/statuses"],
  ] as const)("%s at %s", (kind, url, status) => {
    const hook = { ...settings, forge: { ...settings.forge, kind, url } };
    expect(statusUrl(hook)).toBe(status);
    expect(cloneUrl(hook)).toBe(`${url.replace(/\/$/, "")}/timmy/config.git`);
  });

  test("of the hook", () => {
    expect(hookUrl(settings)).toBe("https://deploy.example.org/hooks/deploy-timmy-config");
    expect(hookUrl(plain)).toBe("http://127.0.0.1:9080/hooks/deploy-timmy-config");
  });
});

describe("the proxy", () => {
  test("listens on loopback alone where it has no certificate", () => {
    expect(caddyfile(plain)).toContain("bind 127.0.0.1");
    expect(caddyfile(plain)).not.toMatch(/https:/);
  });

  test("takes a given certificate from its credentials", () => {
    const tls = { certificate: "/etc/ssl/deploy.pem", key: "/etc/ssl/private/deploy.pem" };
    expect(caddyfile({ ...settings, tls })).toContain(
      "tls {$CREDENTIALS_DIRECTORY}/tls.crt {$CREDENTIALS_DIRECTORY}/tls.key",
    );
    expect(deployUnits({ ...settings, tls })["caddy.service"]?.content).toContain(
      "LoadCredential=tls.key:/etc/ssl/private/deploy.pem",
    );
  });
});

describe("secrets", () => {
  const read = (values: Record<string, string>) => deploySecrets((key) => values[key]);

  test("one in force, and one that is still taken", () => {
    expect(read({ deployHookSecret: SECRET })).toEqual({ secrets: [SECRET], problems: [] });
    const both = { deployHookSecret: SECRET, deployHookFormerSecret: FORMER };
    expect(read(both)).toEqual({ secrets: [SECRET, FORMER], problems: [] });
    expect(hooksFile("github", "/x", [SECRET, FORMER])).toContain(FORMER);
  });

  test.each([
    ["none", {}, /deployHookSecret is not set, .*without it anybody could start a deploy/],
    ["only the former", { deployHookFormerSecret: FORMER }, /deployHookSecret is not set/],
    ["an empty one", { deployHookSecret: "" }, /deployHookSecret must be 16 to 256/],
    ["two lines", { deployHookSecret: `${SECRET}\n${SECRET}` }, /deployHookSecret must be 16 to 256/],
    ["twice the same", { deployHookSecret: SECRET, deployHookFormerSecret: SECRET }, /is the same as/],
  ])("%s is an error that does not show it", (_, values: Record<string, string>, words) => {
    const { problems } = read(values);
    expect(problems.join("\n")).toMatch(words);
    expect(problems.join("\n")).not.toContain(SECRET);
  });
});
