/** Which harness a house runs: the fleet's or its own, there already or installed, and every mistake with its place. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { harnessFolder } from "../../fleet/harness/lock.ts";
import { FleetError, loadFleet } from "../../fleet/index.ts";

const WIZARDS = join(import.meta.dirname, "../../wizards");
const LOCK = readFileSync(join(WIZARDS, "harness/hermes-agent-0.19.0.lock"), "utf8");
/** What fleet.yaml says about it, whatever that is. */
const HARNESS = /^harness:\n(?: {2}.*\n)+/m;

let folder: string;
const at = (file: string): string => join(folder, "wizards", file);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fleet-harness-"));
  cpSync(WIZARDS, join(folder, "wizards"), { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function fleetSays(text: string): void {
  const before = readFileSync(at("fleet.yaml"), "utf8");
  const after = before.replace(HARNESS, `harness: ${text}\n`);
  expect(after).not.toBe(before);
  writeFileSync(at("fleet.yaml"), after);
}
const houseSays = (house: string, text: string): void =>
  writeFileSync(
    at(`${house}/house.yaml`),
    `${readFileSync(at(`${house}/house.yaml`), "utf8")}\nharness: ${text}\n`,
  );
const harnesses = () =>
  Object.fromEntries(loadFleet(join(folder, "wizards")).houses.map(({ name, harness }) => [name, harness]));
function problems(): string[] {
  try {
    loadFleet(join(folder, "wizards"));
  } catch (error) {
    if (!(error instanceof FleetError)) throw error;
    return error.problems.map(
      ({ file, path, message, allowed }) => `${file} ${path}: ${message}; ${allowed}`,
    );
  }
  throw new Error("the fleet loads");
}

describe("a house runs", () => {
  const managed = { version: "0.19.0", venv: harnessFolder("0.19.0", LOCK), lock: LOCK };

  test("the fleet's, where it is there already", () => {
    fleetSays('{ version: "0.19.0", venv: /opt/hermes/venv }');
    expect(harnesses()["ezra"]).toEqual({ version: "0.19.0", venv: "/opt/hermes/venv" });
  });

  test("one that is installed, at a place that follows from its lock", () => {
    fleetSays('{ version: "0.19.0" }');
    expect(harnesses()["ezra"]).toEqual(managed);
  });

  test("its own, if it says so", () => {
    fleetSays('{ version: "0.19.0", venv: /opt/hermes/venv }');
    const second = `# second\n${LOCK}`;
    writeFileSync(at("harness/second.lock"), second);
    houseSays("ezra", '{ version: "0.19.0", lock: second.lock }');
    houseSays("allegro", '{ version: "0.19.0" }');
    expect(harnesses()).toEqual({
      bezalel: { version: "0.19.0", venv: "/opt/hermes/venv" },
      ezra: { version: "0.19.0", venv: harnessFolder("0.19.0", second), lock: second },
      allegro: managed,
    });
  });
});

describe("a mistake is told with its place", () => {
  test.each<[string, () => void, string]>([
    [
      "a version nobody knows, of one house",
      () => houseSays("ezra", '{ version: "0.18.0" }'),
      "wizards/ezra/house.yaml harness.version: is no harness version this program knows; 0.19.0",
    ],
    [
      "both a lock and a place",
      () => fleetSays('{ version: "0.19.0", venv: /opt/hermes/venv, lock: a.lock }'),
      "wizards/fleet.yaml harness.lock: goes with a harness that is installed, not with one at venv; venv or lock",
    ],
    [
      "a lock that is not there",
      () => houseSays("ezra", '{ version: "0.19.0", lock: none.lock }'),
      "wizards/harness/none.lock : the file is missing; a lock made by: npm run harness-lock",
    ],
    [
      "a lock outside its folder",
      () => houseSays("ezra", '{ version: "0.19.0", lock: ../x.lock }'),
      "wizards/ezra/house.yaml harness.lock: is not accepted; the name of a file in harness/, ending in .lock",
    ],
    [
      "a lock that says more than hashes",
      () => {
        writeFileSync(at("harness/evil.lock"), `--index-url https://x\n${LOCK}`);
        houseSays("ezra", '{ version: "0.19.0", lock: evil.lock }');
      },
      "wizards/harness/evil.lock : is no pin with hashes; ",
    ],
    [
      "a house in the place of harnesses",
      () => {
        fleetSays('{ version: "0.19.0" }');
        writeFileSync(
          at("ezra/house.yaml"),
          `${readFileSync(at("ezra/house.yaml"), "utf8")}\npath: /opt/hermes/ezra\n`,
        );
      },
      "wizards/ezra/house.yaml path: overlaps the harness; folders outside /opt/hermes",
    ],
  ])("%s", (_, make, words) => {
    make();
    expect(problems().join("\n")).toContain(words);
  });
});
