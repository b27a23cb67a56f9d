"""Writes down a wizard's model calls as JSON lines. Cron runs it as the house's user.

    python -I -S request-log.py --home <home> --log <folder> --max-bytes <n> --keep <n>

Read are two of the harness's own sources (hermes-agent 0.19), and nothing else:

  <home>/logs/agent.log   and its rotated files. One line per call of the agent's main loop, answered or failed:

    {"kind": "request", "time": "2026-01-31T12:00:00Z", "session": "…", "provider": "…", "model": "…",
     "tokens": {"input": 10, "output": 20}, "status": "ok", "seconds": 1.2}
    {"kind": "request", …, "tokens": {"input": 0, "output": 0}, "status": "error", "error": "RateLimitError", "attempt": 1}

    `input` is the whole prompt, with what came from a cache. With `logging.level` above INFO the harness notes failed
    calls only.

  <home>/state.db         table session_model_usage, one line per row that changed since the last run. Rows are running
                          totals of a session, also of calls that agent.log does not have (summaries, titles, pictures):

    {"kind": "usage", "time": "…", "session": "…", "provider": "…", "model": "…", "task": "vision", "calls": 3,
     "tokens": {"input": 1, "output": 2, "cache_read": 0, "cache_write": 0, "reasoning": 0}, "status": "ok",
     "cost_usd": 0.01, "cost_status": "estimated"}

No prompt, no answer, no error text and no URL goes into the log: each field is one name or number, taken from its place
in the line or the row. A crash may write a line twice, never lose one.

The log is requests.jsonl, 0640, for the house's user and group. No file grows beyond --max-bytes; it becomes
requests.jsonl.1 then, and so on up to --keep, so that all together never take more than (keep + 1) × max-bytes.

Both sources belong to the agent and are taken for hostile: opened read-only, regular files only, with limits on time,
memory, bytes, rows and text. An agent can forge what it says of itself; it cannot change what was written down before.

Exit codes: 0 done, also when there is nothing to read yet; 1 the database could not be read (agent.log was).
"""

import argparse
import contextlib
import datetime
import fcntl
import hashlib
import json
import os
import re
import resource
import signal
import sqlite3
import stat
import sys
import time
from collections.abc import Iterator

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


