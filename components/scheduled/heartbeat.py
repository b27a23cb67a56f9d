"""Heartbeat: does the gateway answer, how old is its own sign of life, and do the URLs answer that the house needs?

Reads  <home>/state/gateway.heartbeat, the gateway's /health, `heartbeat.urls` of the house.
Writes <house>/log/heartbeat.json: {"time": <epoch>, "gateway": "ok", "age": 12, "urls": {"forge.example": "ok"}}.
Fails  if the gateway does not answer 200 or a URL does not answer below 500. It restarts nothing: that is the deadman
       switch's work.
"""

import http.client
import json
import os
import sys
import time
from datetime import datetime
from urllib.parse import urlsplit

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import house as houses  # noqa: E402

SECONDS = 5


def status(url: str) -> int | str:
    """The status a GET is answered with, without following anything; why there is none."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=SECONDS)
    try:
        connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        return connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return str(getattr(error, "strerror", None) or type(error).__name__)
    finally:
        connection.close()


def verdict(answer: int | str, fine: bool) -> str:
    return "ok" if fine else f"status {answer}" if isinstance(answer, int) else answer


def age(home: str, now: float) -> int | None:
    """Seconds since the gateway's event loop last said that it turns; None if that cannot be told."""
    top = houses.store.open_folder(home)
    state = None if top is None else houses.store.open_folder("state", top)
    try:
        data = None if state is None else houses.store.read_file(state, "gateway.heartbeat", 4096)
        return int(now - datetime.fromisoformat(json.loads(data or b"")["updated_at"]).timestamp())
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
    finally:
        for folder in (state, top):
            if folder is not None:
                os.close(folder)


def work(house: houses.House, own: dict) -> str:
    now = time.time()
    answer = status(house.settings["health"])
    gateway = verdict(answer, answer == 200)
    urls = {}
    for url in own["urls"]:
        answer = status(url)
        # A page that wants a login answers too.
        urls[urlsplit(url).netloc] = verdict(answer, isinstance(answer, int) and answer < 500)
    seconds = age(house.home, now)
    house.keep("heartbeat.json", {"time": int(now), "gateway": gateway, "age": seconds, "urls": urls})
    said = [f"gateway {gateway}", "no heartbeat" if seconds is None else f"heartbeat {seconds} s old"]
    line = ", ".join(said + [f"{name} {state}" for name, state in urls.items()])
    if any(state != "ok" for state in (gateway, *urls.values())):
        raise houses.Refused(line)
    return line


if __name__ == "__main__":
    sys.exit(houses.run(__file__, work))
