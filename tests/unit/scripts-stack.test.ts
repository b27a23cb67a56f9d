import path from "node:path";

import { describe, expect, it } from "vitest";

import { plainKeys } from "../../scripts/stack-config.ts";
import { DEV, backendFolder, engineEnvironment, stackFiles } from "../../scripts/stack.ts";

const SECRET = "sk-or-v1-canary";

describe("engineEnvironment", () => {
  const operators = {
    PULUMI_ACCESS_TOKEN: "token",
    PULUMI_BACKEND_URL: "https://cloud.example",
    PULUMI_CREDENTIALS_PATH: "/home/op/.pulumi",
    PULUMI_CONFIG_PASSPHRASE: "their own",
    PULUMI_CONFIG_PASSPHRASE_FILE: "/home/op/passphrase",
    PATH: "/bin",
  };

  it("keeps dev inside the checkout and away from the operator's login", () => {
    const env = engineEnvironment("dev", operators);
    expect(env.PULUMI_BACKEND_URL).toBe(`file://${path.join(DEV, "state")}`);
    expect(env.PULUMI_HOME).toBe(path.join(DEV, "pulumi"));
    expect(env.PULUMI_CREDENTIALS_PATH).toBe(path.join(DEV, "pulumi"));
    expect(env.PULUMI_ACCESS_TOKEN).toBeUndefined();
    expect(env.PULUMI_CONFIG_PASSPHRASE_FILE).toBeUndefined();
    expect(env.PULUMI_CONFIG_PASSPHRASE).not.toBe("their own");
    expect(env.PATH).toBe("/bin");
  });

  it("leaves backend, login and passphrase of any other stack to the operator", () => {
    expect(engineEnvironment("prod", operators)).toMatchObject(operators);
    expect(engineEnvironment("prod", operators).PULUMI_HOME).toBeUndefined();
  });

  it("lets the operator choose how much runs at a time", () => {
    expect(engineEnvironment("dev", { PULUMI_PARALLEL: "3" }).PULUMI_PARALLEL).toBe("3");
    expect(Number(engineEnvironment("dev", {}).PULUMI_PARALLEL)).toBeGreaterThan(8);
  });
});

describe("backendFolder", () => {
  it.each([
    ["file:///srv/state", "/srv/state"],
    ["file:///srv/my%20state?no_tmp_dir=true", "/srv/my state"],
    ["s3://bucket", undefined],
    ["https://cloud.example", undefined],
  ])("%s", (url, expected) => {
    expect(backendFolder(url)).toBe(expected);
  });

  it("finds a stack's state and locks below it", () => {
    expect(stackFiles("prod", { PULUMI_BACKEND_URL: "file:///srv/state" })).toEqual({
      state: "/srv/state/.pulumi/stacks/wizard-houses/prod.json",
      locks: "/srv/state/.pulumi/locks/organization/wizard-houses/prod",
    });
  });
});

describe("plainKeys", () => {
  const yaml = (keys: string): string => `config:\n  wizard-houses:keys:\n${keys}`;
  it.each([
    ["no keys", "config:\n  wizard-houses:root: .dev\n", []],
    ["an empty file", "", []],
    ["encrypted one by one", yaml("    OPENROUTER_API_KEY:\n      secure: v1:abc\n"), []],
    ["encrypted as a whole", yaml("    secure: v1:abc\n"), []],
    ["plain text", yaml(`    OPENROUTER_API_KEY: ${SECRET}\n`), ["wizard-houses:keys.OPENROUTER_API_KEY"]],
    ["deep inside", yaml(`    ezra:\n      KEYS: [${SECRET}]\n`), ["wizard-houses:keys.ezra.KEYS.0"]],
    [
      "an index",
      `config:\n  wizard-houses:harnessIndex: https://x:${SECRET}@i/simple\n`,
      ["wizard-houses:harnessIndex"],
    ],
    ["all as one text", `config:\n  wizard-houses:keys: ${SECRET}\n`, ["wizard-houses:keys"]],
    [
      "hidden beside a secret",
      yaml(`    A:\n      secure: v1:abc\n      b: ${SECRET}\n`),
      ["wizard-houses:keys.A.secure", "wizard-houses:keys.A.b"],
    ],
  ])("%s", (_name, text, places) => {
    const problems = plainKeys("Pulumi.prod.yaml", text);
    expect(problems).toHaveLength(places.length);
    places.forEach((place, at) => expect(problems[at]).toContain(`Pulumi.prod.yaml: config.${place}: `));
    expect(problems.join("\n")).not.toContain(SECRET);
  });
});
