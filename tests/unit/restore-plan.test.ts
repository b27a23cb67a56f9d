/** A restore as data: the steps, the way back, and what is refused meanwhile. */
import { spawnSync } from "node:child_process";

import { describe, expect, it } from "vitest";

import { LeftAlone } from "../../provider/errors.ts";
import type { Facts } from "../../provider/host/facts.ts";
import { restorePlan, type Restore } from "../../provider/host/restore.ts";
import { planScript } from "../../provider/host/steps.ts";
import { observeConfirmed, refuse, standing } from "../../provider/resources/release/activation.ts";
import type { ReleaseInputs } from "../../provider/resources/release/layout.ts";

const HOUSE = "/srv/wizards/bezalel";
const ID = "0123456789abcdef";
const UNIT = "hermes-bezalel.service";
const RESTORE: Restore = {
  ...{ house: HOUSE, user: "wizard-bezalel", id: ID, python: "/opt/hermes/venv/bin/python" },
  unpack: ["/opt/hermes/venv/bin/python", "unpack.py", `${HOUSE}/.restoring/home`],
  bytes: 10_240,
  input: (async function* () {})(),
  seconds: 120,
  folders: ["skins"],
  links: { "SOUL.md": "../current/SOUL.md", "skins/x.yaml": "../../current/skins/x.yaml" },
  merges: [["/bin/drain", "end"]],
  health: { do: "healthy", unit: UNIT, deadline: 60, stableFor: 5 },
  stopSeconds: 50,
  revertAfter: 120,
  leftovers: false,
  keepAs: "home.20260131T023000Z",
};
const names = (restore: Restore): string[] =>
  restorePlan(restore).steps.map((step) =>
    "path" in step ? `${step.do} ${step.path.replace(HOUSE, "")}` : step.do,
  );

describe("a restore", () => {
  it("changes nothing an agent sees before the sender is asked, and is armed before it does", () => {
    expect(names(RESTORE)).toEqual([
      ...["folder /.restoring", "folder /.restoring/home", "unpack", "folder /.restoring/home/skins"],
      ...["link /.restoring/home/SOUL.md", "link /.restoring/home/skins/x.yaml"],
      ...["remove-tree /pending.new", "folder /pending.new", "file /pending.new/revert.sh"],
      ...[`file /pending.new/restore-${ID}`, "commit"],
      ...["rename /pending.new", "arm", "stop-unit", "exchange /home", "start-over", "watch-for"],
    ]);
    expect(restorePlan(RESTORE).confirm?.map((step) => step.do)).toEqual([
      ...["unconfirmed", "healthy", "merge", "confirmed", "displace", "remove-if-empty"],
    ]);
  });

  it("puts what another one has left aside, and removes nothing of it", () => {
    expect(names({ ...RESTORE, leftovers: true })[0]).toBe("displace /.restoring");
  });

  it("has time for all it may wait for", () => {
    expect(restorePlan(RESTORE).deadline).toBe(120 + 300 + 2 * (50 + 60));
    expect(restorePlan({ ...RESTORE, stopSeconds: 630 }).deadline).toBe(120 + 300 + 2 * (630 + 60));
  });

  it("has a way back that the shell takes, which stops nothing at boot", () => {
    const { text, payload } = planScript(restorePlan(RESTORE), { prefix: "", owners: true });
    const shell = (script: string) => spawnSync("/bin/sh", ["-n"], { input: script, encoding: "utf8" });
    expect(shell(text).stderr).toBe("");
    const revert = Buffer.concat(payload.filter((piece) => Buffer.isBuffer(piece))).toString("utf8");
    expect(shell(revert).stderr).toBe("");
    expect(revert).toContain(`if [ "$1" != boot ]; then stop_unit '${UNIT}'; fi\nexchange_back `);
    expect(revert).toContain("kind=restore");
  });
});

describe("meanwhile", () => {
  const inputs = {
    ...{ house: HOUSE, release: "fedcba9876543210", drained: "/var/lib/wizard-houses/bezalel/drained" },
  } as ReleaseInputs;
  const facts = (pending: string[], drained?: string): Facts =>
    ({
      paths: new Map([[`${HOUSE}/known-good`, { kind: "link", target: "releases/fedcba9876543210" }]]),
      folders: new Map([[`${HOUSE}/pending`, pending.map((name) => ({ name, modified: 0 }))]]),
      texts: new Map([[inputs.drained!, drained]]),
    }) as unknown as Facts;
  const refused = (there: Facts): string => {
    try {
      refuse(inputs, standing(inputs, there), false);
      return "";
    } catch (error) {
      expect(error).toBeInstanceOf(LeftAlone);
      return (error as Error).message;
    }
  };

  it("nothing is refused, and it is as declared, where nothing waits", () => {
    expect(refused(facts([]))).toBe("");
    expect(observeConfirmed(inputs, facts([]))).toBe(true);
  });

  it("an update is refused while it waits for its confirmation, which is drift", () => {
    const there = facts(["revert.sh", `restore-${ID}`, "was", "until"]);
    expect(refused(there)).toContain("what was restored there waits for its confirmation");
    expect(observeConfirmed(inputs, there)).toContain("a restored home waits");
  });

  it("an update is refused while the house is drained", () => {
    expect(refused(facts([], "2026-01-31T02:30:00Z\tby ada"))).toBe(
      `${HOUSE} is drained since 2026-01-31T02:30:00Z by ada: nothing is changed there until that is taken back`,
    );
  });
});
