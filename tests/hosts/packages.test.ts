/** Packages on a real Debian, from a repository of its own: install, exact versions, holds, locks, and giving back. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";

import { HOOK_NEEDED } from "../../components/deploy-hook.ts";
import { NEEDED } from "../../components/host.ts";
import { changes } from "../../provider/diff.ts";
import { openSession, type Session } from "../../provider/host/session.ts";
import { loopCommand, ShellEnded, ShellProcess } from "../../provider/host/shell-process.ts";
import type { PackageStep } from "../../provider/host/package-steps.ts";
import type { Transport } from "../../provider/host/transport.ts";
import { noFacts } from "../../provider/host/facts.ts";
import { check, read, reconcile, remove } from "../../provider/operations.ts";
import type { State } from "../../provider/resource.ts";
import { packages } from "../../provider/resources/packages.ts";
import { SYSTEM_LOCK } from "../../provider/resources/system.ts";
import { formatPath, type Values } from "../../provider/values.ts";
import { exec, reset, type Machine } from "../../testbed/index.ts";
import { inside } from "./fleet.ts";
import { freshMachines } from "./machines.ts";

const RECORD = "/var/lib/wizard-houses/packages.list";
const REPOSITORY = readFileSync(new URL("./repository.sh", import.meta.url), "utf8");

let machine: Machine;
let session: Session;
/** Changes that were carried out. */
let changed: number;

/** Over the test bed's own ssh configuration. */
function transportTo({ name, sshConfigFile }: Machine): Transport {
  return {
    vantage: { prefix: "", owners: true },
    async run(options) {
      const args = ["-F", sshConfigFile, name, loopCommand()];
      const shell = new ShellProcess({
        program: "ssh",
        args,
        env: { PATH: process.env["PATH"]! },
        signal: "SIGTERM",
      });
      try {
        return await shell.run(options);
      } catch (error) {
        if (error instanceof ShellEnded) return error.answer;
        throw error;
      } finally {
        shell.finish();
      }
    },
  };
}

beforeAll(async () => {
  machine = (await freshMachines(1))[0]!;
});
beforeEach(async () => {
  await inside(machine, REPOSITORY);
  const { signal } = new AbortController();
  const options = { name: "house-01", signal, settled: () => Promise.resolve(), inform: () => undefined };
  const real = openSession({ ...options, transport: transportTo(machine) });
  changed = 0;
  session = { observe: real.observe, change: (plan) => ((changed += 1), real.change(plan)) };
});
afterEach(() => reset(machine));

const open = () => session;
const host = { name: "house-01", transport: "local", root: "x" };

type Wanted = Record<string, { version?: string; held?: boolean }>;
function declare(wanted: Wanted, claimant = "test/one"): Values {
  const { inputs, failures } = check(packages, { host, claimant, packages: wanted as Values });
  expect(failures).toEqual([]);
  return inputs;
}
async function bring(wanted: Wanted, old?: State, claimant?: string): Promise<State> {
  const inputs = declare(wanted, claimant);
  const warn = () => undefined;
  const outputs = await reconcile({
    resource: packages,
    inputs,
    ...(old && { old }),
    preview: false,
    open,
    warn,
  });
  return { inputs, outputs };
}
/** Property paths that differ from what is wanted. */
async function drift(state: State): Promise<string[]> {
  const seen = await read(packages, "id", state, open, () => {});
  return changes(seen!.inputs, state.inputs).map(({ path }) => formatPath(path));
}
const take = (steps: PackageStep[]) => session.change({ lock: SYSTEM_LOCK, steps });
const install = (names: string[], wait = 20) =>
  take([{ do: "install-packages", packages: names, by: "test/one", wait }]);

/** `name version` of what is installed, of what the repository has. */
async function installed(): Promise<string[]> {
  const query =
    "dpkg-query -W -f '${db:Status-Status} ${Package} ${Version}\\n' tool tool-data plain other rival mail-a mail-b broken slow 2>/dev/null";
  const lines = (await inside(machine, `${query} || :`)).split("\n");
  return lines.filter((line) => line.startsWith("installed ")).map((line) => line.slice("installed ".length));
}
const held = async () =>
  (await inside(machine, "apt-mark showhold")).split("\n").filter((line) => line !== "");
const record = () => inside(machine, `cat ${RECORD} 2>/dev/null || :`);
/** What an administrator does. */
const admin = (script: string) => inside(machine, `export DEBIAN_FRONTEND=noninteractive; ${script}`);
const byHand = (...names: string[]) =>
  admin(`apt-get -q update >/dev/null && apt-get -q -y install ${names.join(" ")} >/dev/null 2>&1`);

