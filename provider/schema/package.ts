/** The provider's package schema as `getSchema` serves it. */
import { specs } from "../resources/index.ts";
import type { PropertySpec } from "./spec.ts";
import { types } from "./types.ts";

/** Pulumi's schema has no patterns and bounds; they become part of the description. */
function property({
  pattern,
  enum: allowed,
  minimum,
  description,
  ...rest
}: PropertySpec): Record<string, unknown> {
  const notes = [
    pattern && `Must be ${pattern.words}.`,
    allowed && `One of ${allowed.join(", ")}.`,
    minimum !== undefined && `At least ${minimum}.`,
  ].filter((note) => typeof note === "string");
  return { ...rest, description: [description, ...notes].join(" ") };
}

const properties = (specs: Record<string, PropertySpec>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, property(spec)]));

export function packageSchema(version: string): object {
  return {
    name: "host",
    displayName: "Debian host",
    version,
    description:
      "What is observed and changed on a Debian host: releases of houses, files, units, accounts and packages; and the keys of hosts to come.",
    types: Object.fromEntries(
      Object.entries(types).map(([token, type]) => [
        token,
        {
          type: "object",
          description: type.description,
          properties: properties(type.properties),
          required: type.required,
        },
      ]),
    ),
    resources: Object.fromEntries(
      Object.entries(specs).map(([token, spec]) => [
        token,
        {
          description: spec.description,
          inputProperties: properties(spec.inputProperties),
          requiredInputs: spec.requiredInputs,
          properties: properties({ ...spec.inputProperties, ...spec.properties }),
          required: [...spec.requiredInputs, ...Object.keys(spec.properties)],
        },
      ]),
    ),
    provider: { description: "Needs no configuration: every resource says how its host is reached." },
  };
}
