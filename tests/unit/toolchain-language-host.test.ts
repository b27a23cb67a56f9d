import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import language from "@pulumi/pulumi/proto/language_pb.js";
import struct from "google-protobuf/google/protobuf/struct_pb.js";
import { describe, expect, it } from "vitest";

import {
  hostArguments,
  pluginArguments,
  programArguments,
  programEnvironment,
  programFailure,
  splitWords,
} from "../../toolchain/language-host/commands.mjs";
import { ensureLanguageHost, LANGUAGE_HOST } from "../../toolchain/language-host.ts";

function runRequest(): InstanceType<typeof language.RunRequest> {
  const info = new language.ProgramInfo();
  info.setRootDirectory("/fleet");
  info.setProgramDirectory("/fleet/program");
  info.setEntryPoint("index.ts");
  info.setOptions(struct.Struct.fromJavaScript({}));
  const request = new language.RunRequest();
  request.setInfo(info);
  request.setProject("houses");
  request.setStack("dev");
  request.setMonitorAddress("127.0.0.1:1");
  request.setParallel(64);
  request.setArgsList(["extra"]);
  request.getConfigMap().set("houses:root", ".dev").set("houses:keys:nested", "x");
  request.setConfigsecretkeysList(["houses:keys:nested"]);
  return request;
}

describe("the language host's command lines", () => {
  it.each([
    [["127.0.0.1:5"], { engineAddress: "127.0.0.1:5", tracing: "" }],
    [["--tracing", "file:/t", "127.0.0.1:5"], { engineAddress: "127.0.0.1:5", tracing: "file:/t" }],
    [["--logtostderr", "-v=9", "127.0.0.1:5"], { engineAddress: "127.0.0.1:5", tracing: "" }],
  ])("reads %j", (argv, expected) => {
    expect(hostArguments(argv)).toEqual(expected);
  });

  it("runs a program with its Node.js options before the script and its arguments last", () => {
    const args = programArguments("/sdk/run", runRequest(), {
      engineAddress: "127.0.0.1:2",
      tracing: "",
      options: { nodeargs: "--import tsx" },
    });
    expect(args).toEqual([
      ...["--import", "tsx", "/sdk/run", "--monitor", "127.0.0.1:1", "--engine", "127.0.0.1:2"],
      ...["--project", "houses", "--stack", "dev", "--root-directory", "/fleet", "--pwd", "/fleet/program"],
      ...["--query-mode", "false", "--parallel", "64", "index.ts", "extra"],
    ]);
  });

  it("tells the program of a preview", () => {
    const request = runRequest();
    request.setDryrun(true);
    const args = programArguments("run", request, { engineAddress: "e", tracing: "", options: {} });
    expect(args.slice(-3)).toEqual(["--dry-run", "index.ts", "extra"]);
  });

  it("gives a policy pack the engine first, a provider the folder first", () => {
    const request = new language.RunPluginRequest();
    request.setArgsList(["127.0.0.1:2"]);
    request.setKind("analyzer");
    expect(pluginArguments("script", request, "/pack")).toEqual(["script", "127.0.0.1:2", "/pack"]);
    request.setKind("resource");
    expect(pluginArguments("script", request, "/pack")).toEqual(["script", "/pack", "127.0.0.1:2"]);
  });

  it("passes configuration in the environment, never on the command line", () => {
    expect(programEnvironment(runRequest(), { typescript: false })).toEqual({
      PULUMI_CONFIG: '{"houses:config:keys:nested":"x","houses:config:root":".dev"}',
      PULUMI_CONFIG_SECRET_KEYS: '["houses:keys:nested"]',
    });
  });

  it("lets the SDK transpile TypeScript unless the project says it does so itself", () => {
    expect(programEnvironment(undefined, {})).toEqual({ PULUMI_NODEJS_TYPESCRIPT: "true" });
    expect(programEnvironment(undefined, { typescript: false })).toEqual({});
  });
});

describe("the end of a program", () => {
  it.each([
    [0, null, { error: "", bail: false }],
    [32, null, { error: "", bail: true }],
    [1, null, { error: "Program exited with non-zero exit code: 1", bail: false }],
    [null, "SIGKILL", { error: "Program was ended by signal SIGKILL", bail: false }],
  ])("exit code %s, signal %s", (code, signal, expected) => {
    expect(programFailure(code, signal)).toEqual(expected);
  });
});

describe("splitWords", () => {
  it.each([
    ["", []],
    ["--import tsx", ["--import", "tsx"]],
    ["  a\t b ", ["a", "b"]],
    [`--require "/a b/c.js" d`, ["--require", "/a b/c.js", "d"]],
    [`'it''s' "a\\"b" c\\ d`, ["its", 'a"b', "c d"]],
    [`--x="a b"`, ["--x=a b"]],
  ])("%j", (text, words) => {
    expect(splitWords(text)).toEqual(words);
  });
});

describe("the language host beside an engine", () => {
  it("starts also where the engine's folder lies inside a project of ES modules", async () => {
    const project = mkdtempSync(path.join(os.tmpdir(), "wizard-houses-host-"));
    const bin = path.join(project, "pulumi", "bin");
    mkdirSync(bin, { recursive: true });
    writeFileSync(path.join(project, "package.json"), `{ "type": "module" }`);
    try {
      expect(await ensureLanguageHost(bin)).toBe(true);
      expect(await ensureLanguageHost(bin), "what is up to date is left as it is").toBe(false);
      const child = spawn(path.join(bin, LANGUAGE_HOST), ["127.0.0.1:1"], {
        stdio: ["pipe", "pipe", "inherit"],
      });
      const port = await new Promise<string>((resolve) => {
        child.stdout.setEncoding("utf8").once("data", resolve);
        child.once("close", (code) => resolve(`ended with code ${code}`));
      });
      expect(port).toMatch(/^\d+\n$/);
      const ended = new Promise((resolve) => child.once("close", resolve));
      child.stdin.end();
      expect(await ended, "the end of its input ends it").toBe(0);
    } finally {
      rmSync(project, { recursive: true });
    }
  });
});
