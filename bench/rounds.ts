/**
 * The measuring itself: case by case, the tools take turns in every round, so that what else the machine does hits all
 * of them alike. Each round begins with another tool.
 */
import { say } from "../scripts/session.ts";
import { fingerprints, hostDifferences } from "./fingerprint.ts";
import { runHostScript, type Machine } from "./machines.ts";
import { measure } from "./measure.ts";
import { runSampled } from "./memory.ts";
import type { CaseName, Options } from "./options.ts";
import { lastWords, type Outcome } from "./process.ts";
import { runProfiled } from "./profile.ts";
import type { Raw } from "./result.ts";
import type { OursTool } from "./tools/ours.ts";
import type { Tool } from "./tools/tool.ts";
import type { WantedHouse } from "./wanted.ts";

/** The case whose memory is sampled, in a round of its own. */
const SAMPLED: CaseName = "check";

/** What a round is for. */
type Aim = "time" | "memory" | "profile";

/** The houses and their keys after so many changes of a key. */
export interface Version {
  houses: WantedHouse[];
  keys: Record<string, string>;
}

export interface Stage {
  options: Options;
  machines: Machine[];
  tools: Tool[];
  /** Our own, if it is one of them. */
  ours: OursTool | undefined;
  version(changes: number): Version;
}

export interface Measurements {
  raw: Raw;
  /** What is wanted of the machines at the end. */
  houses: WantedHouse[];
  failures: string[];
}

/** A run that does not count; the message says why. The tool is then left out of what follows. */
class Failed extends Error {}

export async function measureAll(stage: Stage): Promise<Measurements> {
  const { options, machines, ours } = stage;
  const raw: Raw = { timed: [], sampled: [], profiles: {} };
  const failures: string[] = [];
  let tools = stage.tools;
  let changes = 0;
  let now = stage.version(changes);

  /** Brings the machines to where the case begins. */
  const begin = async (tool: Tool, name: CaseName): Promise<void> => {
    if (name === "converge") {
      await Promise.all(machines.map((machine) => runHostScript(machine, "reset.sh")));
      await tool.forget();
    }
    if (name === "change") {
      if (tool === ours) await ours.catchUp();
      now = stage.version(++changes);
      await tool.want(now.houses, now.keys);
    }
  };

  const perform = async (tool: Tool, name: CaseName, aim: Aim): Promise<void> => {
    const command = tool.command(name);
    const accept = (outcome: Outcome): void => {
      const words = outcome.code === 0 ? tool.complaint(name, outcome) : "it failed";
      if (words !== undefined) throw new Failed(`${words}\n${lastWords(command, outcome)}`);
    };
    if (aim === "memory") {
      const { outcome, peak } = await runSampled(command);
      accept(outcome);
      raw.sampled.push({ case: name, tool: tool.name, peak });
    } else if (aim === "profile") {
      const { outcome, profile } = await runProfiled(machines, command);
      accept(outcome);
      raw.profiles[name] = profile;
    } else {
      const { outcome, traffic } = await measure(machines, command);
      accept(outcome);
      const { seconds, processor } = outcome;
      raw.timed.push({ case: name, tool: tool.name, seconds, processor, traffic });
      say(
        `${name.padEnd(9)} ${tool.name.padEnd(8)} ${seconds.toFixed(2).padStart(8)} s ${processor.toFixed(2).padStart(8)} s of processor`,
      );
    }
  };

  const once = async (tool: Tool, name: CaseName, aim: Aim): Promise<void> => {
    await begin(tool, name);
    const before = name === "change" ? await starts(machines, now.houses) : {};
    await perform(tool, name, aim);
    await tool.cool();
    if (name !== "converge" && name !== "change") return;
    const found = await hostDifferences(machines, now.houses);
    if (found.length > 0)
      throw new Failed(["the machines are not as wanted:", ...found.slice(0, 20)].join("\n"));
    if (name !== "change") return;
    const after = await starts(machines, now.houses);
    const same = Object.keys(after).filter((unit) => after[unit] === before[unit]);
    if (same.length > 0) throw new Failed(`not restarted: ${same.join(", ")}`);
  };

  const takeTurns = async (name: CaseName, aim: Aim, round: number): Promise<void> => {
    for (const tool of rotated(tools, round)) {
      if (!tool.cases.includes(name) || (aim === "profile" && tool !== ours)) continue;
      if (aim === "time" && round >= (options.fewer[tool.name] ?? Infinity)) continue;
      if (aim === "memory" && !options.memory.includes(tool.name)) continue;
      try {
        await once(tool, name, aim);
      } catch (error) {
        if (!(error instanceof Failed)) throw error;
        failures.push(`${tool.name}, ${name}: ${error.message}`);
        say(`${tool.name} failed at ${name} and is left out from here on:\n${error.message}`);
        tools = tools.filter((other) => other !== tool);
      }
    }
  };

  for (const tool of tools) await tool.want(now.houses, now.keys);
  if (!options.cases.includes("converge")) await makeHouses(stage, begin);
  for (const name of options.cases) {
    if (name !== "converge" && ours !== undefined && tools.includes(ours)) await ours.catchUp();
    for (let round = 0; round < options.runs; round++) await takeTurns(name, "time", round);
    if (name === SAMPLED) await takeTurns(name, "memory", options.runs);
    if (options.profile) await takeTurns(name, "profile", options.runs);
  }
  return { raw, houses: now.houses, failures };
}

/** Where converging is not measured, the houses must come from somewhere. */
async function makeHouses(
  { machines, tools, options }: Stage,
  begin: (tool: Tool, name: CaseName) => Promise<void>,
): Promise<void> {
  const [tool] = tools.filter(({ cases }) => cases.includes("converge"));
  if (tool === undefined)
    throw new Error(`none of the tools can make the houses: name one beside ${options.tools.join(", ")}`);
  await begin(tool, "converge");
  const command = tool.command("converge");
  const { outcome } = await measure(machines, command);
  if (outcome.code !== 0) throw new Error(lastWords(command, outcome));
  await tool.cool();
}

/** What tells each unit's present start from all others. */
async function starts(machines: Machine[], houses: WantedHouse[]): Promise<Record<string, string>> {
  const found = await fingerprints(machines, houses);
  const entries = Object.values(found).flatMap((fingerprint) => Object.entries(fingerprint));
  return Object.fromEntries(entries.filter(([thing]) => thing.startsWith("started ")));
}

function rotated<One>(list: One[], by: number): One[] {
  return list.map((_, index) => list[(index + by) % list.length]!);
}
