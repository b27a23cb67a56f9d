/** The first step of a run on the control house, with a real git and a forge that is a folder. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

const SCRIPT = path.resolve(import.meta.dirname, "../../components/deploy-hook/fetch.sh");
const installed = spawnSync("git", ["--version"]).error === undefined;

let root: string;
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), "deploy-fetch-"));
  for (const folder of ["bin", "forge", "queue", "state", "run"]) mkdirSync(path.join(root, folder));
  const quiet: Record<string, string> = { logger: 'echo "$@" >&2', sleep: ":" };
  for (const [name, does] of Object.entries(quiet)) {
    writeFileSync(path.join(root, "bin", name), `#!/bin/sh\n${does}\n`);
    chmodSync(path.join(root, "bin", name), 0o755);
  }
  forge("init", "--quiet", "--initial-branch=main");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const at = (...names: string[]): string => path.join(root, ...names);
const forge = (...args: string[]): string =>
  execFileSync("git", ["-c", "user.name=x", "-c", "user.email=x@example.org", "-C", at("forge"), ...args], {
    encoding: "utf8",
    env: { PATH: process.env["PATH"], GIT_CONFIG_NOSYSTEM: "1", GIT_CONFIG_GLOBAL: "/dev/null" },
  }).trim();

function push(files: Record<string, string>): string {
  for (const [name, text] of Object.entries(files)) writeFileSync(at("forge", name), text);
  forge("add", "--all");
  forge("commit", "--quiet", "--message=x");
  return forge("rev-parse", "HEAD");
}

/** One run. Returns the commit it hands to the next step, and what it says of itself. */
function fetched(): { commit: string | undefined; said: string } {
  writeFileSync(at("queue", "push"), "");
  const { stderr } = spawnSync("/bin/sh", [SCRIPT], {
    encoding: "utf8",
    env: {
      ...{ PATH: `${at("bin")}:${process.env["PATH"]}`, QUEUE: at("queue"), CLONE_URL: at("forge") },
      ...{ FORGE_BRANCH: "main", SIGNED_COMMITS: "no", ALLOWED_SIGNERS: "/dev/null" },
      ...{ DEPLOYED: at("deployed"), STATE_DIRECTORY: at("state"), RUNTIME_DIRECTORY: at("run") },
    },
  });
  const target = at("run", "target");
  const outcome = at("run", "outcome");
  return {
    commit: existsSync(target) ? readFileSync(target, "utf8").trim().split(" ")[1] : undefined,
    said: stderr + (existsSync(outcome) ? readFileSync(outcome, "utf8") : ""),
  };
}
/** As a power cut may leave files that were not on the disk yet. */
function damage(place: string): void {
  if (statSync(place).isDirectory())
    return readdirSync(place).forEach((name) => damage(path.join(place, name)));
  chmodSync(place, 0o644);
  writeFileSync(place, "");
}
const tree = (name: string): string => readFileSync(at("state", "tree", name), "utf8");

describe.runIf(installed)("a run of the deploy hook", () => {
  it("checks out what the forge has", () => {
    const commit = push({ "package-lock.json": "{}\n", a: "1\n" });
    expect(fetched()).toMatchObject({ commit });
    expect(tree("a")).toBe("1\n");
  });

  it("goes on where one before was cut off, whatever locks it has left and however far it came", () => {
    push({ "package-lock.json": "{}\n", a: "1\n", b: "1\n", c: "1\n" });
    fetched();
    const commit = push({ a: "2\n", b: "2\n", d: "2\n" });
    const locks = ["index", "HEAD", "config", "packed-refs", "shallow", "refs/heads/main"];
    for (const lock of locks) writeFileSync(at("state/repository.git", `${lock}.lock`), "");
    // Half of the commit, half a file of it, one that is gone and one that nobody knows.
    for (const [name, text] of Object.entries({ a: "2\n", b: "", d: "", x: "" }))
      writeFileSync(at("state/tree", name), text);
    rmSync(at("state/tree/c"));
    const { commit: got, said } = fetched();
    expect(said).toContain("running fetched");
    expect(got).toBe(commit);
    expect(["a", "b", "c", "d"].map(tree)).toEqual(["2\n", "2\n", "1\n", "2\n"]);
    expect(existsSync(at("state/tree/x"))).toBe(false);
    const left = readdirSync(at("state/repository.git"), { recursive: true, encoding: "utf8" });
    expect(left.filter((name) => name.endsWith(".lock"))).toEqual([]);
  });

  it("goes on where the first one was cut off while it made the repository", () => {
    const commit = push({ "package-lock.json": "{}\n" });
    mkdirSync(at("state/repository.git"));
    writeFileSync(at("state/repository.git/config.lock"), "");
    expect(fetched()).toMatchObject({ commit });
  });

  it.each(["refs/heads/main", "HEAD", "objects"])("fetches anew where %s is damaged", (part) => {
    push({ "package-lock.json": "{}\n", a: "1\n" });
    fetched();
    damage(at("state/repository.git", part));
    const commit = push({ a: "2\n" });
    const { commit: got, said } = fetched();
    expect(said).toContain("running fetched");
    expect(got).toBe(commit);
    expect(tree("a")).toBe("2\n");
  });

  it("keeps what it has where the forge is down, and says so", () => {
    push({ "package-lock.json": "{}\n" });
    fetched();
    renameSync(at("forge"), at("elsewhere"));
    expect(fetched()).toMatchObject({
      commit: undefined,
      said: expect.stringContaining("does not hand out"),
    });
    expect(existsSync(at("state/repository.git/refs/heads/main"))).toBe(true);
    renameSync(at("elsewhere"), at("forge"));
  });
});
