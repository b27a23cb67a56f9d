/** Rule `cron-safe`: what runs by the clock runs as whom it should, not too often, and runs nothing an agent wrote. */
import { type CronEntry, cronProblems } from "../cron.ts";
import type { AgentJob } from "../model.ts";
import { type Reach, reachProblems } from "../reach.ts";
import type { Finding } from "./finding.ts";
import type { PolicySettings } from "./settings.ts";

export interface CronHouse extends Reach {
  path: string;
}

const INTERPRETERS = /^(?:(?:ba|da|k|z)?sh|python[\d.]*)$/;

/** Everything wrong with one line of /etc/cron.d. Paths lead from the entry. */
export function cronEntryFindings(
  entry: CronEntry,
  house: CronHouse,
  settings: PolicySettings["cron-safe"],
): Finding[] {
  const findings: Finding[] = cronProblems(entry);
  // What is not even an entry of a cron file has no gaps and no program to look at.
  if (findings.length > 0) return findings;
  return [...reachProblems(entry, house), ...cronLimitFindings(entry, house, settings)];
}

/** As whom and how often an entry without problems runs. The release's own scripts, which are ours, may run more often. */
export function cronLimitFindings(
  entry: CronEntry,
  house: CronHouse,
  settings: PolicySettings["cron-safe"],
): Finding[] {
  if (cronProblems(entry).length > 0) return [];
  const findings: Finding[] = [];
  const ours = runsRelease(entry.command, house);
  if (entry.user !== house.user && !(entry.user === "root" && ours)) {
    const allowed = `${house.user}; root only for scripts of the release`;
    findings.push({ path: ["user"], message: "may not run jobs in this house", got: entry.user, allowed });
  }
  if (!ours) findings.push(...gapFindings(shortestGap(entry.schedule), entry.schedule, settings));
  return findings;
}

/** What is wrong with a job of the agent's own scheduler. */
export function agentJobFindings(
  { schedule }: Pick<AgentJob, "schedule">,
  settings: PolicySettings["cron-safe"],
): Finding[] {
  const gap = schedule.kind === "interval" ? schedule.minutes : shortestGap(schedule.expr);
  return gapFindings(gap, schedule.display, settings);
}

function gapFindings(
  gap: number,
  schedule: string,
  { everyMinutes }: PolicySettings["cron-safe"],
): Finding[] {
  if (gap >= everyMinutes) return [];
  const allowed = `at least ${everyMinutes} minutes between two runs`;
  return [{ path: ["schedule"], message: "is too frequent", got: schedule, allowed }];
}

/** Whether a command is an interpreter on a script of the release, which is root's. */
function runsRelease([program = "", ...rest]: readonly string[], { path }: CronHouse): boolean {
  const inRelease = (word: string | undefined): boolean =>
    word !== undefined && word.startsWith(`${path}/current/`) && !word.split("/").includes("..");
  if (inRelease(program)) return true;
  return INTERPRETERS.test(baseName(program)) && !program.startsWith(`${path}/`)
    ? inRelease(rest.find((word) => !/^-[BEIOSsuqefxv]+$/.test(word)))
    : false;
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

const NICKNAMES: Readonly<Record<string, string>> = {
  "@hourly": "0 * * * *",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@weekly": "0 0 * * 0",
  "@monthly": "0 0 1 * *",
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
};
const DAY = 1440;

/**
 * Fewest minutes between two runs of a schedule without problems; `Infinity` for one that runs at boot only. Days on
 * which a schedule runs count as following each other unless it names one day of the week or month.
 */
export function shortestGap(schedule: string): number {
  if (schedule === "@reboot") return Infinity;
  const [minutes = "", hours = "", dayOfMonth = "", , dayOfWeek = ""] = (NICKNAMES[schedule] ?? schedule)
    .split(" ")
    .filter((field) => field !== "");
  const times = values(hours, 0, 23).flatMap((hour) =>
    values(minutes, 0, 59).map((minute) => hour * 60 + minute),
  );
  const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
  const [first = 0, last = 0] = [times[0], times.at(-1)];
  const single = (field: string): boolean => /^(\d+|[a-z]{3})$/i.test(field);
  // With both fields given, cron runs on either kind of day.
  const days = [dayOfMonth, dayOfWeek].filter((field) => field !== "*");
  const apart = days.length === 1 && single(days[0] ?? "");
  return Math.min(...gaps, apart ? Infinity : first + DAY - last);
}

/** Sorted numbers that a field stands for. */
function values(field: string, low: number, high: number): number[] {
  const all = field.split(",").flatMap((part) => {
    const [range = "", step = "1"] = part.split("/");
    const [from, to = from] = range === "*" ? [low, high] : range.split("-").map(Number);
    return from === undefined || to === undefined
      ? []
      : Array.from({ length: to - from + 1 }, (_, index) => from + index).filter(
          (number) => (number - from) % Number(step) === 0,
        );
  });
  return [...new Set(all)].sort((a, b) => a - b);
}
