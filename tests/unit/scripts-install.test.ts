import { describe, expect, it } from "vitest";

import { installedMatches, olderThan } from "../../scripts/install.mjs";

describe("olderThan", () => {
  it.each([
    ["20.10.9", "20.11.0", true],
    ["20.11.0", "20.11.0", false],
    ["20.9.0", "20.11.0", true],
    ["22.0.0", "20.11.0", false],
    ["18.20.0", "20.11.0", true],
  ])("%s before %s: %s", (a, b, expected) => {
    expect(olderThan(a, b)).toBe(expected);
  });
});

describe("installedMatches", () => {
  const one = { version: "1.0.0", integrity: "sha512-a" };
  const lock = {
    packages: { "": {}, "node_modules/one": one, "node_modules/mac": { ...one, optional: true } },
  };
  it.each([
    ["the same", { "node_modules/one": one }, true],
    ["with an optional package", { "node_modules/one": one, "node_modules/mac": one }, true],
    ["nothing", {}, false],
    ["another version", { "node_modules/one": { ...one, version: "1.0.1" } }, false],
    ["other contents", { "node_modules/one": { ...one, integrity: "sha512-b" } }, false],
    ["something left over", { "node_modules/one": one, "node_modules/old": one }, false],
  ])("%s", (_name, packages, expected) => {
    expect(installedMatches(lock, { packages })).toBe(expected);
  });
});
