"""Brings a house's own jobs into the file of jobs that its agent and gateway write as well, and tells how they differ.

    python -I -S -B merge-jobs.py apply    <jobs.json of the release> <home>
    python -I -S -B merge-jobs.py compare  <jobs.json of the release> <home>
    python -I -S -B merge-jobs.py withdraw <jobs.json of the release> <home>
    python -I -S -B merge-jobs.py findings <banned.json | -> <home>

Run as the house's user, with the Python of the harness's virtualenv (`findings` reads YAML with its library; the
others need no more than Python). The release's file is believed, the home is not: see store.py.

`apply` takes the gateway's own lock and changes nothing but our jobs, and in those nothing but the fields that the
release declares: when a job runs next, how it went, and whether it is paused stay as they are. What the agent made is
kept as it is. A job's script lies in `scripts/` beside the release's file and comes to `<home>/scripts/`, where alone
the gateway runs scripts. A second run writes nothing.

`withdraw` takes all of ours out, and the scripts that are still the release's and no other job's. So does whoever takes
the house down: the agent's own jobs and all that it keeps stay.

A job is ours if its id follows from the name of the house and its own name. So nothing needs to remember what an
earlier release had, and there is no record that could be forged: a job of the agent's own has a random id. Ours that
the release no longer wants are removed; one that was renamed first is not recognised and stays, as the agent's.

On standard output, one line of JSON of at most 64 KiB:

    all but findings {"jobs": [{"id": "0a1b…", "name": "…", "problem": "missing", "fields": []}], "more": 0}
                     problem is missing, differs (then with the names of the fields, or `scripts/<name>` for the text
                     of a script), unwanted or twice. For compare that is how things are, for the others what they put right. `more` counts what was left out.
    findings         {"findings": [{"where": "config.yaml", "path": "model.provider", "name": "…", "family": "…"}],
                      "unreadable": [{"where": "auth.json", "why": "it is no regular file"}], "more": 0}
                     Names of providers, models, hosts and variables, never anything else.

Exit codes: 0 done; 1 refused, and nothing was changed: standard error says why in one line; 2 wrong usage.
"""

import hashlib
import json
import os
import resource
import sys
from collections.abc import Callable

# Isolated, Python looks for modules in its own library only. This folder is root's, like the script itself.
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import banned  # noqa: E402
import store  # noqa: E402

# Longer than a lock that is held for ever is waited for.
SECONDS = 45
MAX_MEMORY = 1024 * 1024 * 1024
MAX_ITEMS = 200

# What the harness keeps in a record itself; a new one starts with this. It works out when a job without
# `next_run_at` is due at its next tick.
RUNTIME = {
    "repeat": {"times": None, "completed": 0},
    "enabled": True,
    "state": "scheduled",
    "paused_at": None,
    "paused_reason": None,
    "next_run_at": None,
    "last_run_at": None,
    "last_status": None,
    "last_error": None,
    "last_delivery_error": None,
    "origin": None,
}


def own_id(house: str, name: str) -> str:
    """The id of a house's job, in the form the harness gives ids."""
    return hashlib.sha256(f"{house}\0{name}".encode("utf-8", "surrogatepass")).hexdigest()[:12]


def is_own(house: str, job: object) -> bool:
    name = job.get("name") if isinstance(job, dict) else None
    return isinstance(name, str) and job.get("id") == own_id(house, name)


def read_wanted(path: str) -> tuple[str, list[dict]]:
    """House and jobs of a release."""
    with open(path, encoding="utf-8") as file:
        wanted = json.load(file)
    house, jobs = wanted["house"], wanted["jobs"]
    wrong = [job["name"] for job in jobs if not is_own(house, job)]
    if wrong:
        raise store.Refused(f"{path} has ids that do not follow from its names: {', '.join(wrong)}")
    return house, jobs


def differing_fields(wanted: dict, job: dict) -> list[str]:
    """Names of the fields that are not as declared. A field that is not there says the same as an empty one."""
    return [
        field
        for field, value in wanted.items()
        if job.get(field) != value and not (field not in job and value in (None, False, []))
    ]


def differences(house: str, wanted: list[dict], jobs: list) -> list[dict]:
    """What is not as wanted, in the order of the release, then what should not be there."""
    found = []

    def add(job: dict, problem: str, fields: list[str]) -> None:
        found.append({"id": job["id"], "name": job["name"], "problem": problem, "fields": fields})

    for declared in wanted:
        same = [job for job in jobs if isinstance(job, dict) and job.get("id") == declared["id"]]
        if not same:
            add(declared, "missing", [])
            continue
        fields = differing_fields(declared, same[0])
        if fields:
            add(declared, "differs", fields)
        for _ in same[1:]:
            add(declared, "twice", [])
    ids = {declared["id"] for declared in wanted}
    for job in jobs:
        if is_own(house, job) and job["id"] not in ids:
            add(job, "unwanted", [])
    return found


def merged(house: str, wanted: list[dict], jobs: list) -> list:
    """All jobs with ours as wanted; order and everything that is not ours stay."""
    by_id = {declared["id"]: declared for declared in wanted}
    seen = set()
    result = []
    for job in jobs:
        declared = by_id.get(job.get("id")) if isinstance(job, dict) and isinstance(job.get("id"), str) else None
        if declared is not None:
            if declared["id"] not in seen:
                result.append(brought_up(declared, job))
                seen.add(declared["id"])
        elif not is_own(house, job):
            result.append(job)
    created = {**RUNTIME, "created_at": store.now()}
    return result + [{**created, **declared} for declared in wanted if declared["id"] not in seen]


