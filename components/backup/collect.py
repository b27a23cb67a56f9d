"""What is the agent's own in a house's home, as a tar on standard output, made while the gateway runs.

    collect.py <house> <path of the house> <harness version> <most bytes>

Runs as the house's user, like everything that reads in the home: what is planted there counts with that account's rights
only. Nothing is written anywhere but to standard output; the last line on standard error says what was taken.

Taken   folders and regular files that are the account's own. SQLite databases through SQLite's backup API, by way of
        memory; cron/jobs.json under the gateway's lock; everything else as it is.
Left    links, pipes, sockets, devices, what belongs to another account or lies on another file system, names that are no
        text, locks, pids and heartbeats, caches, and logs that are rotated or larger than a mebibyte. What is no mere
        by-product is counted and told.
Fails   if there is more than <most bytes> of it, naming the largest, or if a database cannot be copied.

The tar begins with `backup.json` (what it is of), goes on with `home/…`, and ends with `manifest.json`: folders, and
size and SHA-256 of each file. A tar without that end is not whole. See unpack.py and scripts/backup/archive.ts.
"""

import contextlib
import hashlib
import io
import json
import os
import re
import sqlite3
import stat
import sys
import tarfile
import time
from urllib.parse import quote

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "jobs"))

import store  # noqa: E402

Refused = store.Refused
# Raised when something that reads the archive would no longer understand it.
FORMAT = 1
MAX_FILES = 200_000
MAX_DEPTH = 64
MAX_LOG = 1024 * 1024
CHUNK = 1024 * 1024
# A sparse file is as large as it says: nobody unpacks holes.
TOLD = 3
SQLITE = b"SQLite format 3\x00"
SIDECARS = ("-wal", "-shm", "-journal")

# Paths in the home that say what goes on just now, or can be had again.
BY_PRODUCTS = re.compile(
    r"(?:\.cache|cache|\.npm)"
    r"|(?:.*/)?__pycache__"
    r"|gateway\.(?:pid|lock)|gateway_state\.json|gateway-starts\.log|\.clean_shutdown|\.drain_request\.json"
    r"|(?:cron|state|memories|sessions)/(?:\.[^/]*|[^/]+\.(?:md|json|db|jsonl))\.lock|(?:\.[^/]*|auth)\.lock"
    r"|state/[^/]*\.(?:heartbeat|pid)|cron/ticker_[^/]*"
    r"|(?:.*/)?\.git/(?:.*/)?[^/]*\.lock"
    r"|(?:cron/)?\.[^/]*\.tmp"
    r"|logs/[^/]*\.log\.[^/]*"
)


class Walk:
    """Goes through the home and keeps count of what is left out. Nothing is opened but folders."""

    def __init__(self, home: str) -> None:
        self.home = home
        self.left: dict[str, int] = {}
        self.seen = 0

    def leave(self, why: str) -> None:
        self.left[why] = self.left.get(why, 0) + 1

    def entries(self):
        """Yields path, open folder, name and status of each folder and file that is taken, folders before what is in them."""
        top = store.open_folder(self.home)
        if top is None:
            raise Refused(f"there is no folder {self.home}")
        try:
            yield from self.below(top, "", os.fstat(top).st_dev, 0)
        finally:
            os.close(top)

    def below(self, folder: int, prefix: str, device: int, depth: int):
        if depth >= MAX_DEPTH:
            self.leave("folders too deep")
            return
        names = sorted(os.listdir(folder))
        for name in names:
            self.seen += 1
            if self.seen > MAX_FILES:
                raise Refused(f"there are more than {MAX_FILES} files in the home")
            path = prefix + name
            if not is_text(name):
                self.leave("names that are no text")
                continue
            if BY_PRODUCTS.fullmatch(path):
                continue
            try:
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                continue
            kind = stat.S_IFMT(status.st_mode)
            if kind not in (stat.S_IFREG, stat.S_IFDIR):
                self.leave("links" if kind == stat.S_IFLNK else "pipes, sockets and devices")
            elif status.st_uid != os.geteuid():
                self.leave("things of other accounts")
            elif kind == stat.S_IFREG:
                if path.startswith("logs/") and status.st_size > MAX_LOG:
                    self.leave("large logs")
                elif not (name.endswith(SIDECARS) and is_sidecar(name, names)):
                    yield path, folder, name, status
            elif status.st_dev != device:
                self.leave("other file systems")
            else:
                inner = None
                with contextlib.suppress(Refused):  # meanwhile something else
                    inner = store.open_folder(name, folder)
                if inner is None:
                    self.leave("folders that cannot be opened")
                    continue
                try:
                    yield path, folder, name, status
                    yield from self.below(inner, f"{path}/", device, depth + 1)
                finally:
                    os.close(inner)


