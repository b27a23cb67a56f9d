/** What is done to harnesses on a host and how they are looked at, by a real shell, in a folder that stands for theirs. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { factScript, noFacts, parseFacts } from "../../provider/host/facts.ts";
import { planScript, type Step } from "../../provider/host/steps.ts";

const LIVE = { prefix: "", owners: true };
const [A, B] = ["0.19.0-aaaaaaaaaaaa", "0.19.0-bbbbbbbbbbbb"];
const BY = "wizard-houses/prod";

let folder: string;
const at = (...parts: string[]): string => path.join(folder, "hermes", ...parts);
const here = (script: string): string => script.replaceAll("/opt/hermes", at());
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "harnesses-"));
  mkdirSync(at());
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function take(steps: Step[], input = Buffer.alloc(0)): { status: number | null; stderr: string } {
  const { text } = planScript({ lock: `${folder}/lock`, steps }, LIVE);
  // Nothing runs here.
  const script = `systemctl() { :; }\n${here(text)}`;
  const { status, stderr } = spawnSync("sh", ["-c", script], { input, encoding: "utf8" });
  return { status, stderr };
}
function done(...steps: Step[]): void {
  expect(take(steps)).toEqual({ status: 0, stderr: "" });
}
const request = { ...noFacts, harnesses: [A, B] };
function look() {
  const { stdout } = spawnSync("sh", ["-c", here(factScript(request, LIVE))]);
  const { harnesses } = parseFacts(request, LIVE, stdout);
  if (!harnesses?.readable) throw new Error(harnesses?.reason);
  return harnesses;
}
const stateOf = (id: string): string => look().states.get(id)!.kind;

/** As an installation leaves it. */
function harness(id: string, hash = "1".repeat(64)): void {
  mkdirSync(at(id, "lib"), { recursive: true });
  writeFileSync(at(id, "lib", "module.py"), "");
  writeFileSync(at(id, "requirements.lock"), `x==1 \\\n    --hash=sha256:${hash}\n`);
  writeFileSync(at(id, ".installed"), `python ${process.execPath}\n`);
  const soon = new Date(Date.now() + 20);
  utimesSync(at(id, ".installed"), soon, soon);
}
/** A release of a house that runs with a harness. */
function release(house: string, name: string, id: string): string {
  const place = path.join(folder, house);
  mkdirSync(path.join(place, "releases", name), { recursive: true });
  symlinkSync(at(id), path.join(place, "releases", name, "harness"));
  return place;
}
const want = (id: string, ...houses: string[]): Step => ({ do: "want-harness", id, by: BY, houses });
const prune: Step = { do: "prune-harnesses" };
const record = (): string => (existsSync(at("record")) ? readFileSync(at("record"), "utf8") : "");

describe("a look", () => {
  it("tells what is absent, half, whole and changed", async () => {
    expect(stateOf(A)).toBe("absent");
    mkdirSync(at(A, "bin"), { recursive: true });
    expect(stateOf(A)).toBe("half");
    harness(A);
    expect(stateOf(A)).toBe("whole");
    await new Promise((resolve) => setTimeout(resolve, 50));
    chmodSync(at(A, "lib", "module.py"), 0o600);
    expect(look().states.get(A)).toEqual({ kind: "changed", what: at(A, "lib", "module.py") });
    const long = new Date(0);
    utimesSync(at(A, "lib", "module.py"), long, long);
    expect(stateOf(A)).toBe("changed");
  });

  it("tells that a file was removed, and that the Python is gone that it was made with", async () => {
    harness(A);
    harness(B);
    await new Promise((resolve) => setTimeout(resolve, 50));
    rmSync(at(A, "lib", "module.py"));
    expect(look().states.get(A)).toEqual({ kind: "changed", what: at(A, "lib") });
    writeFileSync(at(B, ".installed"), "python /usr/bin/python9\n");
    expect(look().states.get(B)).toEqual({ kind: "changed", what: "/usr/bin/python9" });
  });

  it("takes nothing for a harness that leads elsewhere, and no folder for a record", () => {
    mkdirSync(at("else"));
    symlinkSync(at("else"), at(A));
    expect(stateOf(A)).toBe("half");
    mkdirSync(at("record"));
    expect(() => look()).toThrow("is no file that can be read");
  });
});

