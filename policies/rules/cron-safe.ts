/** Rule `cron-safe`: what runs by the clock runs as whom it should, not too often, and runs nothing an agent wrote. */
import type { CronEntry } from "../../fleet/cron.ts";
import { at } from "../../fleet/pins.ts";
import type { AgentJob } from "../../fleet/model.ts";
import { agentJobFindings, cronEntryFindings } from "../../fleet/rules/cron-safe.ts";
import { below, type Finding } from "../../fleet/rules/finding.ts";
import { shellWords, unitDirectives } from "../../fleet/rules/words.ts";
import type { Inputs } from "../inputs.ts";
import { inCron, inOptionalFile, inTree, RELEASE } from "../release.ts";
import type { ResourceRule } from "../rule.ts";

export const cronSafe: ResourceRule = {
  name: "cron-safe",
  description:
    "Cron entries and the agent's jobs have a valid schedule, are not too frequent, run as the house's account, and run no shell text and nothing the agent can write.",
  remediation:
    "Correct cron or jobs in the house's house.yaml; put what needs a shell into a script that root owns.",
  whenLoading: "all of it",
  types: [RELEASE],
  judge:
    ({ policies }) =>
    ({ inputs }) => {
      const settings = policies["cron-safe"];
      return [
        ...inputs.judgeAll([["house"], ["group"]], (path, user) => {
          const house = { path: String(path), user: String(user), folders: writable(inputs, String(path)) };
          return inCron(inputs, (entry) => {
            const complete = isCronEntry(entry);
            if (complete) return cronEntryFindings(entry, house, settings);
            return [
              { path: [], message: "is no cron entry", allowed: "name, schedule, user and a list command" },
            ];
          });
        }),
        ...inOptionalFile(inputs, "jobs.json", () =>
          inTree(inputs, "jobs.json", (tree) => jobFindings(tree, settings)),
        ),
      ];
    },
};

/** The agent's home and what its unit may write to beside it. */
function writable(inputs: Inputs, path: string): string[] {
  const folders = new Set([`${path}/home`]);
  inputs.each(["units"], (unit) => {
    const content = inputs.peek(["units", unit, "content"]);
    for (const { name, value } of unitDirectives(typeof content === "string" ? content : "")) {
      if (name === "ReadWritePaths")
        shellWords(value).forEach((folder) => folders.add(folder.replace(/^[-+]+/, "")));
    }
    return [];
  });
  return [...folders];
}

function isCronEntry(entry: Record<string, unknown>): entry is Record<string, unknown> & CronEntry {
  const { name, schedule, user, command } = entry;
  const isText = (value: unknown): boolean => typeof value === "string";
  return [name, schedule, user].every(isText) && Array.isArray(command) && command.every(isText);
}

function jobFindings(tree: unknown, settings: Parameters<typeof agentJobFindings>[1]): Finding[] {
  const jobs = at(tree, ["jobs"]);
  return (Array.isArray(jobs) ? jobs : []).flatMap((job: unknown, index): Finding[] => {
    const kind = at(job, ["schedule", "kind"]);
    const known = kind === "interval" || kind === "cron";
    // The harness wipes a schedule of another shape, and the job never runs.
    if (!known)
      return [
        { path: ["jobs", index, "schedule"], message: "is no schedule", allowed: "kind interval or cron" },
      ];
    return below(["jobs", index], agentJobFindings(job as Pick<AgentJob, "schedule">, settings));
  });
}
