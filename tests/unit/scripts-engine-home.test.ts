/** A home in which the engine writes no log and finds everything else of the operator's. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { preventLog, withoutLog } from "../../scripts/engine-home.ts";

let theirs: string;
beforeEach(() => {
  theirs = mkdtempSync(path.join(os.tmpdir(), "wizard-houses-home-"));
});
afterEach(() => rmSync(theirs, { recursive: true, force: true }));

const prepared = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv =>
  withoutLog({ PULUMI_HOME: theirs, ...more });

describe("withoutLog", () => {
  it("leaves the operator's logs alone and makes a folder of logs impossible in its own home", () => {
    mkdirSync(path.join(theirs, "logs"));
    writeFileSync(path.join(theirs, "logs", "old.log"), "");
    const home = prepared().PULUMI_HOME ?? "";
    expect(path.dirname(home)).toBe(theirs);
    expect(statSync(path.join(home, "logs")).isFile()).toBe(true);
    expect(readdirSync(path.join(theirs, "logs"))).toEqual(["old.log"]);
  });

  it("shows what the operator has, also what is new or gone since, and what is written is written there", () => {
    writeFileSync(path.join(theirs, "one.json"), "1");
    const home = prepared().PULUMI_HOME ?? "";
    writeFileSync(path.join(theirs, "two.json"), "2");
    rmSync(path.join(theirs, "one.json"));
    prepared();
    expect(readFileSync(path.join(home, "two.json"), "utf8")).toBe("2");
    expect(readdirSync(home)).not.toContain("one.json");
    writeFileSync(path.join(home, "plugins", "new"), "");
    expect(existsSync(path.join(theirs, "plugins", "new"))).toBe(true);
  });

  it("keeps the login where it is", () => {
    expect(prepared().PULUMI_CREDENTIALS_PATH).toBe(theirs);
    expect(prepared({ PULUMI_CREDENTIALS_PATH: "/elsewhere" }).PULUMI_CREDENTIALS_PATH).toBe("/elsewhere");
  });
});

describe("preventLog", () => {
  it("takes older logs along, and is done once", () => {
    mkdirSync(path.join(theirs, "logs"));
    writeFileSync(path.join(theirs, "logs", "old.log"), "");
    preventLog(theirs);
    const made = statSync(path.join(theirs, "logs"));
    expect(made.isFile()).toBe(true);
    preventLog(theirs);
    expect(statSync(path.join(theirs, "logs")).mtimeMs).toBe(made.mtimeMs);
  });
});
