"""The file of jobs of a hermes-agent gateway, `<home>/cron/jobs.json`, for scripts that share it with the gateway.

The gateway (0.19, its cron/jobs.py) reads the file anew at every tick and rewrites it by rename, holding an exclusive
flock on `<home>/cron/.jobs.lock`; so does whoever uses this module. It is used as the house's user: the home is the
agent's, and whatever lies there may be a link, a pipe, endless or not JSON at all. Folders are opened one by one
without following links, and everything below is done relative to them, so that a folder that is swapped meanwhile
leads nowhere else.
"""

import contextlib
import datetime
import errno
import fcntl
import json
import os
import secrets
import signal
import stat
import time

FILE = "jobs.json"
LOCK = ".jobs.lock"
# The harness waits for 30 s, then goes on without the lock; nobody honest holds it for longer than a moment.
LOCK_SECONDS = 15
MAX_BYTES = 16 * 1024 * 1024


class Refused(Exception):
    """Why nothing was done; one line, fit for an operator."""


def deadline(seconds: int) -> None:
    """From now on the process has this long; after that the main thread raises `Refused`."""

    def late(*_: object) -> None:
        raise Refused(f"it was not done within {seconds} s")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)


def open_folder(name: str, within: int | None = None, make: bool = False) -> int | None:
    """Opens a folder of the account's own. None if there is none; `Refused` if something else has the name."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        if make:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=within)
        folder = os.open(name, flags, dir_fd=within)
    except FileNotFoundError:
        return None
    except OSError as error:
        link_or_file = error.errno in (errno.ENOTDIR, errno.ELOOP)
        raise Refused(f"{name} {'is no folder' if link_or_file else f'cannot be opened: {error.strerror}'}") from None
    if os.fstat(folder).st_uid != os.geteuid():
        os.close(folder)
        raise Refused(f"{name} belongs to another account than the one this runs as")
    return folder


def read_file(folder: int, name: str, most: int = MAX_BYTES) -> bytes | None:
    """The bytes of a regular file, None if there is none. `Refused` for anything else and for more than `most` bytes."""
    # Without O_NONBLOCK, opening a pipe would wait for its other end.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        special = error.errno in (errno.ELOOP, errno.ENXIO)
        what = "is no regular file" if special else f"cannot be opened: {error.strerror}"
        raise Refused(f"{name} {what}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Refused(f"{name} is no regular file")
    with open(descriptor, "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise Refused(f"{name} is larger than {most} bytes")
    return data


def replace_file(folder: int, name: str, data: bytes, mode: int = 0o600) -> None:
    """Puts a whole new file in the place of whatever has the name; after a crash there is the old one or the new."""
    new = f".{name}.{secrets.token_hex(8)}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(new, flags, mode, dir_fd=folder), "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(new, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(new, dir_fd=folder)
        if isinstance(error, OSError):
            raise Refused(f"{name} cannot be written: {error.strerror}") from None
        raise


def parse_json(data: bytes, name: str) -> object:
    """As the harness reads it: a byte order mark and bare control characters pass, anything else does not."""
    try:
        return json.loads(data.decode("utf-8-sig"), strict=False)
    except (ValueError, RecursionError):
        # The parser's own words quote what it read.
        raise Refused(f"{name} is not JSON") from None


def read_jobs(cron: int) -> list:
    """The records of `jobs.json`, an empty list if there is no such file. Records may be anything JSON can say."""
    data = read_file(cron, FILE)
    if data is None:
        return []
    document = parse_json(data, f"cron/{FILE}")
    jobs = document.get("jobs", []) if isinstance(document, dict) else document
    if not isinstance(jobs, list):
        raise Refused(f"cron/{FILE} holds no list of jobs")
    return jobs


def write_jobs(cron: int, jobs: list) -> None:
    """Replaces `jobs.json`, in the form the harness gives it. To be called with the lock held."""
    text = json.dumps({"jobs": jobs, "updated_at": now()}, indent=2)
    replace_file(cron, FILE, text.encode())


def now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat()


@contextlib.contextmanager
def locked(cron: int, seconds: float = LOCK_SECONDS):
    """Holds the lock by which the gateway and its command line take turns; `Refused` if nobody lets go of it."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        lock = os.open(LOCK, flags, 0o600, dir_fd=cron)
    except OSError:
        raise Refused(f"cron/{LOCK} is no regular file") from None
    try:
        if not stat.S_ISREG(os.fstat(lock).st_mode):
            raise Refused(f"cron/{LOCK} is no regular file")
        give_up = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= give_up:
                    raise Refused(f"cron/{LOCK} was held by another process for {seconds:g} s") from None
                time.sleep(0.05)
        yield
    finally:
        os.close(lock)


@contextlib.contextmanager
def cron_folder(home: str, make: bool = False):
    """Yields the open folder `<home>/cron`, None if there is none and none is to be made."""
    top = open_folder(home)
    if top is None:
        raise Refused(f"there is no folder {home}")
    cron = None
    try:
        cron = open_folder("cron", top, make)
        yield cron
    finally:
        for folder in (cron, top):
            if folder is not None:
                os.close(folder)
