import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { ensureGoTool, ToolUnavailableError } from "../../toolchain/go-tools.ts";
import { VERSIONS } from "../../toolchain/versions.ts";

let folder: string;
const said: string[] = [];

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "go-tools-"));
  said.length = 0;
  mkdirSync(path.join(folder, "bin"));
  // Nothing but what a test puts there can be called.
  vi.stubEnv("PATH", path.join(folder, "bin"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

/** A compiler that makes a program which answers these words. */
const compiler = (answer: string): void =>
  writeFileSync(
    path.join(folder, "bin", "go"),
    `#!/bin/sh
while [ "$1" != -o ]; do shift; done
printf '#!/bin/sh\\necho "${answer}"\\n' >"$2"
/bin/chmod +x "$2"
`,
    { mode: 0o755 },
  );

const ensure = (): Promise<string> =>
  ensureGoTool("actionlint", (line) => said.push(line), path.join(folder, "cache"));

describe("ensureGoTool", () => {
  it("builds once, and only what is whole has the name that is looked for", async () => {
    compiler(VERSIONS.actionlint);
    const built = await ensure();
    expect(readdirSync(built)).toEqual(["actionlint"]);
    rmSync(path.join(folder, "bin", "go"));
    await expect(ensure()).resolves.toBe(built);
    expect(readdirSync(path.join(folder, "cache"))).toEqual([path.basename(built)]);
  });

  it("says what to install where there is no Go, and leaves nothing behind", async () => {
    await expect(ensure()).rejects.toThrow(ToolUnavailableError);
    await expect(ensure()).rejects.toThrow(`Go is not installed. It needs Go ${VERSIONS.go} or newer`);
    expect(readdirSync(path.join(folder, "cache"))).toEqual([]);
  });

  it("takes no program that is of another version", async () => {
    compiler("1.0.0");
    await expect(ensure()).rejects.toThrow('says of itself: "1.0.0\\n"');
    expect(readdirSync(path.join(folder, "cache"))).toEqual([]);
  });
});
