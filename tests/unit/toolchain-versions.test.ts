import { readFileSync } from "node:fs";
import path from "node:path";

import { describe, expect, it } from "vitest";

import { VERSIONS } from "../../toolchain/versions.ts";

const root = path.resolve(import.meta.dirname, "..", "..");
const read = (...parts: string[]): string => readFileSync(path.join(root, ...parts), "utf8");

interface Manifest {
  engines: { node: string };
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
}

describe("toolchain/versions.json is the one place of versions", () => {
  const manifest = JSON.parse(read("package.json")) as Manifest;

  it("package.json asks for the same Node.js", () => {
    expect(VERSIONS.node.startsWith(manifest.engines.node.replace(">=", ""))).toBe(true);
  });

  it("package.json pins the same Pulumi SDK and command line", () => {
    expect(manifest.dependencies["@pulumi/pulumi"]).toBe(VERSIONS.pulumi);
    expect(manifest.devDependencies.pulumi).toBe(VERSIONS.pulumi);
  });

  it("the engine's go.mod asks for the same Go and pins the same engine and SDK", () => {
    const goMod = read("toolchain", "engine", "go.mod");
    expect(/^go (\S+)$/m.exec(goMod)?.[1]).toBe(VERSIONS.go);
    for (const module of ["pkg/v3", "sdk/v3"]) {
      const pattern = new RegExp(`^\\s*github\\.com/pulumi/pulumi/${module} v(\\S+)`, "m");
      expect(pattern.exec(goMod)?.[1], module).toBe(VERSIONS.pulumi);
    }
  });

  it.each([
    ["gitea", "code.gitea.io/gitea", VERSIONS.gitea],
    ["actionlint", "github.com/rhysd/actionlint", VERSIONS.actionlint],
    ["versitygw", "github.com/versity/versitygw", VERSIONS.versitygw],
  ] as const)("the go.mod of %s asks for the same Go and pins the same version", (tool, module, version) => {
    const goMod = read("toolchain", tool, "go.mod");
    expect(/^go (\S+)$/m.exec(goMod)?.[1]).toBe(VERSIONS.go);
    expect(new RegExp(`^\\s*${module.replaceAll(".", "\\.")} v(\\S+)`, "m").exec(goMod)?.[1]).toBe(version);
  });
});
