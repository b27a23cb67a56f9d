"""Orphan clean-up: ends processes of the house that nobody waits for any more, and removes locks of what has ended.

A process is an orphan if it runs as the house's account, its parent has ended (init has it), it is older than
`orphanCleanup.maxAge` hours, and it belongs to the gateway's unit or was left behind by cron. The gateway itself, and
whatever was started in a login session or under another unit, is left alone.

A lock is an orphan if it is as old, no process of the account has it open, and it is either one of git's (a *.lock in
a .git folder) or holds nothing but the number of a process that has ended. Lock files of package managers are neither.

Reads  /proc; names, ages and those few bytes of files in <home>.
Writes nothing but those signals and removals, and those in <home> alone.
Fails  if systemd cannot say which process is the gateway's, or an orphan does not end.
"""

import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import house as houses  # noqa: E402

PATIENCE = 10
MAX_FILES = 300_000


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    # Clock ticks since boot, which together with the number tells a process from its successor.
    started: int
    group: str


def processes(proc: str = "/proc") -> Iterator[Process]:
    """Those of this account."""
    for name in os.listdir(proc):
        folder = os.path.join(proc, name)
        try:
            if not name.isdigit() or os.stat(folder).st_uid != os.geteuid():
                continue
            with open(os.path.join(folder, "stat"), encoding="ascii", errors="replace") as file:
                # The command, in brackets, may hold blanks and brackets of its own.
                fields = file.read().rpartition(")")[2].split()
            with open(os.path.join(folder, "cgroup"), encoding="utf-8", errors="replace") as file:
                group = file.read().strip().rpartition(":")[2]
        except OSError:
            continue  # it has ended meanwhile
        if fields[0] not in ("Z", "X"):
            yield Process(int(name), int(fields[1]), int(fields[19]), group)


def uptime() -> float:
    with open("/proc/uptime", encoding="ascii") as file:
        return float(file.read().split()[0])


def main_process(unit: str) -> int:
    """The gateway's process, 0 if it is not running."""
    answer = subprocess.run(
        ["systemctl", "show", "--property=MainPID", "--value", unit],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    if answer.returncode != 0 or not answer.stdout.strip().isdigit():
        raise houses.Refused(f"systemctl cannot say which process is that of {unit}")
    return int(answer.stdout)


def orphans(all_of_them: list[Process], unit: str, main: int, now: float, max_age: float) -> list[Process]:
    """Pure: which of the processes are orphans at `now`, seconds since boot."""
    tick = os.sysconf("SC_CLK_TCK")

    def ours(group: str) -> bool:
        return re.search(rf"/({re.escape(unit)}|cron\.service)(/|$)", group) is not None

    return [
        process
        for process in all_of_them
        if process.parent == 1
        and process.pid not in (main, os.getpid())
        and ours(process.group)
        and now - process.started / tick > max_age
    ]


def end(process: Process) -> bool:
    """Asks a process to end, then makes it. False if it is there still."""
    try:
        # By a descriptor: the number might be another process's by now.
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return True
    try:
        if not any(one.pid == process.pid and one.started == process.started for one in processes()):
            return True
        for sent in (signal.SIGTERM, signal.SIGKILL):
            signal.pidfd_send_signal(descriptor, sent)
            give_up = time.monotonic() + PATIENCE
            while time.monotonic() < give_up:
                if not any(one.pid == process.pid and one.started == process.started for one in processes()):
                    return True
                time.sleep(0.1)
    except ProcessLookupError:
        return True
    finally:
        os.close(descriptor)
    return False


def opened() -> set[tuple[int, int]]:
    """Device and number of every file that a process of this account has open."""
    found = set()
    for process in processes():
        folder = f"/proc/{process.pid}/fd"
        try:
            for name in os.listdir(folder):
                file = os.stat(os.path.join(folder, name))
                found.add((file.st_dev, file.st_ino))
        except OSError:
            continue  # ended, or closed meanwhile
    return found


def remove_locks(home: str, oldest: float) -> tuple[int, bool]:
    """How many locks last changed before `oldest` were removed, and whether all files were looked at."""
    in_use = opened()
    removed = looked_at = 0
    # By descriptors, and links not followed: a folder that is swapped meanwhile leads nowhere else.
    for path, _, names, folder in os.fwalk(home, follow_symlinks=False):
        looked_at += len(names)
        if looked_at > MAX_FILES:
            return removed, False
        in_git = ".git" in path.split(os.sep)
        for name in names:
            if not name.endswith(".lock"):
                continue
            try:
                file = os.stat(name, dir_fd=folder, follow_symlinks=False)
                old = stat.S_ISREG(file.st_mode) and file.st_mtime < oldest
                if not old or (file.st_dev, file.st_ino) in in_use:
                    continue
                if in_git or of_ended_process(folder, name):
                    os.unlink(name, dir_fd=folder)
                    removed += 1
            except OSError:
                continue  # gone meanwhile, or not ours to remove
    return removed, True


def of_ended_process(folder: int, name: str) -> bool:
    try:
        data = houses.store.read_file(folder, name, 16) or b""
    except houses.Refused:
        return False
    return re.fullmatch(rb"\s*[1-9][0-9]{0,6}\s*", data) is not None and not os.path.exists(f"/proc/{int(data)}")


def work(house: houses.House, own: dict) -> str:
    max_age = own["maxAge"] * 3600
    unit = f"hermes-{house.name}.service"
    found = orphans(list(processes()), unit, main_process(unit), uptime(), max_age)
    left = [process.pid for process in found if not end(process)]
    removed, complete = remove_locks(house.home, time.time() - max_age)
    line = f"{len(found) - len(left)} processes ended, {removed} locks removed"
    if not complete:
        line += f", only the first {MAX_FILES} files looked at"
    if left:
        raise houses.Refused(f"{line}; {len(left)} processes did not end: {', '.join(map(str, left[:10]))}")
    return line


if __name__ == "__main__":
    sys.exit(houses.run(__file__, work))