/** Holds locks as apt and dpkg do, for some seconds. */
function locked(files: string[], seconds: number): { held: Promise<void>; over: Promise<unknown> } {
  const python = `import fcntl,sys,time
fs=[open(p,"w") for p in sys.argv[2:]]
for f in fs: fcntl.lockf(f, fcntl.LOCK_EX)
open("/run/locked","w").close()
time.sleep(float(sys.argv[1]))`;
  const over = exec(machine, ["python3", "-c", python, String(seconds), ...files]);
  const taken = inside(machine, "until [ -e /run/locked ]; do sleep 0.1; done; rm /run/locked");
  return { held: taken.then(() => undefined), over };
}

describe("what is wanted", () => {
  it("is installed with what it needs, the package lists being fetched where they lack it", async () => {
    const state = await bring({ tool: {}, plain: {} });
    expect(await installed()).toEqual(["plain 1.0", "tool 1:2.0-1", "tool-data 1.0"]);
    expect(await record()).toBe("dependency tool-data\ninstalled plain test/one\ninstalled tool test/one\n");
    expect(await inside(machine, `stat -c '%a %U' ${RECORD}`)).toBe("644 root\n");
    expect(await drift(state)).toEqual([]);
    await bring({ tool: {}, plain: {} }, state);
    expect(changed).toBe(1);
  });

  it("is told package by package where it is not as wanted, and put right", async () => {
    const state = await bring({ tool: { version: "1.0-1" }, plain: { held: true }, other: {} });
    expect(await drift(state)).toEqual([]);
    await admin("apt-get -q -y install tool=1:2.0-1 && apt-mark unhold plain && apt-get -q -y remove other");
    expect(await drift(state)).toEqual(["packages.other", "packages.plain.held", "packages.tool.version"]);
    await bring({ tool: { version: "1.0-1" }, plain: { held: true }, other: {} }, state);
    expect(await drift(state)).toEqual([]);
    expect(await installed()).toEqual(["other 1.0", "plain 1.0", "tool 1.0-1", "tool-data 1.0"]);
    expect(await held()).toEqual(["plain"]);
  });

  it("goes from one exact version to another, on hold or not, and stays on hold", async () => {
    const first = await bring({ tool: { version: "1.0-1", held: true } });
    const second = await bring({ tool: { version: "1:2.0-1", held: true } }, first);
    expect([await installed(), await held()]).toEqual([["tool 1:2.0-1", "tool-data 1.0"], ["tool"]]);
    const third = await bring({ tool: { version: "1.0-1" } }, second);
    expect([await installed(), await held()]).toEqual([["tool 1.0-1", "tool-data 1.0"], []]);
    expect(await record()).toBe("dependency tool-data\ninstalled tool test/one\n");
    expect(await drift(third)).toEqual([]);
  });

  it("does not fetch the package lists where they have it", async () => {
    await admin("apt-get -q update; : >/srv/repo/Packages");
    await bring({ plain: {} });
    expect(await installed()).toEqual(["plain 1.0"]);
  });

  it("is finished by the next run where dpkg was killed in the middle", async () => {
    const first = bring({ slow: {} }).catch((error: unknown) => error);
    await admin(
      "until pgrep -f '[s]low.postinst'; do sleep 0.2; done; pkill -9 dpkg; pkill -9 apt-get; pkill -9 -f '[s]low.postinst'",
    );
    expect(await first).toBeInstanceOf(Error);
    const state: State = { inputs: declare({ slow: {} }), outputs: {} };
    expect(await drift(state)).toEqual(["packages.slow.status"]);
    await admin("touch /run/not-slow");
    await bring({ slow: {} }, state);
    expect([await installed(), await drift(state)]).toEqual([["slow 1.0"], []]);
    expect(await record()).toBe("installed slow test/one\n");
    // What it has started runs on, without our lock.
    expect(await admin(`pgrep -f '[s]leep 300' >/dev/null && flock -n ${SYSTEM_LOCK} echo free`)).toBe(
      "free\n",
    );
  });
});

