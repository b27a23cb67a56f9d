"""Has a gateway take no new work, and says how much is still under way.

    drain.py begin <home>   all jobs are paused, and the gateway is asked to take no new turns; both or neither
    drain.py look <home>    prints {"draining": true, "active": 2}; null for what the gateway does not say
    drain.py end <home>     takes both back: jobs that were paused here go on, and no others

Runs as the house's user. The gateway (hermes-agent 0.19, its gateway/drain_control.py) looks once a second whether there is
a file `.drain_request.json` in its home: while it is, new turns are refused, those under way come to their end, and
`gateway_state.json` says `draining` and how many there are, jobs among them. The agent can lie about that, and makes
nothing of it but a shorter or longer wait for itself.
"""

import contextlib
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "jobs"))

import pausing  # noqa: E402
import store  # noqa: E402

REQUEST = ".drain_request.json"
STATE = "gateway_state.json"
# Begins the reason in every job that is paused here.
REASON = "drained by an operator"
MAX_STATE = 1024 * 1024


@contextlib.contextmanager
def opened(home: str):
    folder = store.open_folder(home)
    if folder is None:
        raise store.Refused(f"there is no folder {home}")
    try:
        yield folder
    finally:
        os.close(folder)


def begin(home: str) -> dict:
    with opened(home) as folder:
        asked = REQUEST in os.listdir(folder)
        request = {"action": "drain", "requested_at": store.now(), "principal": "operator"}
        store.replace_file(folder, REQUEST, json.dumps(request).encode())
        try:
            return {"paused": pausing.change(home, lambda jobs: pausing.paused(jobs, REASON, every=True))}
        except BaseException:
            if not asked:
                withdraw_request(folder)
            raise


def withdraw_request(folder: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(REQUEST, dir_fd=folder)


def look(home: str) -> dict:
    with opened(home) as folder:
        try:
            said = json.loads(store.read_file(folder, STATE, MAX_STATE) or b"")
        except (ValueError, RecursionError, store.Refused):
            said = None
    said = said if isinstance(said, dict) else {}
    active = said.get("active_agents")
    return {
        "draining": said.get("gateway_state") == "draining" if "gateway_state" in said else None,
        "active": active if isinstance(active, int) and 0 <= active < 1_000_000 else None,
    }


def end(home: str) -> dict:
    # Jobs first: where they cannot go on, it is as drained as before.
    resumed = pausing.change(home, lambda jobs: pausing.resumed(jobs, REASON))
    with opened(home) as folder:
        withdraw_request(folder)
    return {"resumed": resumed}


def main(words: list[str]) -> int:
    acts = {"begin": begin, "look": look, "end": end}
    if len(words) != 2 or words[0] not in acts:
        print("usage: drain.py begin|look|end <home>", file=sys.stderr)
        return 2
    os.umask(0o077)
    try:
        store.deadline(40)
        print(json.dumps(acts[words[0]](words[1])))
        return 0
    except store.Refused as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(f"{error.filename or 'a file of the home'}: {error.strerror}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
