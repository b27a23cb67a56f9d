/** The resource Unit on a live host, as data: facts in, steps out. */
import { describe, expect, it } from "vitest";

import { questionKey, type Fact, type Facts, type UnitState } from "../../provider/host/facts.ts";
import { check } from "../../provider/operations.ts";
import { sha256 } from "../../provider/resources/observed.ts";
import { unit } from "../../provider/resources/unit.ts";
import type { Values } from "../../provider/values.ts";

const PATH = "/etc/systemd/system/webhook.service";
const WANTS = "/etc/systemd/system/multi-user.target.wants/webhook.service";
const MARK = "/run/wizard-houses/restart/webhook.service";

function declare(over: Values = {}): Values {
  const host = { name: "forge", transport: "local", root: "hosts/forge" };
  const { inputs, failures } = check(unit, {
    host,
    unit: "webhook.service",
    content: "[Service]\n",
    ...over,
  });
  expect(failures).toEqual([]);
  return inputs;
}
const inputs = declare();
const well: UnitState = {
  load: "loaded",
  active: "active",
  sub: "running",
  result: "success",
  stale: false,
  dropIns: [],
};
const file = (content: string): Fact => ({
  kind: "file",
  mode: "0644",
  owner: "root",
  group: "root",
  size: content.length,
  sha256: sha256(content),
});

function facts(state: UnitState | undefined = well, over: Record<string, Fact> = {}): Facts {
  return {
    paths: new Map<string, Fact>([
      [PATH, file("[Service]\n")],
      [WANTS, { kind: "link", target: "../webhook.service" }],
      [MARK, { kind: "absent" }],
      ...Object.entries(over),
    ]),
    folders: new Map(),
    texts: new Map(),
    answers: new Map(),
    accounts: new Map(),
    packages: undefined,
    harnesses: undefined,
    units: new Map(state === undefined ? [] : [["webhook.service", state]]),
  };
}
const steps = (there: Facts, wanted = inputs, old: Values | undefined = inputs) =>
  unit.reconcile(wanted, old && { inputs: old, outputs: {} }, there).plan.steps.map(({ do: what }) => what);
const seen = (there: Facts) => unit.observe({ inputs, outputs: {} }, there)!.inputs["running"];

describe("a unit outside any house", () => {
  it("asks for what it plans with", () => {
    const { paths, unopened, units } = unit.request(inputs, undefined);
    expect([paths, unopened, units]).toEqual([[PATH], [WANTS, MARK], ["webhook.service"]]);
  });

  it("has nothing to do where it runs as declared, nor where nothing runs", () => {
    expect(steps(facts())).toEqual([]);
    expect(steps(facts(undefined))).toEqual([]);
    expect([seen(facts()), seen(facts(undefined))]).toEqual([true, true]);
  });

  it("is started where it has stopped, and read again where it changed", () => {
    const dead = { ...well, active: "inactive", sub: "dead" };
    expect([seen(facts(dead)), steps(facts(dead))]).toEqual([false, ["mark-restart", "restart-unit"]]);
    expect(steps(facts({ ...well, stale: true }))).toEqual(["reload-units"]);
  });

  it("restarts with a new file, and with a new trigger", () => {
    const edited = { [PATH]: file("[Service]\nUser=x\n") };
    expect(steps(facts(well, edited))).toEqual([
      "mark-restart",
      "ensure-folder",
      "file",
      "reload-units",
      "restart-unit",
    ]);
    expect(steps(facts(), declare({ restartOn: ["b"] }), declare({ restartOn: ["a"] }))).toContain(
      "restart-unit",
    );
  });

  it("is stopped where it is not to run, and before it goes", () => {
    expect(steps(facts(), declare({ running: false }))).toEqual(["stop-unit"]);
    const removal = unit.remove({ inputs, outputs: {} }, facts()).steps.map(({ do: what }) => what);
    expect(removal.slice(0, 5)).toEqual(["stop-unit", "remove", "remove", "restore", "reload-units"]);
    expect(removal.at(-1)).toBe("remove-lock");
  });

  it("that something else starts is read again where it changed, and no run of it is begun or ended", () => {
    const triggered = declare({ triggered: true, enabled: false });
    const none = { [WANTS]: { kind: "absent" } as const };
    const edited = { ...none, [PATH]: file("[Service]\nUser=x\n") };
    const moods = [
      { active: "activating", sub: "start" },
      { active: "inactive", sub: "dead" },
      { active: "failed", sub: "failed" },
    ];
    for (const mood of moods) {
      const state = { ...well, ...mood };
      expect(steps(facts(state, none), triggered, triggered)).toEqual([]);
      expect(steps(facts(state, edited), triggered, triggered)).toEqual([
        "ensure-folder",
        "file",
        "reload-units",
      ]);
      const { running } = unit.observe({ inputs: triggered, outputs: {} }, facts(state, none))!.inputs;
      expect(running).toBe(triggered["running"]);
    }
    expect(steps(facts({ ...well, stale: true }, none), triggered, triggered)).toEqual(["reload-units"]);
  });

  it("whose probe fails does not count as running, and is restarted; others are not asked", () => {
    const probed = declare({ probe: ["/bin/look", "at it"] });
    const asked = { user: "root", argv: ["/bin/look", "at it"] };
    expect(unit.request(probed, undefined).questions).toEqual([asked]);
    expect(unit.request(inputs, undefined).questions).toEqual([]);
    const answered = (answer: string | undefined): Facts => ({
      ...facts(),
      answers: new Map([[questionKey(asked), answer]]),
    });
    const running = (there: Facts) => unit.observe({ inputs: probed, outputs: {} }, there)!.inputs["running"];
    expect(running(answered(undefined))).toBe("(on the host: it runs, but what it set up is not in force)");
    expect(steps(answered(undefined), probed, probed)).toEqual(["mark-restart", "restart-unit"]);
    // In force; and where nothing runs, nothing is asked.
    for (const there of [answered(""), facts(undefined), facts()])
      expect([running(there), steps(there, probed, probed)]).toEqual([true, []]);
    const stopped = declare({ probe: asked.argv, running: false });
    const dead = { ...answered(undefined), units: facts({ ...well, active: "inactive", sub: "dead" }).units };
    expect(steps(dead, stopped, stopped)).toEqual([]);
    expect(unit.observe({ inputs: stopped, outputs: {} }, dead)!.inputs["running"]).toBe(false);
  });

  it("leaves a link in its wants place that is not its own", () => {
    const other: Fact = { kind: "link", target: "/opt/other.service" };
    const removal = unit.remove({ inputs, outputs: {} }, facts(well, { [WANTS]: other })).steps;
    expect(removal.filter((step) => "path" in step && step.path === WANTS)).toEqual([]);
  });

  it("is what its file says: drop-ins are told and moved aside", () => {
    const dropIn = "/etc/systemd/system/webhook.service.d/override.conf";
    const there = facts({ ...well, dropIns: [dropIn] });
    const { content } = unit.observe({ inputs, outputs: {} }, there)!.inputs;
    expect(content).toBe(`(on the host: changed by ${dropIn})`);
    expect(steps(there)).toEqual([
      "mark-restart",
      "displace",
      "remove-if-empty",
      "reload-units",
      "restart-unit",
    ]);
  });
});
