import { describe, expect, test } from "vitest";

import { connections, StackError, stackSettings } from "../../components/stack.ts";

const reader = (values: Record<string, string>) => (key: string) => values[key];

describe("settings", () => {
  test("defaults", () => {
    expect(stackSettings(reader({ environment: "dev", transport: "local" }))).toEqual({
      environment: "dev",
      transport: "local",
      placeholders: true,
      activation: {},
      root: ".dev/hosts",
      afterCanary: "serial",
    });
  });

  test("time to connect", () => {
    const given = { environment: "dev", transport: "ssh", connectDeadline: "5" };
    expect(stackSettings(reader(given))).toMatchObject({ connectDeadline: 5 });
    const activation = { healthDeadline: "10", stableFor: "1", revertAfter: "20" };
    expect(stackSettings(reader({ ...given, ...activation })).activation).toEqual({
      ...{ deadline: 10, stableFor: 1, revertAfter: 20 },
    });
    expect(() => stackSettings(reader({ ...given, revertAfter: "2m" }))).toThrow(
      /revertAfter is "2m"; allowed: seconds, a whole number from 1 to 9999/,
    );
    for (const connectDeadline of ["0", "-1", "1.5", "soon", "", "1000"]) {
      expect(() => stackSettings(reader({ ...given, connectDeadline }))).toThrow(
        /connectDeadline is ".*"; allowed: seconds, a whole number from 1 to 999/,
      );
    }
  });

  test("keys are made up in dev, and where a stack on this machine asks for it", () => {
    const placeholders = (values: Record<string, string>) => stackSettings(reader(values)).placeholders;
    expect(placeholders({ environment: "prod", transport: "local" })).toBe(false);
    expect(placeholders({ environment: "prod", transport: "local", placeholders: "true" })).toBe(true);
    expect(() => placeholders({ environment: "prod", transport: "ssh", placeholders: "true" })).toThrow(
      "placeholders is true, and a real host would run on made-up keys; allowed: with transport local",
    );
  });

  test("where harnesses come from: one way, and a URL that is not repeated", () => {
    const given = { environment: "prod", transport: "ssh" };
    expect(stackSettings(reader({ ...given, harnessWheels: "w" }))).toMatchObject({ harnessWheels: "w" });
    const index = "https://reader:canary@index.example/simple";
    expect(stackSettings(reader({ ...given, harnessIndex: index }))).toMatchObject({ harnessIndex: index });
    const both = () => stackSettings(reader({ ...given, harnessWheels: "w", harnessIndex: "ftp://canary" }));
    expect(both).toThrow(/both set; allowed: one of them/);
    expect(both).toThrow(/harnessIndex is no URL/);
    expect(both).not.toThrow(/canary/);
  });

  test("all problems at once, with what is allowed", () => {
    const read = () => stackSettings(reader({ environment: "production", afterCanary: "later" }));
    expect(read).toThrow(StackError);
    expect(read).toThrow(/environment is "production"; allowed: dev, cron, gateway, prod/);
    expect(read).toThrow(/transport is not set; allowed: local, ssh; run: pulumi config set transport/);
    expect(read).toThrow(/afterCanary is "later"; allowed: serial, parallel/);
  });
});

describe("connections", () => {
  const reached = {
    name: "forge",
    address: "198.18.0.2",
    port: 2222,
    user: "admin",
    hostKey: "ssh-ed25519 AAAA",
  };
  const pinned = { ...reached, packages: { jq: { held: false } } };
  const unpinned = { name: "barn", address: "198.18.0.3", port: 22, user: "root", packages: {} };
  const settings = { environment: "prod", root: "/r", afterCanary: "serial", activation: {} } as const;

  test("local: a folder per host and nothing of the real one", () => {
    expect(connections([pinned, unpinned], { ...settings, transport: "local" })).toEqual({
      forge: { name: "forge", transport: "local", root: "/r/forge" },
      barn: { name: "barn", transport: "local", root: "/r/barn" },
    });
  });

  test("ssh", () => {
    expect(connections([pinned], { ...settings, transport: "ssh" })).toEqual({
      forge: { ...reached, transport: "ssh" },
    });
  });

  test("ssh with a time to connect", () => {
    expect(connections([pinned], { ...settings, transport: "ssh", connectDeadline: 5 })).toEqual({
      forge: { ...reached, transport: "ssh", connectDeadline: 5 },
    });
  });

  test("ssh without a pinned key is refused, and says how to pin", () => {
    const connect = () => connections([pinned, unpinned], { ...settings, transport: "ssh" });
    expect(connect).toThrow(/host barn has no pinned host key/);
    expect(connect).toThrow(/ssh-keyscan -t ed25519 -p 22 198\.18\.0\.3/);
    expect(connect).not.toThrow(/forge/);
  });
});
