"""Heavy heartbeat: does each model that runs on the host itself answer a question, and is there room on the disk?

Reads  the endpoints of the house's chain that are on this machine: the list of models, then one token of an answer.
Writes <house>/log/heavy-heartbeat.json: {"time": <epoch>, "free": 0.42, "models": {"qwen3-8b": "ok in 120 ms"}}.
Fails  if a model is not there or does not answer, or if less than a twentieth of the disk is free. An endpoint that
       wants a key is taken for well: keys are the gateway's.
"""

import http.client
import json
import os
import sys
import time
from urllib.parse import urlsplit

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import house as houses  # noqa: E402

SECONDS = 60
MAX_ANSWER = 1_000_000
LEAST_FREE = 0.05


def ask(url: str, path: str, question: dict | None = None) -> tuple[int, object]:
    """Status and JSON of an answer; `Refused` where there is none."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=SECONDS)
    try:
        body = None if question is None else json.dumps(question)
        headers = {} if body is None else {"Content-Type": "application/json"}
        connection.request("GET" if body is None else "POST", parts.path.rstrip("/") + path, body, headers)
        response = connection.getresponse()
        data = response.read(MAX_ANSWER)
        return response.status, json.loads(data) if response.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = str(getattr(error, "strerror", None) or type(error).__name__)
        raise houses.Refused(f"{parts.netloc} gives no answer: {why}") from None
    finally:
        connection.close()


def smoke(url: str, model: str) -> str:
    """How a model is, in a few words that begin with `ok` if it is well."""
    status, listed = ask(url, "/models")
    if status in (401, 403):
        return "ok, and wants a key"
    names = [one.get("id") for one in listed.get("data", [])] if isinstance(listed, dict) else []
    if names and model not in names:
        return "is not served there"
    began = time.monotonic()
    question = {"model": model, "max_tokens": 1, "messages": [{"role": "user", "content": "ping"}]}
    status, answer = ask(url, "/chat/completions", question)
    if status != 200 or not isinstance(answer, dict) or not answer.get("choices"):
        return f"does not answer, status {status}"
    return f"ok in {int((time.monotonic() - began) * 1000)} ms"


def work(house: houses.House, own: dict) -> str:
    models = {}
    for one in house.settings["local"]:
        try:
            models[one["model"]] = smoke(one["url"], one["model"])
        except (houses.Refused, AttributeError, TypeError) as error:
            models[one["model"]] = str(error) if isinstance(error, houses.Refused) else "gives an answer of another form"
    disk = os.statvfs(house.home)
    free = disk.f_bavail / disk.f_blocks if disk.f_blocks else 0
    house.keep("heavy-heartbeat.json", {"time": int(time.time()), "free": round(free, 3), "models": models})
    line = "; ".join([f"{model} {state}" for model, state in models.items()] + [f"disk {free:.0%} free"])
    if free < LEAST_FREE or any(not state.startswith("ok") for state in models.values()):
        raise houses.Refused(line)
    return line


if __name__ == "__main__":
    sys.exit(houses.run(__file__, work))
