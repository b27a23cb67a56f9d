/** The check of a release on its host, with real harnesses: the pinned one, one without a managed scope, and worse. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { ENVIRONMENTS, loadFleet, renderEnvFile, renderHouse } from "../../fleet/index.ts";
import { HARNESS_VERSION, harnessPython, OLD_HARNESS_VERSION } from "./venv.ts";

const root = join(import.meta.dirname, "../..");
const fleet = loadFleet(join(root, "wizards"));
const cases = fleet.houses.flatMap((house) => ENVIRONMENTS.map((environment) => ({ house, environment })));
const SECRET = "canary-5c11e0";

let venvs: { pinned: string; old: string };
let scratch: string;
/** The release that is checked; what the check makes goes beside it. */
let release: string;
let temporary: string;

beforeAll(() => {
  const venv = (version?: string): string => dirname(dirname(harnessPython(version)));
  venvs = { pinned: venv(), old: venv(OLD_HARNESS_VERSION) };
}, 600_000);

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), "check-host-"));
  temporary = join(scratch, "tmp");
  release = layOut(cases[0]!);
  mkdirSync(temporary);
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

function layOut({ house, environment }: (typeof cases)[number]): string {
  const folder = join(scratch, `${house.name}-${environment}`);
  const rendered = renderHouse(fleet, house, environment);
  const secrets = Object.fromEntries(rendered.keys.map((key) => [key, SECRET]));
  mkdirSync(folder);
  writeFileSync(join(folder, "config.yaml"), rendered.files["config.yaml"] ?? "");
  writeFileSync(join(folder, ".env"), renderEnvFile({ ...rendered.env, ...secrets }));
  cpSync(join(root, "components/gateway"), join(folder, "gateway"), { recursive: true });
  return folder;
}

/** The command line, for a release that runs with this harness. */
function argv(venv: string, needs: readonly string[] = [], how = "given"): string[] {
  const link = join(release, "harness");
  rmSync(link, { force: true });
  symlinkSync(venv, link);
  return ["gateway/check-host.sh", HARNESS_VERSION, how, ...needs];
}
const options = () => ({
  cwd: release,
  // The provider gives no more than this; the folder for temporary files stands for the host's.
  env: { PATH: "/usr/bin:/bin", HOME: join(scratch, "home"), TMPDIR: temporary },
});
function check(venv: string, needs?: readonly string[]): { code: number | null; stderr: string } {
  const { status, stdout, stderr } = spawnSync("/bin/sh", argv(venv, needs), {
    ...options(),
    encoding: "utf8",
  });
  expect(stdout).toBe("");
  expect(stderr).not.toContain(SECRET);
  // The provider shows so much of a line, and of its lines.
  const lines = stderr.trim().split("\n");
  expect(lines.length).toBeLessThan(10);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(300);
  return { code: status, stderr };
}
/** The whole of a file tree, by path and time of change. */
const listing = (folder: string): string =>
  execFileSync("find", [folder, "-mindepth", "1", "!", "-name", "harness", "-printf", "%p %y %s %T@\n"], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });

function packagesOf(venv: string): string {
  const [lib] = readdirSync(join(venv, "lib"));
  return join(venv, "lib", lib ?? "", "site-packages");
}