def brought_up(declared: dict, job: dict) -> dict:
    fields = differing_fields(declared, job)
    changed = {**job, **{field: declared[field] for field in fields}}
    # The time of the next run follows from the schedule; the harness works it out anew.
    return {**changed, "next_run_at": None} if "schedule" in fields else changed


def apply(wanted_path: str, home: str) -> dict:
    house, wanted = read_wanted(wanted_path)
    # The scripts come first, so that no job runs without its own.
    found = differing_scripts(wanted_path, wanted, home, put_right=True)
    # Without jobs of ours there is no reason to make a folder where the gateway has not been yet.
    with store.cron_folder(home, make=wanted != []) as cron:
        if cron is not None:
            with store.locked(cron):
                jobs = store.read_jobs(cron)
                differing = differences(house, wanted, jobs)
                if differing:
                    store.write_jobs(cron, merged(house, wanted, jobs))
                found += differing
    return listed("jobs", found)


def withdraw(wanted_path: str, home: str) -> dict:
    house, wanted = read_wanted(wanted_path)
    kept = []
    found = []
    with store.cron_folder(home) as cron:
        if cron is not None:
            with store.locked(cron):
                jobs = store.read_jobs(cron)
                kept = [job for job in jobs if not is_own(house, job)]
                found = differences(house, [], jobs)
                if found:
                    store.write_jobs(cron, kept)
    remove_scripts(wanted_path, wanted, home, {job["script"] for job in kept if isinstance(job, dict) and isinstance(job.get("script"), str)})
    return listed("jobs", found)


def remove_scripts(wanted_path: str, wanted: list[dict], home: str, in_use: set) -> None:
    """Takes the release's scripts out of the home, unless the agent has changed them or a job of its own runs them."""
    names = sorted({job["script"] for job in wanted if job.get("script")} - in_use)
    top = store.open_folder(home) if names else None
    folder = None if top is None else store.open_folder("scripts", top)
    try:
        for name in names if folder is not None else []:
            if holds(folder, name, script_text(wanted_path, name)):
                os.unlink(name, dir_fd=folder)
    finally:
        for descriptor in (folder, top):
            if descriptor is not None:
                os.close(descriptor)


def compare(wanted_path: str, home: str) -> dict:
    """Without the lock: the file is only ever replaced whole, and looking leaves no trace."""
    house, wanted = read_wanted(wanted_path)
    found = differing_scripts(wanted_path, wanted, home, put_right=False)
    with store.cron_folder(home) as cron:
        jobs = [] if cron is None else store.read_jobs(cron)
    return listed("jobs", found + differences(house, wanted, jobs))


def differing_scripts(wanted_path: str, wanted: list[dict], home: str, put_right: bool) -> list[dict]:
    """The jobs whose script in the home is not the release's."""
    with_script = [job for job in wanted if job.get("script")]
    if not with_script:
        return []
    top = store.open_folder(home)
    if top is None:
        raise store.Refused(f"there is no folder {home}")
    folder = None
    found = []
    try:
        folder = store.open_folder("scripts", top, make=put_right)
        for job in with_script:
            name = job["script"]
            text = script_text(wanted_path, name)
            if folder is not None and holds(folder, name, text):
                continue
            found.append({"id": job["id"], "name": job["name"], "problem": "differs", "fields": [f"scripts/{name}"]})
            if put_right:
                store.replace_file(folder, name, text, 0o700)
    finally:
        for descriptor in (folder, top):
            if descriptor is not None:
                os.close(descriptor)
    return found


def script_text(wanted_path: str, name: str) -> bytes:
    with open(os.path.join(os.path.dirname(wanted_path), "scripts", name), "rb") as file:
        return file.read()


def holds(folder: int, name: str, text: bytes) -> bool:
    """Whether a regular file of that name says exactly that."""
    try:
        return store.read_file(folder, name, len(text)) == text
    except store.Refused:
        return False


def findings(banned_path: str, home: str) -> dict:
    source = sys.stdin if banned_path == "-" else open(banned_path, encoding="utf-8")
    with source:
        families = json.load(source)
    found, unreadable = banned.in_home(families, home)
    return {**listed("findings", found), "unreadable": unreadable}


def listed(key: str, items: list[dict]) -> dict:
    """An answer that cannot grow beyond bounds, whatever stood in the home."""
    shown = [{name: plain(value) for name, value in item.items()} for item in items[:MAX_ITEMS]]
    return {key: shown, "more": len(items) - len(shown)}


def plain(value: object) -> object:
    return [banned.plain(one) for one in value] if isinstance(value, list) else banned.plain(str(value))


COMMANDS: dict[str, tuple[Callable[[str, str], dict], str]] = {
    "apply": (apply, "The jobs of {} were left as they are"),
    "compare": (compare, "The jobs of {} cannot be compared"),
    "withdraw": (withdraw, "The jobs of the house could not be taken out of {}"),
    "findings": (findings, "The names in {} cannot be judged"),
}


def main(arguments: list[str]) -> int:
    if len(arguments) != 3 or arguments[0] not in COMMANDS:
        print(f"usage: merge-jobs.py {'|'.join(COMMANDS)} <file> <home>", file=sys.stderr)
        return 2
    command, file, home = arguments
    # Of one release from here on, should `current` move meanwhile.
    file = file if file == "-" else os.path.realpath(file)
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    run, failed = COMMANDS[command]
    try:
        store.deadline(SECONDS)
        print(json.dumps(run(file, home)))
        return 0
    except store.Refused as error:
        why = str(error)
    except MemoryError:
        why = "what lies there needs too much memory"
    print(f"{failed.format(home)}: {why}.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
