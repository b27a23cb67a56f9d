/**
 * System cron entries (/etc/cron.d): their grammar and their one rendering.
 *
 * A command is an argv list. Cron hands the line to a shell, so every word is quoted here; what cron itself would
 * interpret before any quoting (`%` and newline) is refused rather than escaped, because an escape that a reader
 * must know by heart is a trap.
 */
import type { Path } from "./problem.ts";
import { shellQuote } from "./shell.ts";

/** One line of a file in /etc/cron.d. */
export interface CronEntry {
  /** Unique within the file; rendered as a comment above the line. */
  name: string;
  /** Five fields or `@hourly`-style nickname; see {@link cronProblems}. */
  schedule: string;
  /** The account the command runs as. */
  user: string;
  /** Program and arguments; the program is an absolute path. Data, never shell. */
  command: string[];
}

/** A mistake in an entry; `path` leads from the entry to the value, e.g. `["command", 0]`. */
export interface CronProblem {
  path: Path;
  message: string;
  got: unknown;
  allowed: string;
}

const NICKNAMES = [
  "@reboot",
  "@yearly",
  "@annually",
  "@monthly",
  "@weekly",
  "@daily",
  "@midnight",
  "@hourly",
];
const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

interface Field {
  name: string;
  low: number;
  high: number;
  names?: readonly string[];
}

const FIELDS: readonly Field[] = [
  { name: "minute", low: 0, high: 59 },
  { name: "hour", low: 0, high: 23 },
  { name: "day of month", low: 1, high: 31 },
  { name: "month", low: 1, high: 12, names: MONTHS },
  { name: "day of week", low: 0, high: 7, names: DAYS },
];

const NAME = /^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$/;
const USER = /^[a-z_][a-z0-9_-]{0,31}$/;
const MAX_LINE = 998;

/** Everything wrong with one entry; empty if Debian's cron takes it and runs exactly the given argv. */
export function cronProblems(entry: CronEntry): CronProblem[] {
  const problems: CronProblem[] = [];
  const report = (path: Path, message: string, got: unknown, allowed: string): void => {
    problems.push({ path, message, got, allowed });
  };
  if (!NAME.test(entry.name)) {
    report(
      ["name"],
      "is no name of a cron entry",
      entry.name,
      "up to 64 letters, digits, blanks, dots, dashes",
    );
  }
  for (const { message, got, allowed } of scheduleProblems(entry.schedule))
    report(["schedule"], message, got, allowed);
  if (!USER.test(entry.user)) {
    report(["user"], "is no user name", entry.user, "lower-case letters, digits, _ and -, at most 32");
  }
  const [program] = entry.command;
  if (program === undefined) {
    report(["command"], "is empty", entry.command, "a list: an absolute program path, then its arguments");
  } else if (!program.startsWith("/") || program.split("/").some((part) => part === "." || part === "..")) {
    report(["command", 0], "is no absolute program path", program, "a path such as /usr/bin/find");
  }
  entry.command.forEach((word, index) => {
    const bad = forbiddenCharacter(word);
    if (bad === undefined) return;
    report(
      ["command", index],
      `holds ${bad}`,
      word,
      "no %, newline or control characters: put them into a script",
    );
  });
  if (problems.length === 0 && renderLine(entry).length > MAX_LINE) {
    report(
      ["command"],
      "makes a line that cron cuts off",
      entry.command,
      `at most ${MAX_LINE} characters, quoted`,
    );
  }
  return problems;
}

/**
 * Text of a file in /etc/cron.d. Throws if an entry has a problem or two share a name: a line that cron reads
 * differently, or drops, must never be written.
 *
 * @param header lines to put on top as comments
 */
export function renderCronFile(entries: readonly CronEntry[], header?: string): string {
  const problems = entries.flatMap((entry) =>
    cronProblems(entry).map((problem) => `${entry.name}: ${problem.path.join(".")} ${problem.message}`),
  );
  const names = new Set(entries.map((entry) => entry.name));
  if (names.size < entries.length) problems.push("two entries share a name");
  if (problems.length > 0) throw new Error(`No cron file can be made of this: ${problems.join("; ")}`);
  const comments = header === undefined ? [] : header.split(/\r?\n/).map((line) => `# ${line}`.trimEnd());
  return [
    ...comments,
    "SHELL=/bin/sh",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ...entries.flatMap((entry) => ["", `# ${entry.name}`, renderLine(entry)]),
    "",
  ].join("\n");
}

/** What is wrong with a schedule: five fields as in crontab(5), or a nickname such as `@hourly`. */
export function scheduleProblems(schedule: string): { message: string; got: string; allowed: string }[] {
  if (schedule.startsWith("@")) {
    if (NICKNAMES.includes(schedule)) return [];
    return [{ message: "is no schedule", got: schedule, allowed: `five fields or ${NICKNAMES.join(", ")}` }];
  }
  const fields = schedule.split(" ").filter((field) => field !== "");
  if (fields.length !== FIELDS.length || /[^\x20-\x7e]/.test(schedule)) {
    const allowed = `five fields (${FIELDS.map((field) => field.name).join(", ")}) or ${NICKNAMES.join(", ")}`;
    return [{ message: "is no schedule", got: schedule, allowed }];
  }
  return FIELDS.flatMap((field, index) => {
    const text = fields[index] ?? "";
    if (fieldFits(text, field)) return [];
    const names = field.names === undefined ? "" : `, or one name such as ${field.names[1]}`;
    const allowed = `*, ${field.low}-${field.high}, ranges a-b, steps */n or a-b/n, lists with commas${names}`;
    return [{ message: `has no valid ${field.name}`, got: text, allowed }];
  });
}

function fieldFits(text: string, field: Field): boolean {
  // crontab(5): names stand alone, not in ranges or lists.
  if (field.names?.includes(text.toLowerCase())) return true;
  return text.split(",").every((part) => partFits(part, field));
}

function partFits(part: string, { low, high }: Field): boolean {
  const match = /^(?:(\*)|(\d{1,2})(?:-(\d{1,2}))?)(?:\/(\d{1,2}))?$/.exec(part);
  if (match === null) return false;
  const [, star, from, to, step] = match;
  if (step !== undefined && (Number(step) < 1 || Number(step) > high)) return false;
  if (star !== undefined) return true;
  const first = Number(from);
  const last = to === undefined ? first : Number(to);
  // Cron does not take a step after a single number.
  if (step !== undefined && to === undefined) return false;
  return first >= low && last <= high && first <= last;
}

function forbiddenCharacter(word: string): string | undefined {
  if (word.includes("%")) return "a %, which cron turns into a newline";
  if (/[\r\n]/.test(word)) return "a newline";
  return /[\x00-\x1f\x7f]/.test(word) ? "a control character" : undefined;
}

function renderLine({ schedule, user, command }: CronEntry): string {
  return `${schedule} ${user} ${command.map(shellQuote).join(" ")}`;
}