/** A virtualenv whose packages are what the test says; its interpreter is the pinned harness's. */
function double(name: string, files: Record<string, string>): string {
  const venv = join(scratch, name);
  execFileSync(join(venvs.pinned, "bin/python"), ["-m", "venv", "--without-pip", venv]);
  for (const [file, text] of Object.entries(files)) {
    const path = join(packagesOf(venv), file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  return venv;
}
/** The pinned harness's own packages, but for what the test puts before them. */
const harnessWith = (name: string, files: Record<string, string>): string =>
  double(name, { ...files, "harness.pth": `${packagesOf(venvs.pinned)}\n` });

test.each(cases)("a harness that follows the release passes: $house.name in $environment", (which) => {
  if (which !== cases[0]) release = layOut(which);
  expect(check(venvs.pinned)).toEqual({ code: 0, stderr: "" });
});

test("nothing is left behind, neither in the harness nor in the release nor beside them", () => {
  const before = [venvs.pinned, release].map(listing);
  check(venvs.pinned);
  check(venvs.old);
  expect([venvs.pinned, release].map(listing)).toEqual(before);
  expect(readdirSync(temporary)).toEqual([]);
  expect(existsSync(join(scratch, "home"))).toBe(false);
});

test("a harness from before the managed scope is refused, with its name, its version and what to install", () => {
  const { code, stderr } = check(venvs.old);
  expect(code).toBe(1);
  const python = join(venvs.old, "bin/python");
  expect(stderr).toContain(
    `The harness ${python} (hermes-agent ${OLD_HARNESS_VERSION}) does not follow the managed scope`,
  );
  expect(stderr).toContain("The harness would use custom/not-of-the-release at http://127.0.0.1:9/agent");
  expect(stderr).toContain(`${python} -m pip install 'hermes-agent[messaging]==${HARNESS_VERSION}'`);
});

test("one that the update installs is nothing that an operator is told to install", () => {
  const said = (venv: string): string => {
    const words = argv(venv, [], "installed");
    return spawnSync("/bin/sh", words, { ...options(), encoding: "utf8" }).stderr;
  };
  expect(said(venvs.old)).toContain("Name another version or lock as the harness of this house.");
  expect(said("/opt/none")).toContain(
    "finds no program /opt/none/bin/python, which the update should have installed",
  );
  expect(said(venvs.old) + said("/opt/none")).not.toContain("pip install");
});

describe("whatever else is wrong with the harness is told in a few lines", () => {
  const install = /-m pip install 'hermes-agent\[messaging\]==[\d.]+'\n$/;
  const refused = (venv: string, words: string): void => {
    const { code, stderr } = check(venv);
    expect(stderr).toContain(words);
    expect(stderr).toMatch(install);
    expect(code).toBe(1);
  };

  test("there is no virtualenv", () => {
    refused(join(scratch, "nowhere"), `finds no program ${scratch}/nowhere/bin/python`);
  });

  test("its interpreter is a link to one that is gone", () => {
    mkdirSync(join(scratch, "gone/bin"), { recursive: true });
    symlinkSync(join(scratch, "python3.99"), join(scratch, "gone/bin/python"));
    refused(join(scratch, "gone"), "finds no program");
  });

  test("the virtualenv has no harness", () => {
    refused(
      double("empty", {}),
      "(no hermes-agent installed) could not be asked: ModuleNotFoundError: No module named",
    );
  });

  test("the harness cannot be imported", () => {
    const venv = harnessWith("broken", {
      "hermes_cli/__init__.py": "",
      "hermes_cli/config.py": "import libgone\n",
    });
    refused(
      venv,
      `(hermes-agent ${HARNESS_VERSION}) could not be asked: ModuleNotFoundError: No module named 'libgone'`,
    );
  });

  test("it has no web server", () => {
    // The pinned packages, each by a link, but for the one.
    const venv = double("serverless", {});
    const from = packagesOf(venvs.pinned);
    for (const name of readdirSync(from).filter((entry) => !entry.startsWith("aiohttp")))
      symlinkSync(join(from, name), join(packagesOf(venv), name));
    refused(venv, "has no aiohttp, without which a gateway does not answer on /health");
  });

  test("it follows the release's model and not its fallbacks", () => {
    const venv = double("half", {
      "hermes_cli/__init__.py": "",
      "hermes_cli/config.py": `
import os, yaml
def load_config():
    release, own = (
        yaml.safe_load(open(os.environ[name] + "/config.yaml")) for name in ("HERMES_MANAGED_DIR", "HERMES_HOME")
    )
    return {**release, "fallback_providers": own["fallback_providers"]}
`,
      "hermes_cli/fallback_config.py":
        "def get_fallback_chain(config): return config['fallback_providers']\n",
      "hermes_agent-9.9.9.dist-info/METADATA": "Metadata-Version: 2.1\nName: hermes-agent\nVersion: 9.9.9\n",
    });
    symlinkSync(join(packagesOf(venvs.pinned), "yaml"), join(packagesOf(venv), "yaml"));
    refused(venv, "(hermes-agent 9.9.9) does not follow the managed scope");
  });

  test("it is no program for this machine", () => {
    mkdirSync(join(scratch, "foreign/bin"), { recursive: true });
    writeFileSync(join(scratch, "foreign/bin/python"), "\x7fELF no");
    chmodSync(join(scratch, "foreign/bin/python"), 0o755);
    const { code, stderr } = check(join(scratch, "foreign"));
    expect(code).toBe(1);
    expect(stderr).toMatch(/The harness's interpreter .*foreign\/bin\/python ended with code \d+\.\n$/);
  });
});

test("modules in the release, in the home and in the variables of Python are not looked at", () => {
  const trap = "raise SystemExit('trapped')\n";
  const home = join(scratch, "home");
  mkdirSync(home);
  for (const folder of [release, join(release, "gateway"), home]) {
    for (const name of ["json.py", "yaml.py", "sitecustomize.py"]) writeFileSync(join(folder, name), trap);
  }
  const { status, stderr } = spawnSync("/bin/sh", argv(venvs.pinned), {
    ...options(),
    env: { ...options().env, PYTHONPATH: home, PYTHONSTARTUP: join(home, "json.py"), PYTHONHOME: home },
    encoding: "utf8",
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
});

describe("a harness that does not come to an end", () => {
  const stuck = () =>
    harnessWith("stuck", {
      "hermes_cli/__init__.py": "",
      "hermes_cli/config.py":
        "import os, subprocess, time\nsubprocess.Popen(['sleep', '4711.5'])\ntime.sleep(600)\n",
    });
  const sleepers = (): string => spawnSync("pgrep", ["-f", "sleep 4711[.]5"], { encoding: "utf8" }).stdout;
  const ended = (child: ChildProcess): Promise<number | null> =>
    new Promise((resolve) => child.on("exit", (code) => resolve(code)));

  test("is ended in time, with all it started", () => {
    const from = Date.now();
    const { code, stderr } = check(stuck());
    expect(stderr).toContain("gave no answer in 40 s");
    expect(code).toBe(1);
    expect(Date.now() - from).toBeLessThan(55_000);
    expect(sleepers()).toBe("");
    expect(readdirSync(temporary)).toEqual([]);
  });

  test("is ended with the check itself", async () => {
    const child = spawn("/bin/sh", argv(stuck()), { ...options(), detached: true, stdio: "ignore" });
    const exit = ended(child);
    const deadline = Date.now() + 20_000;
    while (sleepers() === "" && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 100));
    expect(sleepers()).not.toBe("");
    // As `timeout` does it.
    process.kill(-(child.pid ?? 0), "SIGTERM");
    await exit;
    while (sleepers() !== "" && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 100));
    expect(sleepers()).toBe("");
    expect(readdirSync(temporary)).toEqual([]);
  });
});

describe("what the sandbox opens must be there", () => {
  const needs = (...names: string[]): string => {
    const { code, stderr } = check(venvs.pinned, names);
    expect(code).toBe(stderr === "" ? 0 : 1);
    return stderr;
  };

  test("a folder and a group that are there", () => {
    mkdirSync(join(scratch, "builds"));
    expect(needs(join(scratch, "builds"), "root")).toBe("");
  });

  test("a folder and a group that are not, all at once", () => {
    const folder = join(scratch, "builds");
    expect(needs(folder, "no-such-group").trim().split("\n")).toEqual([
      `The house may write to ${folder}, but it is no folder that root can write to. As root:`,
      `install -d -m 0750 -o root -g root ${folder}`,
      "The house's sandbox joins the group no-such-group, which this host does not have. As root: groupadd --system no-such-group",
    ]);
  });

  test("a file in the place of the folder", () => {
    writeFileSync(join(scratch, "builds"), "");
    expect(needs(join(scratch, "builds"))).toContain("is no folder that root can write to");
  });
});
