import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { EngineUnavailableError, ensureEngine, type EngineSource } from "../../toolchain/engine.ts";
import { VERSIONS } from "../../toolchain/versions.ts";

let home: string;
let said: string[];

beforeEach(() => {
  home = mkdtempSync(path.join(os.tmpdir(), "engine-test-"));
  said = [];
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const versions = (): string => path.join(home, "versions");
const bin = (): string => path.join(versions(), VERSIONS.pulumi, "bin");
/** A process id beyond what Linux and macOS give out. */
const NO_PROCESS = 4_999_999;

function writeEngine(folder: string, answer: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "pulumi"), `#!/bin/sh\necho ${answer}\n`);
  chmodSync(path.join(folder, "pulumi"), 0o755);
}

function source(answer: string): EngineSource & { calls: number } {
  const made = Object.assign(
    (folder: string) => {
      made.calls += 1;
      writeEngine(folder, answer);
      return Promise.resolve(undefined);
    },
    { calls: 0 },
  );
  return made;
}

const refusing =
  (reason: string): EngineSource =>
  () =>
    Promise.resolve(reason);

const ensure = (...sources: EngineSource[]): Promise<string> =>
  ensureEngine({ home, seenFile: path.join(home, "seen"), progress: (line) => said.push(line), sources });

describe("ensureEngine", () => {
  it("takes the first source that yields an engine, and leaves nothing but it behind", async () => {
    const engine = await ensure(refusing("no network"), source(`v${VERSIONS.pulumi}`));
    expect(engine).toBe(path.join(bin(), "pulumi"));
    expect(readdirSync(versions())).toEqual([VERSIONS.pulumi]);
    expect(readdirSync(bin()).sort()).toEqual(["package.json", "pulumi", "pulumi-language-nodejs"]);
  });

  it("works where it cannot remember what it has asked", async () => {
    writeFileSync(path.join(home, "file"), "where a folder should be");
    writeEngine(bin(), `v${VERSIONS.pulumi}`);
    const seenFile = path.join(home, "file", "deeper", "seen");
    await expect(ensureEngine({ home, seenFile, progress: () => {}, sources: [] })).resolves.toContain(
      "pulumi",
    );
  });

  it("uses an engine that is there and answers its version", async () => {
    writeEngine(bin(), `v${VERSIONS.pulumi}`);
    const unused = source("unused");
    await ensure(unused);
    expect(unused.calls).toBe(0);
  });

  it("leaves an official language host alone", async () => {
    writeEngine(bin(), `v${VERSIONS.pulumi}`);
    writeFileSync(path.join(bin(), "pulumi-language-nodejs"), "\x7fELF official");
    await ensure();
    expect(readFileSync(path.join(bin(), "pulumi-language-nodejs"), "utf8")).toBe("\x7fELF official");
  });

  it("renews a language host of ours whose source has changed", async () => {
    await ensure(source(`v${VERSIONS.pulumi}`));
    const host = path.join(bin(), "pulumi-language-nodejs");
    const current = readFileSync(host, "utf8");
    writeFileSync(host, current.replace(/(built without the official one: ).*/, "$1an older one"));
    await ensure();
    expect(readFileSync(host, "utf8")).toBe(current);
  });

  it.each([
    ["is of another version", "v1.0.0"],
    ["answers nothing", ""],
  ])("replaces an engine that %s", async (_name, answer) => {
    writeEngine(bin(), answer);
    const fresh = source(`v${VERSIONS.pulumi}`);
    await ensure(fresh);
    expect(fresh.calls).toBe(1);
    expect(said.join("\n")).toContain("replacing it");
  });

  it("notices an engine that was replaced after it had been seen", async () => {
    await ensure(source(`v${VERSIONS.pulumi}`));
    writeEngine(bin(), "broken now");
    const fresh = source(`v${VERSIONS.pulumi}`);
    await ensure(fresh);
    expect(fresh.calls).toBe(1);
  });

  it("starts over where an installation was interrupted", async () => {
    const leftover = path.join(versions(), `.${VERSIONS.pulumi}.staging-${NO_PROCESS}`);
    writeEngine(path.join(leftover, "bin"), "half");
    await ensure(source(`v${VERSIONS.pulumi}`));
    expect(existsSync(leftover)).toBe(false);
    expect(said.join("\n")).toContain("interrupted; starting over");
  });

  it("builds once for two commands that start together", async () => {
    let calls = 0;
    const slow: EngineSource = async (folder) => {
      calls += 1;
      await new Promise((resolve) => setTimeout(resolve, 100));
      writeEngine(folder, `v${VERSIONS.pulumi}`);
      return undefined;
    };
    await Promise.all([ensure(slow), ensure(slow)]);
    expect(calls).toBe(1);
    expect(said.join("\n")).toContain(`waiting for process ${process.pid}`);
  });

  it("says in one sentence what to install when there is no way, and leaves nothing behind", async () => {
    const attempt = ensure(refusing("the download failed (ENOTFOUND)"), refusing("Go is not installed"));
    await expect(attempt).rejects.toThrow(EngineUnavailableError);
    await expect(attempt).rejects.toThrow(
      `no way to get it: the download failed (ENOTFOUND); Go is not installed. Connect this machine to the internet, ` +
        `or install Go ${VERSIONS.go} or newer`,
    );
    expect(readdirSync(versions())).toEqual([]);
  });

  it("does not install an engine that does not work", async () => {
    await expect(ensure(source("v0.0.1"))).rejects.toThrow(`does not answer \`pulumi version\``);
    expect(existsSync(bin())).toBe(false);
  });
});
