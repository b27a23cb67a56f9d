/** Drift as an operator meets it: something changes on a host, `drift` names it, `up` repairs it, nothing else moves. */
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { makeWorkspace, type Workspace } from "./workspace.ts";

let workspace: Workspace;
let house: (name: string) => string;
const HOSTS: Record<string, string> = { allegro: "tower", ezra: "tower", bezalel: "forge" };

beforeAll(async () => {
  workspace = makeWorkspace();
  house = (name) => path.join(workspace.hostRoot(HOSTS[name]!), "srv", "wizards", name);
  const up = await workspace.run(["up"]);
  expect(up.code, up.stdout + up.stderr).toBe(0);
});
afterAll(() => workspace.cleanup());

const state = () => readFileSync(workspace.stateFile());
const etc = (name: string, file: string) => path.join(workspace.hostRoot(HOSTS[name]!), "etc", file);
const replaceByFile = (file: string) => {
  rmSync(file);
  writeFileSync(file, "plain\n");
};

describe("a clean stack", () => {
  it("has no drift, says so in one line, and its state file stays as it is", async () => {
    const before = state();
    const drift = await workspace.run(["drift"]);
    expect(drift).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^no drift: 3 houses, \d+ files\n$/),
    });
    expect(state().equals(before)).toBe(true);
  });

  it("is left as it is by a second up", async () => {
    const seen = () =>
      readdirSync(workspace.hostRoot("forge"), { recursive: true, withFileTypes: true }).map((e) => e.name);
    const before = seen();
    const up = await workspace.run(["up", "--expect-no-changes"]);
    expect(up.code, up.stdout + up.stderr).toBe(0);
    expect(seen()).toEqual(before);
  });
});

describe("every kind of drift", () => {
  const cases: [what: string, change: () => void, line: RegExp][] = [
    [
      "a file's content",
      () => appendFileSync(path.join(house("bezalel"), "current/config.yaml"), "x: pasted-canary-key\n"),
      /^bezalel: golden-state: config\.yaml content: \(on the host: sha256 [0-9a-f]{8}…, \d+ bytes\) → /m,
    ],
    [
      "a file's mode",
      () => chmodSync(path.join(house("bezalel"), "current/SOUL.md"), 0o666),
      /^bezalel: golden-state: SOUL\.md mode: 0666 → 0640$/m,
    ],
    [
      "a deleted file",
      () => rmSync(path.join(house("bezalel"), "current/golden.yaml")),
      /^bezalel: golden-state: golden\.yaml exists: absent → present$/m,
    ],
    [
      "the secret file",
      () => appendFileSync(path.join(house("allegro"), "current/.env"), "EVIL=pasted-canary-key\n"),
      /^allegro: golden-state: \.env content: /m,
    ],
    [
      "current replaced by a plain file",
      () => replaceByFile(path.join(house("ezra"), "current")),
      /^ezra: release: release: "?\(on the host: a plain file\)"? → [0-9a-f]{16}$/m,
    ],
    [
      "a linked file replaced by a plain one",
      () => replaceByFile(path.join(house("allegro"), "home/SOUL.md")),
      /^allegro: golden-state: home\/SOUL\.md target: "?\(on the host: a plain file\)"? → SOUL\.md$/m,
    ],
    [
      "a line added to a cron file",
      () => appendFileSync(etc("bezalel", "cron.d/wizard-bezalel"), "* * * * * root /usr/bin/true\n"),
      /^bezalel: cron: wizard-bezalel content: /m,
    ],
    [
      "a disabled unit",
      () => rmSync(etc("bezalel", "systemd/system/multi-user.target.wants/hermes-bezalel.service")),
      /^bezalel: gateway: hermes-bezalel\.service enabled: false → true$/m,
    ],
    [
      "a unit replaced by a plain file",
      () => replaceByFile(etc("allegro", "systemd/system/hermes-allegro.service")),
      /^allegro: gateway: hermes-allegro\.service path: /m,
    ],
    [
      "a release folder opened to others",
      () => chmodSync(path.join(house("allegro"), "current", "skins"), 0o777),
      /^allegro: layout: release\/skins mode: 0777 → 0750$/m,
    ],
    [
      "a home opened to others",
      () => chmodSync(path.join(house("allegro"), "home"), 0o755),
      /^allegro: [a-z-]+: home mode: 0755 → 0700$/m,
    ],
  ];
  const agentsOwn = () =>
    ["notes.txt", "config.yaml", "skins/mine.yaml"].map((file) => path.join(house("bezalel"), "home", file));
  let drift: Awaited<ReturnType<Workspace["run"]>>;

  beforeAll(async () => {
    for (const file of agentsOwn()) {
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, "the agent's own\n");
    }
    for (const [, change] of cases) change();
    const before = state();
    drift = await workspace.run(["drift"]);
    expect(state().equals(before), "drift wrote the state").toBe(true);
  });

  it("exits 7", () => expect(drift.code, drift.stdout + drift.stderr).toBe(7));
  it.each(cases)("names %s", (_, _change, line) => expect(drift.stdout).toMatch(line));
  it("names nothing else", () => {
    expect(drift.stdout.trimEnd().split("\n")).toHaveLength(cases.length + 1);
    expect(drift.stdout).not.toContain("notes.txt");
  });
  it("shows nothing of what somebody pasted", () =>
    expect(drift.stdout + drift.stderr).not.toContain("pasted-canary-key"));

  it("is repaired by up, which touches no file of the agent", async () => {
    const up = await workspace.run(["up"]);
    expect(up.code, up.stdout + up.stderr).toBe(0);
    expect(up.stdout + up.stderr + state().toString()).not.toContain("pasted-canary-key");
    for (const file of agentsOwn()) expect(readFileSync(file, "utf8")).toBe("the agent's own\n");
    expect(readlinkSync(path.join(house("ezra"), "current"))).toMatch(/^releases\/[0-9a-f]{16}$/);
    const again = await workspace.run(["drift"]);
    expect(again.code, again.stdout).toBe(0);
  });

  it("keeps what it had to move out of the way", () => {
    const kept = readdirSync(path.join(house("allegro"), "home", "displaced"));
    expect(kept).toContain("srv%2Fwizards%2Fallegro%2Fhome%2FSOUL.md.intruder");
  });
});

