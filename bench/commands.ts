/**
 * `npm run bench`: how long the everyday commands take on the dev stack, and what the time is made of.
 *
 * Figures are medians in milliseconds over several runs, beside Node's own start as the unit of this machine: compare
 * ratios, not milliseconds, between machines. The dev stack must be up and clean.
 */
import { spawn } from "node:child_process";
import path from "node:path";
import { performance } from "node:perf_hooks";

import { ensureEngine } from "../toolchain/engine.ts";
import { say } from "../scripts/session.ts";
import { engineEnvironment, ROOT } from "../scripts/stack.ts";

const RUNS = 5;

interface Command {
  name: string;
  argv: [string, ...string[]];
  env?: NodeJS.ProcessEnv;
  /** Stop the clock and the process at the first line of output instead of at its end. */
  untilFirstLine?: boolean;
}

function once({ argv: [program, ...args], env, untilFirstLine }: Command): Promise<number> {
  const from = performance.now();
  const child = spawn(program, args, { cwd: ROOT, env: env ?? process.env, stdio: ["pipe", "pipe", "pipe"] });
  let errors = "";
  let output = "";
  let firstLine: number | undefined;
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
    firstLine ??= performance.now();
    if (untilFirstLine) child.stdin.end();
  });
  if (!untilFirstLine) child.stdin.end();
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      if (code !== 0)
        return reject(new Error(`${[program, ...args].join(" ")} ended with ${code}:\n${output}${errors}`));
      resolve((untilFirstLine && firstLine !== undefined ? firstLine : performance.now()) - from);
    });
  });
}

async function median(command: Command): Promise<number> {
  await once(command);
  const times: number[] = [];
  for (let run = 0; run < RUNS; run++) times.push(await once(command));
  return times.sort((a, b) => a - b)[Math.floor(RUNS / 2)]!;
}

/** Returns the exit code of the command. */
export async function main(): Promise<number> {
  const engine = await ensureEngine({
    seenFile: path.join(ROOT, "node_modules", ".cache", "pulumi-engine"),
    progress: say,
  });
  const env = engineEnvironment("dev", process.env);
  const script = (name: string): [string, ...string[]] => [
    process.execPath,
    path.join(ROOT, "scripts", "run.mjs"),
    name,
  ];
  const load = `import("./toolchain/load.mjs").then((m) => m.load("fleet/index.ts")).then((f) => f.loadFleet("wizards"))`;
  const commands: Command[] = [
    { name: "node, nothing to do", argv: [process.execPath, "-e", "0"] },
    {
      name: "provider start",
      argv: [path.join(ROOT, "provider", "pulumi-resource-host"), "127.0.0.1:1"],
      untilFirstLine: true,
    },
    { name: "fleet load and check", argv: [process.execPath, "--input-type=module", "-e", load] },
    { name: "program's SDK (@pulumi/pulumi)", argv: [process.execPath, "-e", 'require("@pulumi/pulumi")'] },
    { name: "engine, nothing to do", argv: [engine, "version"] },
    {
      name: "engine, program and provider (pulumi preview --refresh)",
      argv: [engine, "preview", "--stack", "dev", "--refresh", "--non-interactive", "--expect-no-changes"],
      env,
    },
    { name: "npm run drift", argv: script("drift") },
    { name: "npm run up, unchanged", argv: script("up") },
  ];
  const unit = await median(commands[0]!);
  for (const command of commands) {
    const time = command === commands[0] ? unit : await median(command);
    say(
      `${command.name.padEnd(58)} ${time.toFixed(0).padStart(6)} ms ${(time / unit).toFixed(1).padStart(6)} x node`,
    );
  }
  return 0;
}
