"""The hosts, from the file that BENCH_INVENTORY names: a list of names and data."""

import json
import os

with open(os.environ["BENCH_INVENTORY"], encoding="utf-8") as file:
    hosts = [(name, data) for name, data in json.load(file)]
