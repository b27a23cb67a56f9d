/** The agent's own jobs: from what house.yaml says to what the harness is to have, and what the harness would refuse. */
import { createHash } from "node:crypto";

import type { AgentJob, House, ProviderEntry } from "./model.ts";
import type { Path } from "./problem.ts";
import type { HouseData } from "./schema.ts";

type JobData = HouseData["jobs"][number];

/**
 * The id of a house's job, 12 hex digits as the harness gives them. It follows from the names alone, so that a job in the
 * gateway's file is known for ours without any record of it; `components/jobs/merge-jobs.py` works it out as well.
 */
export function jobId(house: string, name: string): string {
  return createHash("sha256").update(`${house}\0${name}`).digest("hex").slice(0, 12);
}

/** A job with its defaults: the house's primary model unless it names one. */
export function agentJob(house: string, job: JobData, providers: readonly ProviderEntry[]): AgentJob {
  return {
    id: jobId(house, job.name),
    name: job.name,
    prompt: job.prompt,
    schedule:
      "every" in job.schedule
        ? { kind: "interval", minutes: job.schedule.every, display: `every ${job.schedule.every}m` }
        : { kind: "cron", expr: job.schedule.cron, display: job.schedule.cron },
    provider: job.provider ?? providers[0]?.provider ?? "",
    model: job.model ?? providers[0]?.model ?? "",
    skills: job.skills,
    deliver: job.deliver,
    ...(job.script === undefined ? {} : { script: job.script }),
    noAgent: job.noAgent,
  };
}

/** What a mistake in a job is called, where it is, and what is allowed. */
export interface JobProblem {
  path: Path;
  message: string;
  value: unknown;
  allowed: string;
}

/**
 * Mistakes of one job that its shape does not show.
 *
 * @param platforms messaging platforms of the harness
 * @param scriptText what the job's script says, if it has one that could be read
 */
export function jobProblems(
  data: JobData,
  house: Pick<House, "providers">,
  platforms: readonly string[],
  scriptText?: string,
): JobProblem[] {
  const problems: JobProblem[] = [];
  const report = (path: Path, message: string, value: unknown, allowed: string): void => {
    problems.push({ path, message, value, allowed });
  };
  if ((data.provider === undefined) !== (data.model === undefined)) {
    const missing = data.provider === undefined ? "provider" : "model";
    report([missing], "is missing", undefined, "both provider and model, or neither for the house's primary");
  }
  if (data.provider !== undefined && !house.providers.some((entry) => entry.provider === data.provider)) {
    const chain = house.providers.map(({ provider }) => provider).join(", ");
    report(["provider"], "is not in the house's chain", data.provider, chain);
  }
  if (data.noAgent && data.script === undefined)
    report(["script"], "is missing", undefined, "the script that a job without an agent runs");
  if (!data.noAgent && data.prompt === "")
    report(["prompt"], "is missing", undefined, "what the agent is to do");
  const texts: [string, string][] = [
    ["prompt", data.prompt],
    ["script", scriptText ?? ""],
  ];
  for (const [key, text] of texts) {
    const command = lifecycleCommand(text);
    if (command === undefined) continue;
    const allowed = "nothing that stops or restarts the gateway: the harness refuses such jobs";
    report([key], "holds a command against the gateway itself", command, allowed);
  }
  for (const target of data.deliver.split(",").map((part) => part.trim())) {
    const [platform = ""] = target.split(":");
    if (["local", "all"].includes(target) || platforms.includes(platform)) continue;
    const allowed = `local, all, or a platform and maybe :<chat id>, with commas between: ${platforms.join(", ")}`;
    report(["deliver"], "is nowhere the harness delivers to", data.deliver, allowed);
  }
  return problems;
}

/**
 * The command in a text for which the harness refuses a job (its cron/lifecycle_guard.py, 0.19): the gateway would be
 * started again by its supervisor, find the job, and stop itself again. A test compares with the harness.
 */
export function lifecycleCommand(text: string): string | undefined {
  return LIFECYCLE.exec(text)?.[0];
}

const LIFECYCLE = new RegExp(
  [
    String.raw`hermes\s+gateway\s+(?:restart|stop)`,
    String.raw`launchctl\s+(?:kickstart|unload|load|stop|restart)\b[^\n]*\bhermes[.\-]?gateway`,
    String.raw`systemctl\s+(?:-\S+\s+)*(?:restart|stop|start)\b[^\n]*\bhermes[.\-]?gateway`,
    String.raw`p?kill\b[^\n]*\bhermes\b[^\n]*\bgateway`,
    String.raw`p?kill\b[^\n]*\bgateway\b[^\n]*\bhermes`,
  ].join("|"),
  "i",
);
