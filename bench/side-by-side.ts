/** `npm run bench -- --houses N`: this program beside Ansible, Ansible with Mitogen, pyinfra and bare ssh, on the same machines. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { say } from "../scripts/session.ts";
import { ROOT } from "../scripts/stack.ts";
import { control } from "./control.ts";
import { bringUpMachines, runHostScript } from "./machines.ts";
import { CASES, TOOLS, readOptions, type Options, type ToolName } from "./options.ts";
import { makeProject } from "./project.ts";
import { endRunning } from "./process.ts";
import { markdownReport, textReport } from "./report.ts";
import { resultOf, type Result } from "./result.ts";
import { measureAll } from "./rounds.ts";
import { ansible, mitogen } from "./tools/ansible.ts";
import { ours, type OursTool } from "./tools/ours.ts";
import { pyinfra } from "./tools/pyinfra.ts";
import { ssh } from "./tools/ssh.ts";
import type { Ground, Tool } from "./tools/tool.ts";
import { wantedHouses, type WantedHouse } from "./wanted.ts";
import { workplace } from "./workplace.ts";

/** Every key that a house of the bench wants, and the one that the case `change` changes. */
const KEYS = ["API_SERVER_KEY", "DEEPSEEK_API_KEY", "GITEA_TOKEN", "KIMI_API_KEY", "OPENROUTER_API_KEY"];
const CHANGING = "KIMI_API_KEY";

/** Returns the exit code: 0 if every tool did everything and the machines were as wanted after it. */
export async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  const date = new Date().toISOString();
  const dir = mkdtempSync(path.join(os.tmpdir(), "wizard-houses-bench-"));
  const bed = await bringUpMachines(options.machines);
  const stop = (): void => {
    say("stopped: taking the machines down");
    endRunning();
    void bed.takeDown().finally(() => {
      rmSync(dir, { recursive: true, force: true });
      process.exit(130);
    });
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, stop);
  try {
    const stand = readFileSync(path.join(ROOT, "bench", "host", "gateway.py"), "utf8");
    await Promise.all(bed.machines.map((machine) => runHostScript(machine, "prepare.sh", stand)));
    await Promise.all(bed.machines.map((machine) => runHostScript(machine, "reset.sh")));
    const ground: Ground = { dir, houses: options.houses, ...bed };
    const project = path.join(dir, "project");
    mkdirSync(project);
    makeProject(project, options.houses, bed.machines);
    const { tools, own } = await makeTools(options, ground, project);
    const measured = await measureAll({
      options,
      machines: bed.machines,
      tools,
      ours: own,
      version: (changes) => version(project, changes),
    });
    const { raw, houses, failures } = measured;
    const checked = await control(bed.machines, houses);
    if (!checked.equal) failures.push("at the end the machines are not as wanted");
    if (!checked.notices) failures.push("a byte changed for a try was not noticed: equality means nothing");
    const result = resultOf({
      date,
      houses: options.houses,
      machines: options.machines,
      runs: options.runs,
      fewer: options.fewer,
      arguments: repeating(options),
      workplace: workplace(),
      versions: Object.fromEntries(tools.map((tool) => [tool.name, tool.version])),
      control: checked,
      failures,
      raw,
    });
    return finish(result, options);
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, stop);
    await bed.takeDown();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The arguments that make the same measurement again. */
function repeating({ houses, machines, runs, fewer, tools, cases, memory }: Options): string[] {
  const less = Object.entries(fewer).map((one) => one.join("="));
  return [
    ...["--houses", String(houses), "--machines", String(machines), "--runs", String(runs)],
    ...(less.length > 0 ? ["--fewer", less.join(",")] : []),
    ...(tools.length < TOOLS.length ? ["--tools", tools.join(",")] : []),
    ...(cases.length < CASES.length ? ["--cases", cases.join(",")] : []),
    ...(memory.length < tools.length ? ["--memory", memory.join(",")] : []),
  ];
}

function version(project: string, changes: number): { houses: WantedHouse[]; keys: Record<string, string> } {
  const keys = Object.fromEntries(KEYS.map((key) => [key, `value of ${key}`]));
  keys[CHANGING] = `value ${changes} of ${CHANGING}`;
  return { houses: wantedHouses(project, keys), keys };
}

async function makeTools(
  options: Options,
  ground: Ground,
  project: string,
): Promise<{ tools: Tool[]; own: OursTool | undefined }> {
  const own = options.tools.includes("ours") ? await ours(ground, project) : undefined;
  const makers: Record<Exclude<ToolName, "ours">, (ground: Ground) => Promise<Tool>> = {
    ansible,
    mitogen,
    pyinfra,
    ssh,
  };
  const tools: Tool[] = own === undefined ? [] : [own];
  for (const name of options.tools) if (name !== "ours") tools.push(await makers[name](ground));
  return { tools, own };
}

function finish(result: Result, options: Options): number {
  process.stdout.write(`${textReport(result)}\n`);
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(result, undefined, 2)}\n`);
  if (options.markdown !== undefined) writeFileSync(options.markdown, markdownReport(result));
  if (result.failures.length === 0) return 0;
  say(`${result.failures.length} failures, see above`);
  return 1;
}
