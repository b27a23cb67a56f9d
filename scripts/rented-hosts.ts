/** How the droplets of a stack are reached: their addresses and pins stand in its state, and are among its outputs. */
import path from "node:path";

import * as z from "zod";

import type { Connection } from "../provider/sdk.ts";
import { ensureEngine } from "../toolchain/engine.ts";
import { UsageError } from "./arguments.ts";
import { runWithInput } from "./engine-run.ts";
import { say } from "./session.ts";
import { engineEnvironment, ROOT } from "./stack.ts";

const output = z.object({
  hosts: z.record(
    z.string(),
    z.object({ address: z.string(), port: z.number(), user: z.string(), hostKey: z.string() }),
  ),
});

/** By host. Throws a {@link UsageError} where the stack does not tell them, as before its first update. */
export async function rentedHosts(stack: string): Promise<Record<string, Connection>> {
  const engine = await ensureEngine({
    seenFile: path.join(ROOT, "node_modules", ".cache", "pulumi-engine"),
    progress: say,
  });
  const call = { engine, stack, env: engineEnvironment(stack, process.env) };
  const args = ["stack", "output", "droplets", "--json", "--stack", stack];
  const { code, stdout } = await runWithInput(call, args, "");
  const told = code === 0 ? output.safeParse(JSON.parse(stdout)) : undefined;
  if (told?.success !== true) {
    throw new UsageError(
      `the stack ${stack} does not say how its droplets are reached (its output droplets); run: npm run up -- -s ${stack}`,
    );
  }
  return Object.fromEntries(
    Object.entries(told.data.hosts).map(([name, reached]) => [name, { name, transport: "ssh", ...reached }]),
  );
}