describe("a wheel", () => {
  const content = Buffer.from("wheel");
  const sha256 = createHash("sha256").update(content).digest("hex");
  const wheel: Step = { do: "wheel", file: "/nowhere", name: "x-1-py3-none-any.whl", sha256, bytes: 5 };

  it("that has arrived whole is there", () => {
    expect(take([wheel], content)).toEqual({ status: 0, stderr: "" });
    expect([...look().wheels]).toEqual([`${sha256}.x-1-py3-none-any.whl`]);
  });

  it.each([
    ["cut off", "whee"],
    ["changed", "whale"],
  ])("that was %s on the way is not, and is told by name", (_, sent) => {
    const { status, stderr } = take([wheel], Buffer.from(sent));
    expect(status).toBe(74);
    expect(stderr).toContain("x-1-py3-none-any.whl was cut off or changed");
    expect(readdirSync(at("wheels"))).toEqual([]);
  });
});

describe("what nobody wants", () => {
  it("goes; what is wanted stays, also for another stack, and so do folders of others", () => {
    for (const id of [A, B]) harness(id);
    mkdirSync(at("venv"));
    mkdirSync(at("0.19.0-mine"));
    mkdirSync(at(`.${A}.staged`));
    done(want(A, "/srv/a"), { do: "want-harness", id: B, by: "other/stack", houses: ["/srv/b"] }, want(A));
    done(prune);
    expect(readdirSync(at()).sort()).toEqual([B, "0.19.0-mine", "record", "venv"]);
    expect(record()).toBe(`wanted ${B} /srv/b other/stack\n`);
  });

  it("stays while a release of its house runs with it, be it only being staged, and goes with that", () => {
    harness(A);
    const house = release("house", "0123456789abcdef", A);
    done(want(A, house), want(A), prune);
    expect([stateOf(A), record()]).toEqual(["whole", `left ${A} ${house} -\n`]);
    done(want(A, house), prune);
    expect(record()).toBe(`wanted ${A} ${house} ${BY}\n`);
    done(want(A), prune);
    rmSync(path.join(house, "releases"), { recursive: true });
    release("house", ".0123456789abcdef.staged", A);
    done({ do: "prune-harnesses-aside" });
    expect(stateOf(A)).toBe("whole");
    rmSync(path.join(house, "releases"), { recursive: true });
    writeFileSync(at(".lock"), "");
    done({ do: "prune-harnesses-aside" });
    // The last one takes everything along.
    expect(existsSync(at())).toBe(false);
  });

  it("is looked after by nobody else while another change has the lock", () => {
    harness(A);
    done(want(A, "/srv/a"), want(A));
    const { text } = planScript({ lock: `${folder}/lock`, steps: [{ do: "prune-harnesses-aside" }] }, LIVE);
    const held = `exec 8>>${at(".lock")}; flock 8; ${here(text)}`;
    expect(spawnSync("sh", ["-c", held], { encoding: "utf8" }).status).toBe(0);
    expect(stateOf(A)).toBe("whole");
  });

  it("takes along the wheels that no other harness uses, and what was left of one", () => {
    const [used, unused] = ["2".repeat(64), "3".repeat(64)];
    harness(A, used);
    mkdirSync(at("wheels"));
    for (const name of [`${used}.x-1-py3-none-any.whl`, `${unused}.y-1-py3-none-any.whl`, ".Xy12"])
      writeFileSync(at("wheels", name), "");
    done(want(A, "/srv/a"), prune);
    expect(readdirSync(at("wheels"))).toEqual([`${used}.x-1-py3-none-any.whl`]);
  });
});

describe("what was built", () => {
  const place: Step = { do: "place-harness", id: A };

  it("takes the place of what stands there, whatever an earlier one has left", () => {
    harness(A);
    writeFileSync(at(A, "lib", "module.py"), "changed");
    mkdirSync(at(`.${A}.replaced`, "x"), { recursive: true });
    mkdirSync(at(`.${A}.staged`, "lib"), { recursive: true });
    writeFileSync(at(`.${A}.staged`, ".installed"), `python ${process.execPath}\n`);
    done(place, want(A, "/srv/a"), prune);
    expect(readdirSync(at()).sort()).toEqual([A, "record"]);
    expect(readdirSync(at(A)).sort()).toEqual([".installed", "lib"]);
    expect(stateOf(A)).toBe("whole");
  });
});
