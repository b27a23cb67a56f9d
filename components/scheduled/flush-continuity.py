"""Flush of continuity: what the house is in the middle of, in a note of the day that the agent finds again.

A context can be dropped at any time, by a reset, a restart or a full window. The note lists today's sessions and jobs
with what the harness says about them: titles, counts and times. No message is read, and none is in the note.

Reads  <home>/state.db (tables sessions and session_model_usage, read-only), <home>/cron/jobs.json.
Writes <home>/daily-notes/YYYY-MM-DD.md (UTC), whole and in one step; notes older than `flushContinuity.keepDays` days
       go. A folder daily-notes that is a link is left alone.
Fails  if the database or the jobs cannot be read, or the note cannot be written.
"""

import contextlib
import os
import re
import resource
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import house as houses  # noqa: E402
from house import store  # noqa: E402

FOLDER = "daily-notes"
NOTE = re.compile(r"\d{4}-\d{2}-\d{2}\.md")
MAX_SESSIONS = 50
MAX_JOBS = 50
MAX_MEMORY = 512 * 1024 * 1024
QUERY = f"""
    SELECT sessions.id, source, title, message_count, ended_at, end_reason,
           COALESCE(MAX(usage.last_seen), started_at) AS active
    FROM sessions LEFT JOIN session_model_usage AS usage ON usage.session_id = sessions.id
    GROUP BY sessions.id
    HAVING active >= ?
    ORDER BY active DESC
    LIMIT {MAX_SESSIONS}
"""


def sessions(house: houses.House, since: float) -> list[str]:
    """A line for each session that something was done in since then, the latest first."""
    connection = houses.database(house)
    if connection is None:
        return []
    with contextlib.closing(connection):
        rows = connection.execute(QUERY, [since]).fetchall()
    return [
        f"- {clock(row['active'])} {title(row)}, {houses.number(row['message_count'])} messages, {state(row)}"
        for row in rows
    ]


def title(row) -> str:
    name = houses.text(row["title"], 120) or "untitled"
    return f"**{name}** (`{houses.text(row['id'], 80)}`, {houses.text(row['source'], 40) or 'unknown'})"


def state(row) -> str:
    return "open" if row["ended_at"] is None else f"ended: {houses.text(row['end_reason'], 60) or 'no reason given'}"


def clock(moment: object) -> str:
    fits = isinstance(moment, (int, float)) and 0 <= moment < 2**33
    return time.strftime("%H:%M", time.gmtime(moment)) if fits else "--:--"


def jobs(house: houses.House) -> list[str]:
    with store.cron_folder(house.home) as cron:
        found = [] if cron is None else store.read_jobs(cron)
    return [job_line(job) for job in found if isinstance(job, dict)][:MAX_JOBS]


def job_line(job: dict) -> str:
    said = [
        houses.text(job.get("state"), 20) or "scheduled",
        f"next {houses.text(job.get('next_run_at'), 40) or 'not known'}",
        f"last {houses.text(job.get('last_status'), 20) or 'never'}",
    ]
    return f"- **{houses.text(job.get('name'), 120)}**: {', '.join(said)}"


def note(day: str, name: str, session_lines: list[str], job_lines: list[str]) -> str:
    return "\n".join(
        [
            *(f"# {day}: {name}", "", "Written by the house, in UTC; what you write here is lost.", ""),
            *("## Sessions", "", *(session_lines or ["None today."]), ""),
            *("## Jobs", "", *(job_lines or ["None."]), ""),
        ]
    )


def write(house: houses.House, day: str, text: str, keep_days: int, now: float) -> int:
    """Puts the note in its place. Says how many old ones went."""
    top = store.open_folder(house.home)
    if top is None:
        raise houses.Refused(f"there is no folder {house.home}")
    try:
        folder = store.open_folder(FOLDER, top, make=True)
        try:
            store.replace_file(folder, f"{day}.md", text.encode("utf-8", "replace"))
            oldest = houses.today(now - keep_days * houses.DAY)
            old = [name for name in os.listdir(folder) if NOTE.fullmatch(name) and name < f"{oldest}.md"]
            for name in old:
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=folder)
            return len(old)
        finally:
            os.close(folder)
    finally:
        os.close(top)


def work(house: houses.House, own: dict) -> str:
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    now = time.time()
    day = houses.today(now)
    session_lines, job_lines = sessions(house, houses.midnight(now)), jobs(house)
    removed = write(house, day, note(day, house.name, session_lines, job_lines), own["keepDays"], now)
    return f"{len(session_lines)} sessions and {len(job_lines)} jobs noted, {removed} old notes removed"


if __name__ == "__main__":
    sys.exit(houses.run(__file__, work))
