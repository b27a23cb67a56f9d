/** The resource `Unit`: a systemd unit outside any house. A house's own units are part of its release. */
import { factOf, noFacts, questionKey, type Facts, type Question } from "../host/facts.ts";
import type { Step } from "../host/steps.ts";
import type { Resource } from "../resource.ts";
import { CONNECTION, patterns, types } from "../schema/types.ts";
import type { Path, Values } from "../values.ts";
import { observeFile, proven, words } from "./observed.ts";
import { bringFiles, giveBackFiles, type FileMap } from "./owned-files.ts";
import {
  bringUnits,
  forgetUnits,
  observeOverrides,
  observeRunning,
  restartMark,
  stopUnits,
} from "./running.ts";
import { displacedName, unitPath, wantsLink } from "./release/layout.ts";
import { LEAVE, SYSTEM_DISPLACED, SYSTEM_LOCK } from "./system.ts";

interface UnitInputs {
  unit: string;
  content: string;
  enabled: boolean;
  running: boolean;
  triggered: boolean;
  wantedBy: string;
  restartOn: string[];
  probe?: string[];
}
const unitInputs = (values: Values): UnitInputs => values as unknown as UnitInputs;

const asFile = (inputs: UnitInputs): FileMap => ({
  [unitPath(inputs.unit)]: { content: inputs.content, mode: "0644", owner: "root", group: "root" },
});

const probeOf = ({ probe }: UnitInputs): Question[] =>
  probe === undefined ? [] : [{ user: "root", argv: probe }];

/** Not in a folder that stands for a host, where nothing is asked. */
const isUndone = (inputs: UnitInputs, { answers }: Facts): boolean =>
  probeOf(inputs)
    .map(questionKey)
    .some((key) => answers.has(key) && answers.get(key) === undefined);

const { path: _computed, part: _label, restartOn, ...unitProperties } = types["host:index:Unit"]!.properties;

export const unit: Resource = {
  spec: {
    description: "A systemd unit outside any house.",
    inputProperties: {
      host: CONNECTION,
      unit: { type: "string", description: "Its name, e.g. `webhook.service`.", pattern: patterns.unit },
      ...unitProperties,
      restartOn: {
        ...restartOn!,
        description: "Values whose change restarts the unit, e.g. digests of files that it reads.",
      },
      triggered: {
        type: "boolean",
        description:
          "Something else starts it, such as a path unit: whether it runs is left alone, and a change of its file does not end a run.",
        default: false,
      },
      probe: {
        type: "array",
        items: { type: "string" },
        description:
          "Only looks, as root, within a minute; exits 0 while what the unit set up is in force. Where it does not, the unit does not count as running. Live hosts only.",
      },
      adopt: {
        type: "boolean",
        description: "Take over a unit file that exists; it is kept aside.",
        default: false,
      },
    },
    requiredInputs: ["host", "unit", "content"],
    properties: {},
  },
  replaceOn: ["host.name", "unit"],
  complete: (given) => ({
    inputs: {
      restartOn: [],
      running: given["triggered"] !== true && (given["enabled"] ?? true),
      ...given,
    },
    failures: [],
  }),
  id: (inputs) => `${(inputs["host"] as Values)["name"] as string}:${unitInputs(inputs).unit}`,
  request(values, old) {
    const inputs = unitInputs(values);
    const wants = [inputs, ...(old ? [unitInputs(old)] : [])].map(({ wantedBy }) =>
      wantsLink(inputs.unit, wantedBy),
    );
    return {
      ...noFacts,
      paths: [unitPath(inputs.unit)],
      unopened: [...new Set(wants), restartMark(inputs.unit)],
      units: [inputs.unit],
      questions: probeOf(inputs),
    };
  },
  observe(state, facts) {
    const inputs = unitInputs(state.inputs);
    const path = unitPath(inputs.unit);
    const replaced: Path[] = [];
    const fact = proven(path, factOf(facts, path));
    const file = observeFile(asFile(inputs)[path]! as unknown as Values, fact, [], replaced);
    if (!file) return undefined;
    const wants = wantsLink(inputs.unit, inputs.wantedBy);
    const link = proven(wants, factOf(facts, wants));
    const enabled = link.kind === "link" && link.target === `../${inputs.unit}`;
    const seen: Values = {
      ...state.inputs,
      content: observeOverrides(inputs.unit, facts) ?? file["content"]!,
      enabled,
      running: observeRunning({ ...inputs, undone: isUndone(inputs, facts) }, facts),
    };
    if (file["mode"] !== "0644") seen["mode"] = file["mode"]!;
    // A plain file in place of the wants link is neither enabled nor disabled; it shows as what it is.
    if (link.kind !== "link" && link.kind !== "absent") seen["wantedBy"] = words(link);
    return { inputs: seen, outputs: state.outputs, replaced };
  },
  preview: () => ({}),
  reconcile(values, old, facts) {
    const inputs = unitInputs(values);
    const path = wantsLink(inputs.unit, inputs.wantedBy);
    const fact = proven(path, factOf(facts, path));
    const steps = bringFiles(
      asFile(inputs),
      old ? asFile(unitInputs(old.inputs)) : {},
      facts,
      values["adopt"] === true,
    );
    const linked = fact.kind === "link" && fact.target === `../${inputs.unit}`;
    if (inputs.enabled && !linked) {
      if (fact.kind !== "absent" && fact.kind !== "link")
        steps.push({ do: "displace", path, keep: SYSTEM_DISPLACED, name: displacedName(path) });
      steps.push(
        { do: "ensure-folder", path: path.slice(0, path.lastIndexOf("/")) },
        { do: "link", path, target: `../${inputs.unit}` },
      );
    }
    if (!inputs.enabled && fact.kind === "link") steps.push({ do: "remove", path });
    steps.push(...formerWants(inputs, old && unitInputs(old.inputs)));
    const touched =
      old !== undefined &&
      JSON.stringify(unitInputs(old.inputs).restartOn) !== JSON.stringify(inputs.restartOn);
    const rewritten = steps.some((step) => "path" in step && step.path === unitPath(inputs.unit));
    const { before, after } = bringUnits(
      [
        {
          unit: inputs.unit,
          running: inputs.running,
          triggered: inputs.triggered,
          changed: rewritten || touched,
          undone: isUndone(inputs, facts),
        },
      ],
      steps.length > 0,
      facts,
      SYSTEM_DISPLACED,
    );
    return { plan: { lock: SYSTEM_LOCK, steps: [...before, ...steps, ...after] }, outputs: {} };
  },
  remove(state, facts) {
    const inputs = unitInputs(state.inputs);
    const path = wantsLink(inputs.unit, inputs.wantedBy);
    const fact = factOf(facts, path);
    const mine = fact.kind === "link" && fact.target === `../${inputs.unit}`;
    return {
      lock: SYSTEM_LOCK,
      steps: [
        ...stopUnits([inputs.unit], facts),
        ...(mine ? [{ do: "remove", path } as const] : []),
        ...giveBackFiles(asFile(inputs), facts),
        ...forgetUnits([inputs.unit], facts),
        { do: "remove-if-empty", path: SYSTEM_DISPLACED },
        LEAVE,
      ],
    };
  },
};

/** The wants link of a target that no longer wants the unit. */
function formerWants(inputs: UnitInputs, old: UnitInputs | undefined): Step[] {
  if (!old || old.wantedBy === inputs.wantedBy || !/\.target$/.test(old.wantedBy)) return [];
  return [{ do: "remove", path: wantsLink(old.unit, old.wantedBy) }];
}