describe("a house that is gone", () => {
  it("is named as such and comes back", async () => {
    rmSync(house("ezra"), { recursive: true });
    const drift = await workspace.run(["drift"]);
    expect(drift.code, drift.stdout).toBe(7);
    expect(drift.stdout).toMatch(/^ezra: .*absent/m);
    const up = await workspace.run(["up"]);
    expect(up.code, up.stdout + up.stderr).toBe(0);
    expect((await workspace.run(["drift"])).code).toBe(0);
  });
});

describe("a house that cannot be looked at", () => {
  it("is reported as such, wins the exit code, and hides no other house's drift", async () => {
    const aside = `${house("ezra")}.aside`;
    renameSync(house("ezra"), aside);
    writeFileSync(house("ezra"), "not a folder");
    chmodSync(path.join(house("allegro"), "current/SOUL.md"), 0o600);
    const before = state();
    try {
      const drift = await workspace.run(["drift"]);
      expect(drift.code, drift.stdout + drift.stderr).toBe(4);
      expect(drift.stdout).toMatch(/^ezra: cannot be looked at: .*is not a folder$/m);
      expect(drift.stdout).toMatch(/^allegro: golden-state: SOUL\.md mode: 0600 → 0640$/m);
      expect(state().equals(before)).toBe(true);

      const up = await workspace.run(["up"]);
      expect(up.code, "up repairs the others and fails for the one").toBe(1);
      expect(up.stdout + up.stderr).toMatch(/ezra: .*\/srv\/wizards\/ezra exists and is not a folder/);
      expect(readFileSync(house("ezra"), "utf8")).toBe("not a folder");
    } finally {
      rmSync(house("ezra"));
      renameSync(aside, house("ezra"));
    }
    const up = await workspace.run(["up"]);
    expect(up.code, up.stdout + up.stderr).toBe(0);
    expect((await workspace.run(["drift"])).code).toBe(0);
  });
});

describe("destroy", () => {
  it("takes everything down but what the agent wrote, and the house comes up again around it", async () => {
    const link = etc("bezalel", "cron.d/wizard-bezalel");
    const down = await workspace.run(["destroy"]);
    expect(down.code, down.stdout + down.stderr).toBe(0);
    expect(existsSync(link)).toBe(false);
    expect(existsSync(path.join(house("bezalel"), "releases"))).toBe(false);
    expect(existsSync(house("ezra"))).toBe(false);
    expect(readFileSync(path.join(house("bezalel"), "home/notes.txt"), "utf8")).toBe("the agent's own\n");
    const up = await workspace.run(["up"]);
    expect(up.code, up.stdout + up.stderr).toBe(0);
  });

  it("refuses a folder that somebody else made, beforehand and without touching it", async () => {
    expect((await workspace.run(["destroy"])).code).toBe(0);
    rmSync(house("ezra"), { recursive: true, force: true });
    mkdirSync(house("ezra"), { recursive: true });
    symlinkSync("somewhere", path.join(house("ezra"), "theirs"));
    const preview = await workspace.run(["preview"]);
    expect(preview.stdout + preview.stderr).toMatch(
      /The update will fail: \/srv\/wizards\/ezra exists and was not made by this stack/,
    );
    const up = await workspace.run(["up"]);
    expect(up.code).toBe(1);
    expect(readdirSync(house("ezra"))).toEqual(["theirs"]);
  });
});
