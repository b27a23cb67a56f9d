/** How a gateway is started: on the harness of its release, and on that one for as long as it runs. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

const START = path.join(import.meta.dirname, "../../components/gateway/start-gateway.sh");

let folder: string;
const at = (...parts: string[]): string => path.join(folder, ...parts);

/** A virtualenv whose gateway reads a module only after a line on its standard input, and says whose it was. */
function harness(name: string): void {
  execFileSync("python3", ["-m", "venv", "--without-pip", at(name)]);
  const [lib = ""] = readdirSync(at(name, "lib"));
  const packages = at(name, "lib", lib, "site-packages");
  mkdirSync(path.join(packages, "hermes_cli"));
  writeFileSync(path.join(packages, "later.py"), `WHOSE = ${JSON.stringify(name)}\n`);
  writeFileSync(
    path.join(packages, "hermes_cli", "main.py"),
    `import os, sys
print(sys.argv[1:], os.environ.get("VIRTUAL_ENV"), os.environ["PATH"].split(":")[0], flush=True)
sys.stdin.readline()
import later
print(later.WHOSE)
`,
  );
}
function flip(release: string): void {
  rmSync(at("current"), { force: true });
  symlinkSync(release, at("current"));
}

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "start-gateway-"));
  for (const name of ["one", "two"]) {
    harness(name);
    mkdirSync(at(`release-${name}`));
    symlinkSync(at(name), at(`release-${name}`, "harness"));
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Starts a program on the first release, switches to the second, and lets it go on. */
async function acrossSwitch(program: string, args: string[]): Promise<string[]> {
  flip("release-one");
  const child = spawn(program, args, { env: { PATH: "/usr/bin:/bin" }, stdio: ["pipe", "pipe", "inherit"] });
  let said = "";
  const over = new Promise((resolve) => child.on("close", resolve));
  await new Promise<void>((resolve) =>
    child.stdout.on("data", (text: Buffer) => {
      said += text.toString();
      resolve();
    }),
  );
  flip("release-two");
  child.stdin.end("\n");
  await over;
  return said.trim().split("\n");
}

describe("a gateway", () => {
  test("stays on the harness it was started with, whatever release is switched to", async () => {
    const [first, last] = await acrossSwitch("/bin/sh", [START, at("current")]);
    expect(first).toBe(`['gateway', 'run'] ${at("one")} ${at("one", "bin")}`);
    expect(last).toBe("one");
  });

  test("would not, were it started through the link", async () => {
    const python = at("current", "harness", "bin", "python");
    expect((await acrossSwitch(python, ["-m", "hermes_cli.main", "gateway", "run"])).at(-1)).toBe("two");
  });

  test("of a release whose harness is not there says so", () => {
    mkdirSync(at("release-none"));
    symlinkSync(at("gone"), at("release-none", "harness"));
    const { status, stderr } = spawnSync("/bin/sh", [START, at("release-none")], { encoding: "utf8" });
    expect(status).toBe(1);
    expect(stderr).toContain(`harness leads to ${at("gone")}, where nothing is`);
  });
});