# Of the harness's own log.
AGENT_LOG = "agent.log"
ROTATED = 20
MAX_READ = 64 * 1024 * 1024
MAX_LINE = 64 * 1024
HEAD = r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d{3} [A-Z]+(?: \[(?P<session>[^\]\s]{1,200})\])? [\w.]+: "
ANSWERED = re.compile(
    HEAD + r"API call #\d+: model=(?P<model>\S{1,200}) provider=(?P<provider>\S{1,200}) "
    r"in=(?P<input>\d{1,15}) out=(?P<output>\d{1,15}) total=\d+ latency=(?P<seconds>\d{1,9}\.\d)s"
)
FAILED = re.compile(
    HEAD + r"API call failed \(attempt (?P<attempt>\d{1,4})/\d+\) error_type=(?P<error>\w{1,100}) thread=.{0,200}? "
    r"provider=(?P<provider>\S{1,200}) base_url=\S* model=(?P<model>\S{1,200}) "
)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", required=True)
    parser.add_argument("--log", required=True)
    parser.add_argument("--max-bytes", required=True, type=int)
    parser.add_argument("--keep", required=True, type=int)
    args = parser.parse_args()

    os.umask(0o027)
    signal.alarm(MAX_SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    with only_copy(args.log) as alone:
        if not alone:
            return 0
        position = read_position(args.log)
        write = Log(args.log, args.max_bytes, args.keep)

        for reached, line in requests(os.path.join(args.home, "logs"), position["agent_log"]):
            position["agent_log"] = reached
            if line is not None:
                write.append(line)
        # Kept before the database is opened, which may take all the time there is.
        write.flush()
        write_position(args.log, position)

        database = os.path.join(args.home, "state.db")
        if not is_regular_file(database):
            return 0
        try:
            rows = read_rows(database, position["usage"])
        except sqlite3.Error as error:
            print(f"request log: {database} cannot be read: {error}", file=sys.stderr)
            return 1
        for row in rows:
            write.append(usage_line(row))
        write.flush()
        if rows:
            write_position(args.log, {**position, "usage": [rows[-1][name] for name in KEY]})
    return 0


def requests(folder: str, position: dict) -> Iterator[tuple[dict, str | None]]:
    """
    The calls noted since `position`, oldest first, as a line of ours each, with the position behind it; None instead of
    a line for the position behind all that was read.
    """
    left = MAX_READ
    for name, identity, start in unread(folder, position):
        try:
            file = open(os.path.join(folder, name), "rb", opener=regular)
        except OSError:
            return
        with file:
            # Rotated just now: the next run finds it under its new name, and what follows it too.
            if identity_of(file) != identity:
                return
            file.seek(start)
            reached = start
            while left > 0:
                raw = file.readline(MAX_LINE)
                # A line that is not finished yet is left for the next run; one that is too long is none of the calls.
                if not raw.endswith(b"\n") and len(raw) < MAX_LINE:
                    break
                reached += len(raw)
                left -= len(raw)
                line = request_line(raw)
                if line is not None:
                    yield {"file": identity, "offset": reached}, line
            yield {"file": identity, "offset": reached}, None
        if left <= 0:
            return


def unread(folder: str, position: dict) -> list[tuple[str, str, int]]:
    """Files to read, what tells each from others, and where to begin in it; oldest first."""
    names = [AGENT_LOG] + [f"{AGENT_LOG}.{index}" for index in range(1, ROTATED + 1)]
    found: list[tuple[str, str, int]] = []
    for name in names:
        try:
            with open(os.path.join(folder, name), "rb", opener=regular) as file:
                identity, size = identity_of(file), os.fstat(file.fileno()).st_size
        except OSError:
            continue
        if identity is not None and identity == position.get("file"):
            # Shorter than it was is a file that was cut off and filled anew.
            found.append((name, identity, position["offset"] if position["offset"] <= size else 0))
            break
        if identity is not None:
            found.append((name, identity, 0))
    # Without the file we were at, on the first run or after a long pause, all there is came after it.
    return found[::-1]


def identity_of(file) -> str | None:
    """Tells a log file from others, whatever it is called after it was rotated; None as long as it has no first line."""
    file.seek(0)
    first = file.readline(MAX_LINE)
    return hashlib.sha256(first).hexdigest() if first.endswith(b"\n") or len(first) == MAX_LINE else None


def request_line(raw: bytes) -> str | None:
    """A call out of a line of agent.log; None for any other line."""
    if b"API call " not in raw:
        return None
    said = raw.decode("utf-8", "replace")
    answered = ANSWERED.match(said)
    found = answered or FAILED.match(said)
    if found is None:
        return None
    try:
        # The harness notes the host's local time.
        local = datetime.datetime.strptime(found["time"], "%Y-%m-%d %H:%M:%S").astimezone()
    except (ValueError, OverflowError):
        return None
    record = {
        "kind": "request",
        "time": utc(local),
        "session": found["session"] or "",
        "provider": found["provider"],
        "model": found["model"],
        "tokens": {"input": int(answered["input"]), "output": int(answered["output"])}
        if answered
        else {"input": 0, "output": 0},
        "status": "ok" if answered else "error",
    }
    if answered:
        return as_line({**record, "seconds": float(answered["seconds"])})
    return as_line({**record, "error": found["error"], "attempt": int(found["attempt"])})


def as_line(record: dict) -> str:
    return json.dumps(record, ensure_ascii=False)


def utc(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def regular(path: str, flags: int) -> int:
    """Opens a regular file and nothing else: no link, and no pipe that would be waited for."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is no regular file")
    return descriptor


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


def usage_line(row: sqlite3.Row) -> str:
    return as_line(
        {
            "kind": "usage",
            "time": utc(datetime.datetime.fromtimestamp(number(row["last_seen"]), datetime.timezone.utc)),
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
            # The harness counts what was answered.
            "status": "ok",
            "cost_usd": number(row["cost"]),
            "cost_status": text(row["cost_status"]),
        }
    )


def text(value: object) -> str:
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def number(value: object) -> float | int:
    return value if isinstance(value, (int, float)) and 0 <= value < 2**53 else 0


class Log:
    """requests.jsonl and its rotated files. A line is never split, and no file is larger than `max_bytes`."""

    def __init__(self, folder: str, max_bytes: int, keep: int) -> None:
        self.path = os.path.join(folder, LOG)
        self.max_bytes, self.keep = max_bytes, keep
        self.lines: list[bytes] = []
        self.size = os.lstat(self.path).st_size if is_regular_file(self.path) else 0

    def append(self, line: str) -> None:
        data = line.encode("utf-8", "replace") + b"\n"
        if self.size > 0 and self.size + len(data) > self.max_bytes:
            self.flush()
            self.rotate()
        self.lines.append(data)
        self.size += len(data)

    def flush(self) -> None:
        if not self.lines:
            return
        with open(self.path, "ab", opener=no_follow) as file:
            os.fchmod(file.fileno(), 0o640)
            file.write(b"".join(self.lines))
            file.flush()
            os.fsync(file.fileno())
        self.lines = []

    def rotate(self) -> None:
        """`log` becomes `log.1`, `log.1` becomes `log.2` and so on; what would be number `keep` + 1 goes."""
        for index in range(self.keep, 0, -1):
            newer = self.path if index == 1 else f"{self.path}.{index - 1}"
            with contextlib.suppress(FileNotFoundError):
                os.replace(newer, f"{self.path}.{index}")
        if self.keep == 0:
            os.remove(self.path)
        self.size = 0


def no_follow(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o640)


def read_position(folder: str) -> dict:
    """How far each source was read; the very start where nothing was or where that was damaged."""
    start = {"usage": START, "agent_log": {}}
    try:
        with open(os.path.join(folder, POSITION), encoding="utf-8") as file:
            kept = json.loads(file.read(10_000))
    except (FileNotFoundError, ValueError):
        return start
    if isinstance(kept, list):
        kept = {"usage": kept}  # as it was written when there was one source
    if not isinstance(kept, dict):
        return start
    return {
        "usage": kept.get("usage") if is_key(kept.get("usage")) else START,
        "agent_log": kept.get("agent_log") if is_place(kept.get("agent_log")) else {},
    }


def is_key(value: object) -> bool:
    fits = isinstance(value, list) and len(value) == len(KEY)
    return fits and all(isinstance(one, (str, int, float)) for one in value)


def is_place(value: object) -> bool:
    fits = isinstance(value, dict) and isinstance(value.get("file"), str)
    return fits and isinstance(value.get("offset"), int) and value["offset"] >= 0


def write_position(folder: str, position: dict) -> None:
    path = os.path.join(folder, POSITION)
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(position, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".new", path)


if __name__ == "__main__":
    sys.exit(main())
