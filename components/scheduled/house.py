"""What the scripts of a house's scheduled work share: their settings, the house's folders, and how they end.

They run outside the gateway's sandbox as the house's user. So what lies in the agent's home is opened with care (see
jobs/store.py), is never run, and never says where to write.
"""

import json
import os
import signal
import sqlite3
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

# Of the release that was current when this began, whatever is meanwhile.
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "jobs"))

import store  # noqa: E402

Refused = store.Refused
DAY = 86_400


@dataclass(frozen=True)
class House:
    name: str
    path: str
    # What settings.json says beside the name and the path: what is common, and the script's own by its name.
    settings: dict

    @property
    def home(self) -> str:
        return os.path.join(self.path, "home")

    def keep(self, name: str, value: object) -> None:
        """Replaces a small file of JSON in the house's log folder, where the agent's sandbox cannot write."""
        folder = store.open_folder(os.path.join(self.path, "log"))
        if folder is None:
            raise Refused(f"there is no folder {self.path}/log")
        try:
            store.replace_file(folder, name, json.dumps(value).encode(), 0o640)
        finally:
            os.close(folder)

    def recall(self, name: str) -> dict:
        """What was kept under the name; an empty map if nothing was, or if it was damaged."""
        folder = store.open_folder(os.path.join(self.path, "log"))
        if folder is None:
            return {}
        try:
            data = store.read_file(folder, name)
            value = {} if data is None else json.loads(data)
        except (Refused, ValueError):
            return {}
        finally:
            os.close(folder)
        return value if isinstance(value, dict) else {}


def run(script: str, work: Callable[[House, dict], str]) -> int:
    """Does the work with the settings beside the script. Prints one line: what was done, or why it was not."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    os.umask(0o027)
    try:
        with open(os.path.join(HERE, "settings.json"), encoding="utf-8") as file:
            settings = json.load(file)
        own = settings[os.path.basename(script).removesuffix(".py")]
        print(work(House(settings["house"], settings["path"], settings), own))
        return 0
    except Refused as error:
        print(error)
    except sqlite3.Error as error:
        print(f"state.db cannot be read: {error}")
    except OSError as error:
        print(f"{error.filename or 'a file'}: {error.strerror}")
    return 1


def database(house: House) -> sqlite3.Connection | None:
    """The agent's state.db, for reading only; None if there is none yet. The schema is the agent's too."""
    path = os.path.join(house.home, "state.db")
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise Refused("state.db is no regular file")
    except FileNotFoundError:
        return None
    uri = "file:" + path.replace("%", "%25").replace("?", "%3f").replace("#", "%23") + "?mode=ro"
    connection = sqlite3.connect(uri, uri=True, timeout=5)
    connection.row_factory = sqlite3.Row
    # No functions with side effects out of views, checked pages.
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    return connection


def midnight(now: float) -> float:
    """When the day began, in UTC."""
    return now - now % DAY


def today(now: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(now))


def number(value: object) -> int:
    """A count out of the agent's database; 0 for what is none."""
    return int(value) if isinstance(value, (int, float)) and 0 <= value < 2**53 else 0


def text(value: object, most: int) -> str:
    """A line of printable text out of the agent's database."""
    line = " ".join(value.split()) if isinstance(value, str) else ""
    return "".join(letter for letter in line if letter.isprintable())[:most]
