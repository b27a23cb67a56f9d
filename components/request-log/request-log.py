"""Appends a wizard's model usage to a log of JSON lines. Cron runs it as the house's user.

    python -I -S request-log.py --database <home>/state.db --log <folder> --max-bytes <n> --keep <n>

One line per row of the harness's table `session_model_usage` that changed since the last run:

    {"time": "2026-01-31T12:00:00Z", "session": "…", "provider": "…", "model": "…", "task": "…", "calls": 3,
     "tokens": {"input": 1, "output": 2, "cache_read": 0, "cache_write": 0, "reasoning": 0},
     "cost_usd": 0.01, "cost_status": "estimated"}

Counts are the row's running totals, so a line that is written twice (after a crash) adds nothing. No prompt, no
answer and no URL is read. The database belongs to the agent and is taken for hostile: opened read-only, a regular
file only, with limits on time, memory, rows and text.

Exit codes: 0 done, also when there is no database yet; 1 the database could not be read.
"""

import argparse
import contextlib
import datetime
import fcntl
import json
import os
import resource
import signal
import sqlite3
import stat
import sys
import time

LOG = "requests.jsonl"
POSITION = "position.json"

MAX_SECONDS = 60
MAX_MEMORY = 512 * 1024 * 1024
MAX_ROWS = 10_000
MAX_TEXT = 200
# A row dated later than this after now was forged, or written under a clock that was wrong. It must not move the
# position past all that follows.
MAX_AHEAD_SECONDS = 60

# What orders rows, and where the last run stopped. SQLite columns hold any type and length, whatever they were
# declared as; a row whose key is not what the harness writes is passed over.
KEY = ("last_seen", "session_id", "model", "billing_provider", "task")
QUERY = f"""
    SELECT last_seen, session_id, model, billing_provider, task, api_call_count,
           input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens,
           CASE WHEN actual_cost_usd > 0 THEN actual_cost_usd ELSE estimated_cost_usd END AS cost, cost_status
    FROM session_model_usage
    WHERE ({", ".join(KEY)}) > ({", ".join("?" * len(KEY))}) AND last_seen <= ?
          {"".join(f"AND typeof({name}) = 'text' AND length({name}) <= {MAX_TEXT} " for name in KEY[1:])}
    ORDER BY {", ".join(KEY)}
    LIMIT {MAX_ROWS}
"""
START = [0.0] + [""] * (len(KEY) - 1)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", required=True)
    parser.add_argument("--log", required=True)
    parser.add_argument("--max-bytes", required=True, type=int)
    parser.add_argument("--keep", required=True, type=int)
    args = parser.parse_args()

    os.umask(0o027)
    signal.alarm(MAX_SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    if not is_regular_file(args.database):
        return 0
    with only_copy(args.log) as alone:
        if not alone:
            return 0
        try:
            rows = read_rows(args.database, read_position(args.log))
        except sqlite3.Error as error:
            print(f"request log: {args.database} cannot be read: {error}", file=sys.stderr)
            return 1
        if rows:
            append(args.log, [line(row) for row in rows], args.max_bytes, args.keep)
            write_position(args.log, [rows[-1][name] for name in KEY])
    return 0


def is_regular_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def only_copy(folder: str):
    """Yields whether this is the only copy at work on the folder."""
    with open(os.path.join(folder, ".lock"), "a", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def read_rows(database: str, position: list) -> list[sqlite3.Row]:
    """The rows after `position`, oldest first."""
    uri = "file:" + database.replace("%", "%25").replace("?", "%3f").replace("#", "%23") + "?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=5)) as connection:
        connection.row_factory = sqlite3.Row
        # The schema is the agent's too: no functions with side effects from views or triggers, checked pages.
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        return connection.execute(QUERY, [*position, time.time() + MAX_AHEAD_SECONDS]).fetchall()


def line(row: sqlite3.Row) -> str:
    moment = datetime.datetime.fromtimestamp(number(row["last_seen"]), datetime.timezone.utc)
    return json.dumps(
        {
            "time": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "session": text(row["session_id"]),
            "provider": text(row["billing_provider"]),
            "model": text(row["model"]),
            "task": text(row["task"]),
            "calls": number(row["api_call_count"]),
            "tokens": {
                "input": number(row["input_tokens"]),
                "output": number(row["output_tokens"]),
                "cache_read": number(row["cache_read_tokens"]),
                "cache_write": number(row["cache_write_tokens"]),
                "reasoning": number(row["reasoning_tokens"]),
            },
            "cost_usd": number(row["cost"]),
            "cost_status": text(row["cost_status"]),
        }
    )


def text(value: object) -> str:
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def number(value: object) -> float | int:
    return value if isinstance(value, (int, float)) and 0 <= value < 2**53 else 0


def append(folder: str, lines: list[str], max_bytes: int, keep: int) -> None:
    """Appends and, where the log would grow past `max_bytes`, rotates first. A line is never split."""
    log = os.path.join(folder, LOG)
    data = "".join(one + "\n" for one in lines).encode()
    if is_regular_file(log) and os.stat(log).st_size + len(data) > max_bytes:
        rotate(log, keep)
    with open(log, "ab", opener=no_follow) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def rotate(log: str, keep: int) -> None:
    """`log` becomes `log.1`, `log.1` becomes `log.2` and so on; what would be number `keep` + 1 goes."""
    for index in range(keep, 0, -1):
        newer = log if index == 1 else f"{log}.{index - 1}"
        with contextlib.suppress(FileNotFoundError):
            os.replace(newer, f"{log}.{index}")
    if keep == 0:
        os.remove(log)


def no_follow(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o640)


def read_position(folder: str) -> list:
    """The key of the last row logged; the very start where there is none or it was damaged."""
    try:
        with open(os.path.join(folder, POSITION), encoding="utf-8") as file:
            position = json.loads(file.read(10_000))
    except (FileNotFoundError, ValueError):
        return START
    fits = isinstance(position, list) and len(position) == len(KEY)
    return position if fits and all(isinstance(value, (str, int, float)) for value in position) else START


def write_position(folder: str, position: list) -> None:
    path = os.path.join(folder, POSITION)
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(position, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".new", path)


if __name__ == "__main__":
    sys.exit(main())