def is_text(name: str) -> bool:
    """Whether the name is UTF-8 without control characters."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return not re.search(r"[\x00-\x1f\x7f]", name)


def is_sidecar(name: str, names: list[str]) -> bool:
    """Whether it belongs to a database beside it, whose copy needs it no more."""
    return any(name.endswith(end) and name.removesuffix(end) in names for end in SIDECARS)


class Archive:
    """The tar, and the manifest of what went into it."""

    def __init__(self, stream, most: int) -> None:
        self.tar = tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        self.most = most
        self.bytes = 0
        self.folders: dict[str, str] = {}
        self.files: dict[str, dict] = {}
        self.notes: dict[str, list[str]] = {}

    def note(self, what: str, path: str) -> None:
        self.notes.setdefault(what, []).append(path)

    def folder(self, path: str, status: os.stat_result) -> None:
        entry = tarfile.TarInfo(f"home/{path}")
        entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, 0o700 | (status.st_mode & 0o077), int(status.st_mtime)
        self.tar.addfile(entry)
        self.folders[f"home/{path}"] = f"{entry.mode:04o}"

    def file(self, path: str, status: os.stat_result, size: int, stream) -> None:
        """Exactly `size` bytes: what is missing of a file that shrinks meanwhile is filled up, and told."""
        self.bytes += size
        if self.bytes > self.most:
            raise Refused(f"the home has grown beyond {self.most} bytes while it was read")
        entry = tarfile.TarInfo(f"home/{path}")
        entry.size, entry.mode, entry.mtime = size, 0o600 | (status.st_mode & 0o177), int(status.st_mtime)
        reader = Exactly(stream, size)
        self.tar.addfile(entry, reader)
        if reader.short:
            self.note("changed", path)
        self.files[f"home/{path}"] = {
            "size": size,
            "mode": f"{entry.mode:04o}",
            "sha256": reader.digest.hexdigest(),
        }

    def text(self, name: str, value: object) -> None:
        data = f"{json.dumps(value, indent=1)}\n".encode()
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode, entry.mtime = len(data), 0o600, int(time.time())
        self.tar.addfile(entry, io.BytesIO(data))


class Exactly:
    """Reads `size` bytes of a stream, with zeros for what is not there any more, and their digest."""

    def __init__(self, stream, size: int) -> None:
        self.stream, self.left = stream, size
        self.digest = hashlib.sha256()
        self.short = False

    def read(self, most: int = -1) -> bytes:
        wanted = self.left if most < 0 else min(most, self.left)
        data = b"" if self.short else self.stream.read(wanted)
        if len(data) < wanted:
            self.short = True
            data += bytes(wanted - len(data))
        self.left -= len(data)
        self.digest.update(data)
        return data


def open_file(folder: int, name: str):
    """A regular file of the account's own, opened for reading; None if it is gone or something else by now."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, dir_fd=folder)
    except OSError:
        return None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
        os.close(descriptor)
        return None
    return open(descriptor, "rb")