describe("what cannot be had", () => {
  it.each<[string, Wanted, RegExp]>([
    ["an unknown package", { tol: {} }, /no package source of this host has tol\b/],
    [
      "a virtual package",
      { mailer: {} },
      /has mailer: it is a virtual package, name one that provides it \(mail-a mail-b\)/,
    ],
    [
      "a version",
      { tool: { version: "3.0" } },
      /tool is not to be had here in version 3\.0; there is 1:2\.0-1 1\.0-1/,
    ],
  ])("%s is said in words, and nothing is changed", async (_, wanted, words) => {
    await expect(bring({ plain: {}, ...wanted })).rejects.toThrow(words);
    expect([await installed(), await record()]).toEqual([[], ""]);
  });

  it("names everything that is missing at once, and what kept the package lists from being fetched", async () => {
    await admin("echo 'deb [trusted=yes] file:/srv/nowhere ./' >/etc/apt/sources.list");
    const failure = await bring({ tool: {}, plain: {} }).catch((error: Error) => error.message);
    expect(failure).toMatch(
      /has tool\..*\n.*has plain\n.*could not be fetched: E: Failed to fetch .*srv\/nowhere/,
    );
  });

  it("what would cost another package is refused, and that package named", async () => {
    await byHand("other");
    const failure = await bring({ rival: {} }).catch((error: Error) => error.message);
    expect(failure).toMatch(/apt cannot install rival\..*\n.*will be REMOVED:\n\s+other/);
    expect(await installed()).toEqual(["other 1.0", "tool-data 1.0"]);
  });

  it("what fails while it is installed is told in its own words", async () => {
    const failure = await bring({ broken: {} }).catch((error: Error) => error.message);
    expect(failure).toMatch(/apt failed to install broken\..*the configuration is missing\n.*exit status 3/s);
  });
});

describe("apt or dpkg in use by others", () => {
  it.each([
    ["dpkg's", ["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock"]],
    ["the package lists'", ["/var/lib/apt/lists/lock"]],
    ["the downloads'", ["/var/cache/apt/archives/lock"]],
  ])("is waited for: %s lock", async (_, files) => {
    const lock = locked(files, 4);
    await lock.held;
    const begun = Date.now();
    await install(["plain"]);
    expect(Date.now() - begun).toBeGreaterThan(2000);
    await lock.over;
    expect(await installed()).toEqual(["plain 1.0"]);
  });

  it.each([
    ["dpkg's", ["/var/lib/dpkg/lock-frontend"]],
    ["the package lists'", ["/var/lib/apt/lists/lock"]],
  ])("for too long is an error that names who it is: %s lock", async (_, files) => {
    const lock = locked(files, 8);
    await lock.held;
    const failure = await install(["plain"], 2).catch((error: Error) => error.message);
    expect(failure).toMatch(/apt and dpkg have been in use by process \d+ \(python3\) for 2 s/);
    await lock.over;
  });

  it("is waited for by holds and removals too", async () => {
    await install(["plain"]);
    for (const step of ["hold-packages", "unhold-packages", "give-back-packages"] as const) {
      const lock = locked(["/var/lib/dpkg/lock-frontend"], 3);
      await lock.held;
      await take([{ do: step, packages: ["plain"], by: "test/one", wait: 20 }]);
      await lock.over;
    }
    expect(await installed()).toEqual([]);
  });
});

describe("destroy", () => {
  const destroy = (state: State) => remove(packages, state, open);

  it("leaves the host as it was found: what was there stays, what came goes, holds of ours are released", async () => {
    await byHand("plain", "mail-a");
    await admin("apt-mark hold mail-a");
    const state = await bring({ plain: { held: true }, "mail-a": { held: true }, tool: { held: true } });
    expect(await held()).toEqual(["mail-a", "plain", "tool"]);
    await destroy(state);
    expect([await installed(), await held()]).toEqual([["mail-a 1.0", "plain 1.0"], ["mail-a"]]);
    expect(await inside(machine, "ls -A /var/lib/wizard-houses 2>/dev/null || :")).toBe("");
  });

  it("keeps what somebody else's package depends on", async () => {
    const state = await bring({ "tool-data": {}, plain: {} });
    await byHand("other");
    await destroy(state);
    expect(await installed()).toEqual(["other 1.0", "tool-data 1.0"]);
  });

  it("keeps what came along and was installed by name since", async () => {
    const state = await bring({ tool: {} });
    await byHand("tool-data");
    await destroy(state);
    expect([await installed(), await record()]).toEqual([["tool-data 1.0"], ""]);
  });

  it("keeps what another of ours wants, in whichever order they go", async () => {
    const one = await bring({ tool: {}, plain: { held: true } }, undefined, "test/one");
    const two = await bring({ plain: { held: true }, "tool-data": {} }, undefined, "test/two");
    expect([await drift(one), await drift(two)]).toEqual([[], []]);
    await destroy(one);
    expect([await installed(), await held()]).toEqual([["plain 1.0", "tool-data 1.0"], ["plain"]]);
    expect(await drift(two)).toEqual([]);
    await destroy(two);
    expect([await installed(), await held(), await record()]).toEqual([[], [], ""]);
  });

  it("is what happens to a package that is no longer wanted, too", async () => {
    const first = await bring({ tool: {}, plain: {} });
    const second = await bring({ plain: {} }, first);
    expect([await installed(), await drift(second)]).toEqual([["plain 1.0"], []]);
  });
});

