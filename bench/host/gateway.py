"""Stands for the harness's gateway: answers 200 on the port of its API server and keeps up its heartbeat, no more.

The machines of a test bed share the cores of one machine: dozens of real gateways starting at once would be all that is
measured. So this one uses no processor, and lets as much time pass as the real one needs with a core of its own.
"""

import datetime
import json
import os
import socket
import time

HEARTBEAT = os.path.join(os.environ["HERMES_HOME"], "state", "gateway.heartbeat")
STARTED = time.time()
SECONDS_TO_START = 1.0


def beat():
    os.makedirs(os.path.dirname(HEARTBEAT), exist_ok=True)
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    beat = {"pid": os.getpid(), "updated_at": now, "monotonic": time.monotonic(), "start_time": STARTED}
    with open(f"{HEARTBEAT}.new", "w", encoding="utf-8") as file:
        json.dump(beat, file)
    os.replace(f"{HEARTBEAT}.new", HEARTBEAT)


with open(os.path.join(os.environ["HERMES_MANAGED_DIR"], ".env"), encoding="utf-8") as file:
    settings = dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line)

time.sleep(SECONDS_TO_START)
server = socket.create_server(("127.0.0.1", int(settings["API_SERVER_PORT"].strip("'\""))))
server.settimeout(30)
beat()
while True:
    try:
        connection, _ = server.accept()
    except TimeoutError:
        beat()
        continue
    with connection:
        connection.settimeout(5)
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")
