/** The lock of a harness: what it may say, that the one in the repository is the version in use, and its wheels here. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterAll, describe, expect, test } from "vitest";
import { parse } from "yaml";

import { HARNESS_ID, harnessFolder, harnessId, lockName, parseLock } from "../../fleet/harness/lock.ts";
import { chooseWheels } from "../../provider/host/local-wheels.ts";
import { lockOf } from "../../toolchain/harness-wheels.ts";
import { VERSIONS } from "../../toolchain/versions.ts";

const ROOT = path.join(import.meta.dirname, "../..");
const A = "a".repeat(64);
const GOOD = `# made by hand\nhermes-agent==0.19.0 \\\n    --hash=sha256:${A}\n`;
const problemsIn = (text: string) =>
  parseLock(text, "0.19.0").problems.map(({ line, message }) => `${line ?? "file"}: ${message}`);

describe("a lock", () => {
  test("is pins with hashes", () => {
    const two = `${GOOD}Ruamel.YAML_x==1.0+local \\\n    --hash=sha256:${A} \\\n    --hash=sha256:${A}\n`;
    expect(parseLock(two, "0.19.0")).toEqual({
      packages: [
        { name: "hermes-agent", version: "0.19.0", hashes: [A] },
        { name: "ruamel-yaml-x", version: "1.0+local", hashes: [A, A] },
      ],
      problems: [],
    });
  });

  test.each([
    ["an index of its own", `--index-url https://evil.example/simple\n${GOOD}`, ["1: is no pin with hashes"]],
    ["a URL", `${GOOD}x @ https://evil.example/x.whl\n`, ["4: is no pin with hashes"]],
    ["a pin without a hash", `${GOOD}x==1.0\n`, ["4: is no pin with hashes"]],
    ["another digest", `${GOOD}x==1.0 \\\n    --hash=md5:0\n`, ["5: is no hash"]],
    [
      "a package twice",
      `${GOOD}Hermes_Agent==0.19.0 \\\n    --hash=sha256:${A}\n`,
      ["4: pins a package twice"],
    ],
    ["no end", `${GOOD}x==1.0 \\`, ["file: ends in the middle of a package"]],
    ["another version", GOOD.replace("0.19.0", "0.18.2"), ["file: pins another hermes-agent"]],
    ["no harness", "", ["file: does not pin hermes-agent"]],
  ])("with %s is refused, with its line", (_, text, problems) => {
    expect(problemsIn(text)).toEqual(problems);
  });

  test("names the place on the host, so that another lock is another place", () => {
    expect(harnessFolder("0.19.0", GOOD)).toMatch(/^\/opt\/hermes\/0\.19\.0-[0-9a-f]{12}$/);
    expect(harnessId("0.19.0", GOOD)).toMatch(HARNESS_ID);
    expect(harnessId("0.19.0", `${GOOD}\n`)).not.toBe(harnessId("0.19.0", GOOD));
  });
});

describe("the lock in the repository", () => {
  const text = readFileSync(path.join(ROOT, "wizards/harness", lockName(VERSIONS.hermesAgent)), "utf8");

  test("is of the version in use, and sound", () => {
    const fleet = parse(readFileSync(path.join(ROOT, "wizards/fleet.yaml"), "utf8")) as {
      harness: { version: string };
    };
    expect(fleet.harness.version).toBe(VERSIONS.hermesAgent);
    const { packages, problems } = parseLock(text, VERSIONS.hermesAgent);
    expect(problems).toEqual([]);
    // Without aiohttp no gateway answers on /health.
    expect(packages.map(({ name }) => name)).toEqual(expect.arrayContaining(["aiohttp", "pyyaml"]));
    expect(packages.length).toBeGreaterThan(50);
  });
});

describe("wheels in a folder", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "wheels-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const put = (name: string, content: string): string => {
    writeFileSync(path.join(folder, name), content);
    return createHash("sha256").update(content).digest("hex");
  };
  const agent = put("hermes_agent-0.19.0-py3-none-any.whl", "agent");
  const intel = put("PyYAML-6.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "intel");
  const arm = put("pyyaml-6.0-cp311-cp311-manylinux_2_17_aarch64.whl", "arm");
  const text = lockOf("0.19.0", [folder]);
  const { packages, problems } = parseLock(text, "0.19.0");
  const choose = (stored: string[] = [], machine = "x86_64", wanted = packages) =>
    chooseWheels(folder, wanted, new Set(stored), machine).map(({ name, file, bytes }) => [
      name.split("-").slice(-1)[0],
      file === undefined ? "there" : "sent",
      bytes,
    ]);

  test("make a lock that names each of them", () => {
    expect(problems).toEqual([]);
    expect(packages.map(({ name, hashes }) => [name, [...hashes].sort()])).toEqual([
      ["hermes-agent", [agent]],
      ["pyyaml", [intel, arm].sort()],
    ]);
  });

  test("are sent, one for each package, those for the host's processor", () => {
    expect(choose()).toEqual([
      ["any.whl", "sent", 5],
      ["manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "sent", 5],
    ]);
    expect(choose([], "aarch64")[1]).toEqual(["manylinux_2_17_aarch64.whl", "sent", 3]);
  });

  test("are not sent where the host has them", () => {
    expect(choose([`${agent}.hermes_agent-0.19.0-py3-none-any.whl`])[0]).toEqual(["any.whl", "there", 0]);
    // Of the name, but of another content.
    expect(choose([`${A}.hermes_agent-0.19.0-py3-none-any.whl`])[0]).toEqual(["any.whl", "sent", 5]);
  });

  test("that are not the lock's are refused before anything is sent, each package by name", () => {
    const tampered = [
      { ...packages[0]!, hashes: [A] },
      { ...packages[1]!, version: "6.1" },
    ];
    expect(() => choose([], "x86_64", tampered)).toThrow(
      /hermes_agent-0\.19\.0-py3-none-any\.whl \(hermes-agent 0\.19\.0\) is not the wheel of the lock.*there is no wheel of pyyaml 6\.1 for x86_64/s,
    );
    expect(() => choose([], "riscv64")).toThrow("there is no wheel of pyyaml 6.0 for riscv64");
  });

  test("in a folder that is not there are told of", () => {
    expect(() => chooseWheels(`${folder}/none`, packages, new Set(), "x86_64")).toThrow(
      /cannot be read \(ENOENT\)/,
    );
  });
});
