/**
 * System cron entries (/etc/cron.d): their grammar and their one rendering.
 *
 * A command is an argv list. Cron hands the line to a shell, so every word is quoted here; what cron itself would
 * interpret before any quoting (`%` and newline) is refused rather than escaped, because an escape that a reader
 * must know by heart is a trap.
 */

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
