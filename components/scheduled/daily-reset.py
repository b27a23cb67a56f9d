"""Daily reset: once a day, in UTC, what has piled up in the home goes.

Cron calls it every hour, and all calls of a day but the first do nothing: so a host that was off at midnight is not
left out, and a host may be in any time zone.

Reads  names and ages of files in <home>.
Writes removes in <home>: files of .cache and cache/ not used for `dailyReset.cacheDays` days, rotated logs (logs/*.log.*)
       not written for `dailyReset.logDays` days, and half-written files the scheduler left in cron/ (.*.tmp) a day ago.
       <house>/log/daily-reset.json: {"day": "2026-01-31", "removed": 12, "bytes": 4096}.
Fails  if a folder has more files than it may look at in a run; the next run goes on.
"""

import contextlib
import os
import stat
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import house as houses  # noqa: E402

MAX_FILES = 300_000


class Sweep:
    """Removes old files below folders of the home, without following a link anywhere."""

    def __init__(self, home: str) -> None:
        self.home = home
        self.removed = self.bytes = self.seen = 0

    def sweep(self, folder: str, fits, oldest: float, deep: bool = True) -> None:
        """Files whose name `fits` and which were neither read nor written since `oldest`."""
        top = houses.store.open_folder(self.home)
        below = None
        try:
            with contextlib.suppress(houses.Refused):  # a link in its place leads to what is not ours to remove
                below = None if top is None else houses.store.open_folder(folder, top)
            if below is None:
                return
            for _, folders, names, here in os.fwalk(".", topdown=True, follow_symlinks=False, dir_fd=below):
                if not deep:
                    folders.clear()
                for name in names:
                    self.seen += 1
                    if self.seen > MAX_FILES:
                        raise houses.Refused(f"more than {MAX_FILES} files; {self.said()}, the rest next time")
                    if fits(name):
                        self.remove(here, name, oldest)
        finally:
            for descriptor in (below, top):
                if descriptor is not None:
                    os.close(descriptor)

    def remove(self, folder: int, name: str, oldest: float) -> None:
        try:
            file = os.stat(name, dir_fd=folder, follow_symlinks=False)
            # A link or a socket is the agent's own business; an access time may be off by a day (relatime).
            if stat.S_ISREG(file.st_mode) and max(file.st_atime, file.st_mtime) < oldest:
                os.unlink(name, dir_fd=folder)
                self.removed += 1
                self.bytes += file.st_blocks * 512
        except OSError:
            pass  # gone meanwhile, or not ours to remove

    def said(self) -> str:
        return f"{self.removed} files removed, {self.bytes} bytes"


def work(house: houses.House, own: dict) -> str:
    now = time.time()
    day = houses.today(now)
    if house.recall("daily-reset.json").get("day") == day:
        return f"done already for {day}"
    sweep = Sweep(house.home)
    for folder in (".cache", "cache"):
        sweep.sweep(folder, lambda name: True, now - own["cacheDays"] * houses.DAY)
    sweep.sweep("logs", lambda name: ".log." in name, now - own["logDays"] * houses.DAY, deep=False)
    sweep.sweep("cron", lambda name: name.startswith(".") and name.endswith(".tmp"), now - houses.DAY, deep=False)
    house.keep("daily-reset.json", {"day": day, "removed": sweep.removed, "bytes": sweep.bytes})
    return sweep.said()


if __name__ == "__main__":
    sys.exit(houses.run(__file__, work))
