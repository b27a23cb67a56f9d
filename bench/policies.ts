/**
 * `npm run bench -- --policies`: what the policy pack adds to a preview of thirty houses that were never created. Whole
 * commands on a dev stack of its own, in turn without a pack, with one that has no rule, and with ours: the first
 * difference is the engine's and the SDK's, the second our rules'.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { say } from "../scripts/session.ts";
import { run, type Command } from "./process.ts";
import { makeProject, type Host } from "./project.ts";
import { median } from "./result.ts";

const HOUSES = 30;
const RUNS = 5;
/** Seconds that the pack may add. */
const GOAL = 1;

/** Hosts that exist by name only, as all do in the dev stack. */
const hosts: Host[] = Array.from({ length: HOUSES }, (_, index) => ({
  name: `h${String(index + 1).padStart(3, "0")}`,
  address: `203.0.113.${index + 1}`,
}));

async function seconds(command: Command): Promise<number> {
  const { code, stdout, stderr, seconds: taken } = await run(command);
  if (code !== 0) throw new Error(`${command.argv.join(" ")} ended with ${code}:\n${stdout}${stderr}`);
  return taken;
}

/** Returns 0 if the pack adds no more than it may. */
export async function main(): Promise<number> {
  const cwd = mkdtempSync(path.join(os.tmpdir(), "wizard-houses-bench-"));
  try {
    makeProject(cwd, HOUSES, hosts);
    const preview: Command["argv"] = [process.execPath, path.join(cwd, "scripts", "run.mjs"), "preview"];
    const packs = {
      "without a pack": [],
      "with an empty pack": [emptyPack(cwd)],
      "with the pack": ["policies"],
    };
    const taken = Object.entries(packs).map(([name, folders]) => ({
      name,
      argv: [...preview, ...folders.flatMap((folder) => ["--policy-pack", folder])] as const,
      times: [] as number[],
    }));
    // What is made once, such as the bundle of the scripts, is not the pack's.
    for (const { argv } of taken) await seconds({ argv, cwd });
    for (let round = 0; round < RUNS; round++) {
      for (const one of round % 2 === 0 ? taken : taken.toReversed())
        one.times.push(await seconds({ argv: one.argv, cwd }));
    }
    for (const { name, times } of taken)
      say(`preview of ${HOUSES} houses ${name.padEnd(18)} ${median(times)?.toFixed(2)} s`);
    const [without = 0, empty = 0, withPack = 0] = taken.map(({ times }) => median(times) ?? 0);
    const added = withPack - without;
    const met = added < GOAL;
    say(
      `the pack adds ${added.toFixed(2)} s, of which any pack would ${(empty - without).toFixed(2)} s; ` +
        `the goal is under ${GOAL} s: ${met ? "met" : "missed"}`,
    );
    return met ? 0 : 1;
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
}

/** A pack without a rule, which starts as ours does. Returns its folder. */
function emptyPack(project: string): string {
  const folder = path.join(project, "empty-pack");
  mkdirSync(folder);
  for (const name of ["PulumiPolicy.yaml", "package.json"])
    cpSync(path.join(project, "policies", name), path.join(folder, name));
  const lines = [
    'require("../toolchain/lean-sdk.cjs");',
    'new (require("@pulumi/policy").PolicyPack)("empty", { policies: [] });',
  ];
  writeFileSync(path.join(folder, "index.cjs"), `${lines.join("\n")}\n`);
  return folder;
}
