/** The resource `Release`: all that a house has on its host, switched from one whole version to the next by one rename. */
import type { Resource } from "../../resource.ts";
import type { PropertySpec } from "../../schema/spec.ts";
import { CONNECTION, patterns } from "../../schema/types.ts";
import type { Values } from "../../values.ts";
import { foreseenRefusals } from "./activation.ts";
import { complete } from "./complete.ts";
import { releaseInputs } from "./layout.ts";
import { observe, request } from "./observe.ts";
import { reconcile, remove } from "./plan.ts";

const map = (type: string, description: string): PropertySpec => ({
  type: "object",
  additionalProperties: { $ref: `#/types/host:index:${type}` },
  description,
});

const previewOutputs = (inputs: Values): Values => ({ release: inputs["release"]! });

export const release: Resource = {
  spec: {
    description:
      "A house's files, links, units and cron entries, switched from one whole version to the next by one rename.",
    inputProperties: {
      host: CONNECTION,
      house: {
        type: "string",
        description: "Absolute path of the house on the host.",
        pattern: patterns.absolute,
      },
      group: {
        type: "string",
        description: "The group that may read the release.",
        pattern: patterns.account,
      },
      salt: { type: "string", description: "Salt of the release id, unique per stack, not secret." },
      files: map("File", "Files by path inside the release."),
      links: map("Link", "Links by path inside the house."),
      directories: map("Directory", "Folders that outlive releases, by path inside the house."),
      units: map("Unit", "Systemd units by name."),
      cron: map("CronFile", "Cron files by name in /etc/cron.d."),
      harness: {
        type: "string",
        description: "Absolute path of what the release runs with: `harness` in the release is a link to it.",
        pattern: patterns.absolute,
      },
      check: { $ref: "#/types/host:index:Check", description: "Checks the staged release on a live host." },
      health: {
        $ref: "#/types/host:index:Health",
        description: "When a release counts as healthy on a live host.",
      },
      revertAfter: {
        type: "integer",
        description: "Seconds until an unconfirmed release reverts.",
        default: 120,
        minimum: 1,
      },
      jobs: {
        $ref: "#/types/host:index:Jobs",
        description: "What of the house goes into a file that its agent writes as well.",
      },
      hold: {
        type: "string",
        description: "File that, while it exists, keeps the house from being changed; its text says why.",
        pattern: patterns.absolute,
      },
      drained: {
        type: "string",
        description: "File that, while it exists, says that the house was drained; it is not changed either.",
        pattern: patterns.absolute,
      },
      backups: {
        $ref: "#/types/host:index:Backups",
        description: "Where backups of the house are on a live host, and when the newest is too old.",
      },
      traces: {
        type: "array",
        items: { type: "string" },
        description:
          "Folders outside the house in which what runs in it keeps records; destroy removes them.",
      },
      keep: { type: "integer", description: "Releases kept on the host.", default: 3, minimum: 1 },
      onDestroy: {
        type: "string",
        description:
          "What destroy leaves: `keep-home` keeps folders the agent wrote in, `remove-all` removes them.",
        enum: ["keep-home", "remove-all"],
        default: "keep-home",
      },
      adopt: { type: "boolean", description: "Take over what exists; it is kept aside.", default: false },
    },
    requiredInputs: ["host", "house", "group", "salt", "files"],
    properties: {
      release: {
        type: "string",
        description: "Id of the release; computed offline, so it is known at preview.",
      },
      previous: {
        type: "string",
        description: "The release that `current` pointed at before, empty if none.",
      },
      knownGood: { type: "string", description: "The last release that was confirmed, empty if none." },
      held: {
        type: "string",
        description: "Since when and why the house is left alone, empty if it is not.",
      },
      refused: {
        type: "array",
        items: { type: "string" },
        description: "Ids of releases that failed here or were revoked, and are not put into force again.",
      },
    },
  },
  replaceOn: ["host.name", "house"],
  complete,
  id: (inputs) => `${(inputs["host"] as Values)["name"] as string}:${releaseInputs(inputs).house}`,
  request,
  observe,
  preview: previewOutputs,
  foreseen: (inputs, outputs) => foreseenRefusals(releaseInputs(inputs), outputs),
  reconcile,
  remove,
};