describe("a host", () => {
  const state = (): State => ({ inputs: declare({ plain: {} }), outputs: {} });

  it("without dpkg cannot be looked at, and says why", async () => {
    await admin("mv /usr/bin/dpkg-query /usr/bin/dpkg-query.away");
    await expect(drift(state())).rejects.toThrow("there is no dpkg");
  });

  it("whose record is not ours cannot be looked at for packages, and can for everything else", async () => {
    await admin(`mkdir -p /var/lib/wizard-houses && echo 'rm -rf /' >${RECORD}`);
    await expect(drift(state())).rejects.toThrow("has a line that this program did not write");
    await expect(remove(packages, state(), open)).rejects.toThrow("cannot be looked at");
    const facts = await session.observe({ ...noFacts, packages: ["plain"], paths: ["/etc/passwd"] });
    expect(facts.paths.get("/etc/passwd")).toMatchObject({ kind: "file" });
  });

  it("with another architecture's package of the name does not have ours", async () => {
    await admin(
      `dpkg --add-architecture i386; printf 'Package: plain\\nStatus: install ok installed\\nArchitecture: i386\\nVersion: 1.0\\nMaintainer: t\\nDescription: t\\n\\n' >>/var/lib/dpkg/status`,
    );
    expect(await drift(state())).toEqual(["packages.plain"]);
  });
});

describe("what a host needs for our scripts", () => {
  const ROOT = path.resolve(import.meta.dirname, "..", "..");
  /** Words of scripts that are names of programs too: talk, `git init`, nftables', or apt's own, which is how packages come at all. */
  const MERE_WORDS = "apt apt-cache apt-get apt-mark free init ip mount passwd python3 systemd uptime".split(
    " ",
  );
  /** Only on the control house, beside the others. */
  const HOOK = "components/deploy-hook/";
  const files = ["components", "provider/host"].flatMap((folder) =>
    readdirSync(path.join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => /\.sh$|unit\.ts$|units\.ts$|facts\.ts$/.test(file))
      .map((file) => `${folder}/${file}`),
  );
  const listed = (needed: typeof NEEDED): string[] =>
    Object.entries(needed).flatMap(([name, uses]) => uses.map((use) => `${name} ${use}`));

  /** `package program` of all that is said in the files and that the machine has from a package that is not essential. */
  async function calledIn(which: string[]): Promise<string[]> {
    const texts = which
      .map((file) => readFileSync(path.join(ROOT, file), "utf8"))
      .map((text) => text.replaceAll(/^\s*(#|\/\/|\*).*$/gm, ""));
    const said = new Set(texts.flatMap((text) => text.match(/[A-Za-z][\w.+-]+/g) ?? []));
    const programs = await inside(
      machine,
      `dpkg-query -W -f '\${Essential} \${Package}\\n' | sed -n 's/^no //p' | while read -r p; do
         dpkg -L "$p" | sed -n "s,^\\(/usr\\)\\?/s\\?bin/\\([^/]*\\)$,$p \\2,p"; done`,
    );
    return programs.split("\n").filter((line) => {
      const program = line.split(" ")[1] ?? "";
      return said.has(program) && !MERE_WORDS.includes(program);
    });
  }

  it("is every program that they call and that no essential package has", async () => {
    const called = await calledIn(files.filter((file) => !file.startsWith(HOOK)));
    // The certificates are read, by curl, and not called.
    expect(called.sort()).toEqual(
      listed(NEEDED)
        .filter((line) => !line.startsWith("ca-certificates "))
        .sort(),
    );
  });

  // What the machine lacks, such as webhook itself, nobody would get past a first run without.
  it("has what the deploy hook calls as well, where there is one", async () => {
    const called = await calledIn(files.filter((file) => file.startsWith(HOOK)));
    const known = [...listed(NEEDED), ...listed(HOOK_NEEDED)];
    expect(called.filter((line) => !known.includes(line))).toEqual([]);
  });
});
