import { describe, expect, it } from "vitest";

import { lockOwner, parseLock, pendingCreates } from "../../scripts/locks.ts";

const at = new Date("2026-03-01T12:00:00.000Z");
const text = `{"pid":4711,"username":"root","hostname":"forge","timestamp":"2026-03-01T13:00:00.000000000+01:00"}`;

describe("parseLock", () => {
  it("reads what the engine writes", () => {
    expect(parseLock(text)).toEqual({ pid: 4711, username: "root", hostname: "forge", timestamp: at });
  });

  it.each([["{}"], [`{"pid":"1","username":"a","hostname":"b"}`], [text.replace("2026-03", "nonsense")]])(
    "refuses %s",
    (broken) => {
      expect(() => parseLock(broken)).toThrow("not a lock");
    },
  );
});

describe("lockOwner", () => {
  const lock = parseLock(text);
  const before = new Date(at.getTime() - 60_000);
  const after = new Date(at.getTime() + 60_000);
  it.each([
    ["another machine's", "laptop", undefined, "elsewhere"],
    ["no such process", "forge", undefined, "dead"],
    ["the engine", "forge", { command: "/x/bin/pulumi up --stack dev", startedAt: before }, "living"],
    ["another program with its number", "forge", { command: "sleep 60", startedAt: before }, "dead"],
    ["a later engine with its number", "forge", { command: "pulumi up", startedAt: after }, "dead"],
  ])("%s", (_name, hostname, process, expected) => {
    expect(lockOwner(lock, hostname, process)).toBe(expected);
  });
});

describe("pendingCreates", () => {
  const urn = "urn:pulumi:dev::wizard-houses::host:index:Release::ezra-release";
  const state = (operations: unknown): string =>
    JSON.stringify({ version: 3, checkpoint: { latest: { pending_operations: operations } } });
  it.each([
    ["none", state(undefined), []],
    ["an update, which clears itself", state([{ type: "updating", resource: { urn } }]), []],
    ["a creation", state([{ type: "creating", resource: { urn } }]), ["ezra-release"]],
    ["an empty stack", `{"version":3,"checkpoint":{"latest":null}}`, []],
  ])("%s", (_name, text, expected) => {
    expect(pendingCreates(text)).toEqual(expected);
  });
});
