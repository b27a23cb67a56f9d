#!/usr/bin/python3 -IB
"""The forced command of an SSH key that may only look at this host.

Speaks the protocol of loop.sh (see provider/host/shell-process.ts), but runs a script only where it is, from the first
character to the last, one that looks: GRAMMAR is made from the scripts that facts.ts writes. Whatever else comes is
answered with a sentence and code 77, and not run. Whoever holds the key learns names, owners, modes and hashes.
"""

import os
import pwd
import re
import stat
import subprocess
import sys

GRAMMAR = "@GRAMMAR@"
# Finds the questions to a house's harness, which run its Python as the house's user: user and house folder of each.
QUESTION = "@QUESTION@"

LONGEST = 4 << 20
REFUSED = 77


def trusted(path: str) -> bool:
    """Whether only root can change what is at a path, or put something there."""
    at = os.path.realpath(path)
    while True:
        try:
            found = os.lstat(at)
        except FileNotFoundError:
            found = None
        if found and (found.st_uid != 0 or stat.S_IMODE(found.st_mode) & 0o022):
            return False
        if at == "/":
            return True
        at = os.path.dirname(at)


def refusal(script: str) -> str | None:
    """Why a script is not run; None where it may be."""
    if not re.fullmatch(GRAMMAR, script):
        return "this key may only look, and this script does something else"
    for user, house in re.findall(QUESTION, script):
        try:
            if not (trusted(f"{house}/current/harness/bin/python") and trusted(f"{house}/current/jobs/merge-jobs.py")):
                return f"{house} is asked with a program that somebody but root can change"
            owner = owner_of(f"{house}/home")
        except OSError as error:
            return f"{house} cannot be asked: {error.strerror}"
        if user == "root" or owner not in (None, user):
            return f"{house} is asked as somebody else than its own user"
    return None


def owner_of(path: str) -> str | None:
    """None for what is not there: a new house has no home yet, and nothing that could be run."""
    try:
        uid = os.lstat(path).st_uid
    except FileNotFoundError:
        return None
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


def say(mark: bytes) -> None:
    for stream in (sys.stdout.buffer, sys.stderr.buffer):
        stream.write(b"\0" + mark + b"\n")
        stream.flush()


def main() -> int:
    os.environ.clear()
    os.environ["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
    asked = sys.stdin.buffer
    sys.stdout.buffer.write(b"\0ready\n")
    sys.stdout.buffer.flush()
    key = asked.readline(200).strip()
    while line := asked.readline(400):
        header = re.fullmatch(rb"(\S+) (\d{1,8}) (\d{1,5}) ([0-9a-f]{1,64})\n", line)
        if not header or header[1] != key or int(header[2]) > LONGEST:
            return 1
        script = asked.read(int(header[2]))
        if len(script) != int(header[2]):
            return 1
        say(header[4])
        why = refusal(script.decode("utf-8", "surrogateescape"))
        if why is None:
            argv = ["timeout", "-k", "5", header[3].decode(), "sh", "-c", os.fsdecode(script)]
            code = subprocess.run(argv, stdin=subprocess.DEVNULL, check=False).returncode
        else:
            sys.stderr.write(why + "\n")
            sys.stderr.flush()
            code = REFUSED
        say(header[4] + b" " + str(code).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
