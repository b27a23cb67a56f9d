import { describe, expect, it } from "vitest";

import { UsageError, hasOption, parseArguments } from "../../scripts/arguments.ts";

describe("parseArguments", () => {
  it.each([
    [[], { stack: "dev", recover: false, rest: [] }],
    [["--diff"], { stack: "dev", recover: false, rest: ["--diff"] }],
    [["-s", "prod"], { stack: "prod", recover: false, rest: [] }],
    [["-sprod"], { stack: "prod", recover: false, rest: [] }],
    [["--stack", "org/wizard-houses/prod"], { stack: "org/wizard-houses/prod", recover: false, rest: [] }],
    [["--stack=prod", "--diff"], { stack: "prod", recover: false, rest: ["--diff"] }],
    [["--skip-preview", "--recover"], { stack: "dev", recover: true, rest: ["--skip-preview"] }],
    [["--policy-pack", "policies"], { stack: "dev", recover: false, rest: ["--policy-pack", "policies"] }],
  ])("%j", (args, expected) => {
    expect(parseArguments(args)).toEqual(expected);
  });

  it.each([[["-s"]], [["--stack="]], [["-s", "a b"]], [["--stack", "../etc"]], [["-s", "--diff"]]])(
    "refuses %j and says what is allowed",
    (args) => {
      expect(() => parseArguments(args)).toThrow(UsageError);
      expect(() => parseArguments(args)).toThrow("for example -s prod");
    },
  );
});

describe("hasOption", () => {
  it.each([
    [["--yes"], true],
    [["--yes=false"], true],
    [["-y"], true],
    [["--yesterday"], false],
    [[], false],
  ])("%j", (args, expected) => {
    expect(hasOption(args, "--yes", "-y")).toBe(expected);
  });
});
