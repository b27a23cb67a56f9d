/**
 * What the program of a project asks of its hosts, without engine, provider or host: runs `index.ts` on Pulumi's mocks.
 * Runs in a process of its own, started in the project's folder, because a program runs when it is loaded.
 */
import { readFileSync } from "node:fs";

import * as pulumi from "@pulumi/pulumi";

/** A resource as the program declared it, with its inputs in clear. */
export interface DeclaredResource {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
}

/** Reads `{project, stack, config}` as JSON on standard input; prints the resources as JSON. `load` is that of toolchain/load.mjs. */
export async function main(load: (entry: string, external: string[]) => Promise<unknown>): Promise<void> {
  const { project, stack, config } = JSON.parse(readFileSync(0, "utf8")) as {
    project: string;
    stack: string;
    config: Record<string, string>;
  };
  const declared: DeclaredResource[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs, custom }) => {
        if (custom !== false) declared.push({ type, name, inputs: unwrapped(inputs) });
        return { id: name, state: inputs as Record<string, unknown> };
      },
      call: ({ token }) => {
        throw new Error(`the bench does not expect a call of ${token}`);
      },
    },
    project,
    stack,
    false,
  );
  pulumi.runtime.setAllConfig(config);
  await load("index.ts", ["@pulumi/*"]);
  await pulumi.runtime.disconnect();
  process.stdout.write(JSON.stringify(declared));
}

/** The SDK hands mocks a property that holds a secret anywhere inside an envelope of `{<signature>, value}`. */
function unwrapped(inputs: Record<string, unknown>): Record<string, unknown> {
  const open = (value: unknown): unknown =>
    typeof value === "object" && value !== null && pulumi.runtime.specialSigKey in value && "value" in value
      ? value.value
      : value;
  return Object.fromEntries(Object.entries(inputs).map(([key, value]) => [key, open(value)]));
}
