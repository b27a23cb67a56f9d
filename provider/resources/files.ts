/** The resource `Files`: files at fixed places that belong to no house. */
import { factOf, noFacts } from "../host/facts.ts";
import type { Resource } from "../resource.ts";
import { CONNECTION, patterns } from "../schema/types.ts";
import type { Failure } from "../schema/spec.ts";
import type { Path, Values } from "../values.ts";
import { observeFile, proven } from "./observed.ts";
import { bringFiles, contentFailures, giveBackFiles, type FileMap } from "./owned-files.ts";
import { LEAVE, SYSTEM_LOCK } from "./system.ts";

const filesOf = (inputs: Values): FileMap => inputs["files"] as unknown as FileMap;

export const files: Resource = {
  spec: {
    description: "Files at fixed places that belong to no house, e.g. what the houses of a host share.",
    inputProperties: {
      host: CONNECTION,
      files: {
        type: "object",
        additionalProperties: { $ref: "#/types/host:index:File" },
        description: "Files by absolute path.",
      },
      adopt: {
        type: "boolean",
        description: "Take over files that exist; they are kept aside.",
        default: false,
      },
    },
    requiredInputs: ["host", "files"],
    properties: {},
  },
  replaceOn: ["host.name"],
  complete(given) {
    const failures: Failure[] = [];
    const entries = Object.entries((given["files"] as Values | undefined) ?? {}).map(([path, file]) => {
      if (!patterns.absolute.expression.test(path)) {
        failures.push({ path: ["files", path], reason: `must be ${patterns.absolute.words}` });
      }
      return [path, { mode: "0644", group: "root", ...(file as Values) }] as const;
    });
    failures.push(...contentFailures((given["files"] as Values | undefined) ?? {}));
    return { inputs: { ...given, files: Object.fromEntries(entries) }, failures };
  },
  id: (inputs) =>
    `${(inputs["host"] as Values)["name"] as string}:${Object.keys(filesOf(inputs)).sort()[0] ?? "files"}`,
  request: (inputs, old) => ({
    ...noFacts,
    paths: [...new Set([...Object.keys(filesOf(inputs)), ...(old ? Object.keys(filesOf(old)) : [])])],
  }),
  observe(state, facts) {
    const replaced: Path[] = [];
    const seen: Values = {};
    for (const [path, file] of Object.entries(state.inputs["files"] as Record<string, Values>)) {
      const observed = observeFile(file, proven(path, factOf(facts, path)), ["files", path], replaced);
      if (observed) seen[path] = observed;
    }
    if (Object.keys(seen).length === 0 && Object.keys(filesOf(state.inputs)).length > 0) return undefined;
    return { inputs: { ...state.inputs, files: seen }, outputs: state.outputs, replaced };
  },
  preview: () => ({}),
  reconcile: (inputs, old, facts) => ({
    plan: {
      lock: SYSTEM_LOCK,
      steps: bringFiles(filesOf(inputs), old ? filesOf(old.inputs) : {}, facts, inputs["adopt"] === true),
    },
    outputs: {},
  }),
  remove: (state, facts) => ({
    lock: SYSTEM_LOCK,
    steps: [...giveBackFiles(filesOf(state.inputs), facts), LEAVE],
  }),
};
