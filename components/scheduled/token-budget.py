"""Token budget: once a house has used up what it may in a day (UTC), its jobs wait for the next day.

Used are the tokens of every model call of the house, jobs and conversations alike: input, output, and what was read
from and written to a provider's cache (reasoning is part of the output). The harness keeps running totals of each
session in its table `session_model_usage`, so the day's part of a session from before midnight is what has come
since the last look of the day before; without one (the first run ever), since the first look.

Paused is every enabled job that asks a model, the agent's own ones too, as the harness pauses a job: so it shows in
its list, can be resumed by hand, and is neither drift nor undone by an update. What was resumed by hand is paused
again at the next look while the day lasts. Once there is something left again, after midnight or because the limit was
raised, those jobs go on, and only those.

Reads  <home>/state.db, read-only.
Writes <home>/cron/jobs.json, under the gateway's lock; <house>/log/token-budget.json:
       {"day": "2026-01-31", "used": 123, "baseline": {…}, "totals": {…}}.
Fails  if the database or the jobs cannot be read; then nothing is paused and nothing resumed.

The database is the agent's: one that wants to lie about its use can. A limit that holds against that is the account's
at the provider.
"""

import contextlib
import hashlib
import os
import resource
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import house as houses  # noqa: E402
import pausing  # noqa: E402

# Begins the reason in every job that is paused here; nothing else is resumed.
REASON = "token budget of "
MAX_ROWS = 20_000
MAX_MEMORY = 512 * 1024 * 1024
# Sessions that nobody went on with for so long are forgotten; going on, they begin anew with what they have then.
REMEMBERED_DAYS = 30
KEY = ("session_id", "model", "billing_provider", "billing_base_url", "billing_mode", "task")
QUERY = f"""
    SELECT {", ".join(KEY)}, first_seen, last_seen,
           input_tokens, output_tokens, cache_read_tokens, cache_write_tokens
    FROM session_model_usage
    WHERE last_seen >= ? AND {" AND ".join(f"typeof({name}) = 'text' AND length({name}) <= 1000" for name in KEY)}
    ORDER BY last_seen DESC
    LIMIT {MAX_ROWS}
"""


def read_rows(house: houses.House, since: float) -> list[tuple[str, float, int]]:
    """A short name, when it was first seen, and the total of every row that changed since then."""
    connection = houses.database(house)
    if connection is None:
        return []
    with contextlib.closing(connection):
        rows = connection.execute(QUERY, [since]).fetchall()
    return [
        (
            hashlib.sha256("\0".join(row[name] for name in KEY).encode("utf-8", "replace")).hexdigest()[:16],
            row["first_seen"] if isinstance(row["first_seen"], (int, float)) else 0.0,
            sum(houses.number(row[name]) for name in row.keys() if name.endswith("_tokens")),
        )
        for row in rows
    ]


def count(rows: list[tuple[str, float, int]], kept: dict, day: str, midnight: float) -> dict:
    """What is to be kept of this look: the day, what was used in it, and the totals to count from. Pure."""
    before = kept.get("totals") if isinstance(kept.get("totals"), dict) else {}
    same_day = kept.get("day") == day and isinstance(kept.get("baseline"), dict)
    baseline = dict(kept["baseline"] if same_day else before)
    totals = {name: total for name, _, total in rows}
    for name, first_seen, total in rows:
        # Of what a row from before midnight held then, nothing is known here: it counts from now on.
        baseline.setdefault(name, 0 if first_seen >= midnight else total)
    if same_day:
        # Deleting a session does not give its tokens back.
        totals = {**{name: total for name, total in before.items() if name in baseline}, **totals}
    used = sum(max(0, houses.number(total) - houses.number(baseline[name])) for name, total in totals.items())
    return {"day": day, "used": used, "baseline": {name: baseline[name] for name in totals}, "totals": totals}


def work(house: houses.House, own: dict) -> str:
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    now = time.time()
    day, limit = houses.today(now), own["dailyTokens"]
    kept = house.recall("token-budget.json")
    rows = read_rows(house, houses.midnight(now) - REMEMBERED_DAYS * houses.DAY)
    looked = count(rows, kept, day, houses.midnight(now))
    house.keep("token-budget.json", looked)
    used = looked["used"]

    reason = f"{REASON}{day}"
    pause = used >= limit
    changed = pausing.change(
        house.home, lambda jobs: pausing.paused(jobs, reason) if pause else pausing.resumed(jobs, REASON)
    )
    said = f"{used} of {limit} tokens used on {day}"
    if not changed:
        return said
    return f"{said}; {changed} jobs {'paused until midnight UTC' if pause else 'resumed'}"


if __name__ == "__main__":
    sys.exit(houses.run(__file__, work))