def snapshot(folder: int, name: str) -> bytes:
    """A consistent copy of a database that others write to. Raises `sqlite3.DatabaseError` for what is none."""
    uri = f"file:/proc/self/fd/{folder}/{quote(name)}?mode=ro"
    with (
        contextlib.closing(sqlite3.connect(uri, uri=True, timeout=30)) as source,
        contextlib.closing(sqlite3.connect(":memory:")) as copy,
    ):
        # All pages in one go: in steps it would begin anew with every write of somebody else.
        source.backup(copy, pages=-1)
        return copy.serialize()


def add_file(archive: Archive, path: str, folder: int, name: str) -> bool:
    """Puts one file into the archive. False if it is not there any more."""
    with contextlib.ExitStack() as open_ones:
        if path == "cron/jobs.json":
            open_ones.enter_context(store.locked(folder))
        file = open_file(folder, name)
        if file is None:
            return False
        open_ones.enter_context(file)
        status = os.fstat(file.fileno())
        if path == "cron/jobs.json":
            data = file.read(min(status.st_size, store.MAX_BYTES))
            archive.file(path, status, len(data), io.BytesIO(data))
            return True
        if file.read(len(SQLITE)) == SQLITE:
            try:
                data = snapshot(folder, name)
                archive.file(path, status, len(data), io.BytesIO(data))
                return True
            except sqlite3.OperationalError as error:
                # Busy for half a minute, or not to be opened: another time may do.
                raise Refused(f"{path} cannot be copied: {error}") from None
            except sqlite3.DatabaseError:
                # It only looks like one, or is damaged. Its bytes are all there is.
                archive.note("no sound database, taken as it is", path)
        file.seek(0)
        archive.file(path, status, status.st_size, file)
        return True


def too_large(sizes: list[tuple[int, str]], total: int, most: int) -> Refused:
    largest = ", ".join(f"{path} ({size})" for size, path in sorted(sizes, reverse=True)[:TOLD])
    return Refused(f"the home holds {total} bytes, more than maxSize, {most}; the largest: {largest}")


def collect(house: str, path: str, harness: str, most: int, stream) -> str:
    home = os.path.join(path, "home")
    # First what there is of it, so that nothing is sent of what is too much.
    sizes = [(status.st_size, name) for name, _, _, status in Walk(home).entries() if stat.S_ISREG(status.st_mode)]
    total = sum(size for size, _ in sizes)
    if total > most:
        raise too_large(sizes, total, most)

    archive = Archive(stream, most)
    about = {"format": FORMAT, "house": house, "harness": harness}
    archive.text("backup.json", {**about, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})
    walk = Walk(home)
    for name, folder, base, status in walk.entries():
        if stat.S_ISDIR(status.st_mode):
            archive.folder(name, status)
        elif not add_file(archive, name, folder, base):
            walk.leave("files that were gone meanwhile")
    archive.text("manifest.json", {**about, "folders": archive.folders, "files": archive.files, "left": walk.left})
    archive.tar.close()
    stream.flush()
    return "; ".join(
        [
            f"{len(archive.files)} files, {archive.bytes} bytes",
            *([f"left out: {', '.join(f'{n} {why}' for why, n in sorted(walk.left.items()))}"] if walk.left else []),
            *(f"{what}: {', '.join(paths[:TOLD])}" for what, paths in archive.notes.items()),
        ]
    )


def main(words: list[str]) -> int:
    if len(words) != 4 or not words[3].isdigit():
        print("usage: collect.py <house> <path of the house> <harness version> <most bytes>", file=sys.stderr)
        return 2
    try:
        said = collect(*words[:3], int(words[3]), sys.stdout.buffer)
    except Refused as error:
        said = str(error)
    except MemoryError:
        said = "a database is larger than the memory that is left: its copy is made there"
    except BrokenPipeError:
        said = "what encrypts it has ended"
    except OSError as error:
        said = f"{error.filename or 'a file'}: {error.strerror}"
    else:
        print(said, file=sys.stderr)
        return 0
    print(said, file=sys.stderr)
    # Whatever is buffered must not follow.
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
