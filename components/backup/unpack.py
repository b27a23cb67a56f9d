"""Unpacks what collect.py has packed into a folder, from standard input, and checks it against its manifest.

    unpack.py <folder> [<path in the home that is left out>]...

Runs as the house's user. The folder is there, empty and the account's own; nothing is written outside of it: names are
taken apart and every part is opened without following a link. Whoever sends the archive has looked at it already
(scripts/backup/archive.ts); what does not fit here either was changed on the way.

Fails   with one line on standard error for anything but folders and files, a name that leads elsewhere or comes twice, a
        digest that differs, and an archive without its end. What is unpacked by then is to be thrown away.
"""

import hashlib
import json
import os
import sys
import tarfile

CHUNK = 1024 * 1024
MAX_TEXT = 256 * 1024 * 1024
FORMAT = 1


class Refused(Exception):
    """Why the archive is not unpacked; one line."""


def parts_of(name: str) -> list[str]:
    """The parts of a path below `home/`."""
    parts = name.split("/")
    if parts[0] != "home" or len(parts) < 2 or any(part in ("", ".", "..") for part in parts):
        raise Refused(f"the archive names {name!r}, which is not in a home")
    return parts[1:]


def open_parent(top: int, parts: list[str]) -> int:
    """The folder a path is in, opened step by step; the caller closes it."""
    here = os.dup(top)
    for part in parts[:-1]:
        try:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
        finally:
            os.close(here)
        here = inner
    return here


class Unpacking:
    def __init__(self, top: int, without: set[str]) -> None:
        self.top, self.without = top, without
        self.folders: dict[str, str] = {}
        self.files: dict[str, dict] = {}

    def folder(self, entry: tarfile.TarInfo) -> None:
        parts = parts_of(entry.name)
        parent = open_parent(self.top, parts)
        try:
            os.mkdir(parts[-1], 0o700, dir_fd=parent)
            os.chmod(parts[-1], 0o700 | (entry.mode & 0o077), dir_fd=parent)
        finally:
            os.close(parent)
        self.folders[entry.name] = f"{0o700 | (entry.mode & 0o077):04o}"

    def file(self, entry: tarfile.TarInfo, stream) -> None:
        parts = parts_of(entry.name)
        digest = hashlib.sha256()
        parent = open_parent(self.top, parts)
        try:
            if "/".join(parts) in self.without:
                target = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            else:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                target = os.open(parts[-1], flags, 0o600, dir_fd=parent)
        finally:
            os.close(parent)
        with open(target, "wb") as file:
            for chunk in iter(lambda: stream.read(CHUNK), b""):
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            if "/".join(parts) not in self.without:
                os.fchmod(file.fileno(), 0o600 | (entry.mode & 0o177))
                os.utime(file.fileno(), (entry.mtime, entry.mtime))
        mode = f"{0o600 | (entry.mode & 0o177):04o}"
        self.files[entry.name] = {"size": entry.size, "mode": mode, "sha256": digest.hexdigest()}

    def compare(self, manifest: dict) -> None:
        for what, have in (("folders", self.folders), ("files", self.files)):
            wanted = manifest.get(what)
            differing = [name for name in {**have, **wanted} if have.get(name) != wanted.get(name)]
            if differing:
                raise Refused(f"{sorted(differing)[0]} is not as the archive's manifest says")


def unpack(folder: str, without: set[str], stream) -> str:
    top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    work = Unpacking(top, without)
    manifest = None
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        for entry in tar:
            content = tar.extractfile(entry) if entry.isreg() else None
            if manifest is not None:
                raise Refused(f"{entry.name} comes after the archive's end")
            if entry.name in ("backup.json", "manifest.json") and content is not None:
                text = json.loads(content.read(MAX_TEXT))
                if text.get("format") != FORMAT:
                    raise Refused(f"the archive has format {text.get('format')}, and this release unpacks {FORMAT}")
                manifest = text if entry.name == "manifest.json" else None
            elif content is not None:
                work.file(entry, content)
            elif entry.isdir():
                work.folder(entry)
            else:
                raise Refused(f"{entry.name} is neither a folder nor a file")
    if manifest is None:
        raise Refused("the archive is cut off: its manifest is missing")
    work.compare(manifest)
    return f"{len(work.files)} files unpacked"


def main(words: list[str]) -> int:
    if not words:
        print("usage: unpack.py <folder> [<path in the home that is left out>]...", file=sys.stderr)
        return 2
    os.umask(0o077)
    try:
        print(unpack(words[0], set(words[1:]), sys.stdin.buffer))
        return 0
    except Refused as error:
        print(error, file=sys.stderr)
    except (tarfile.TarError, ValueError, AttributeError, TypeError):
        print("the archive is damaged, or none of this program's", file=sys.stderr)
    except OSError as error:
        print(f"{error.filename or 'the archive'} cannot be unpacked: {error.strerror}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
