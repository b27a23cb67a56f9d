"""Tells what really is at each path, package, account and unit that a JSON document on standard input names, as JSON.

Input: {"paths": [...], "packages": [...], "accounts": [...], "units": {name: url}}. Output: one line of text for each,
by "path P", "package N", "account N", "unit N" and "started N"; the last is another one after every start of the unit.
Changes nothing.
"""

import grp
import hashlib
import json
import os
import pwd
import stat
import subprocess
import sys
import urllib.request


def path_text(path):
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return "absent"
    if stat.S_ISLNK(found.st_mode):
        return f"link to {os.readlink(path)}"
    attributes = " ".join(
        [
            format(stat.S_IMODE(found.st_mode), "04o"),
            pwd.getpwuid(found.st_uid).pw_name,
            grp.getgrgid(found.st_gid).gr_name,
        ]
    )
    if stat.S_ISDIR(found.st_mode):
        return f"folder {attributes}"
    if not stat.S_ISREG(found.st_mode):
        return "something else"
    with open(path, "rb") as file:
        return f"file {attributes} {hashlib.sha256(file.read()).hexdigest()}"


def account_text(name):
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        return "absent"
    group = grp.getgrgid(found.pw_gid).gr_name
    return f"group {group} home {found.pw_dir} shell {found.pw_shell} comment {found.pw_gecos}"


def package_text(name):
    command = ["dpkg-query", "-W", "-f", "${db:Status-Status}", "--", name]
    shown = subprocess.run(command, capture_output=True, text=True)
    return shown.stdout if shown.returncode == 0 else "absent"


def properties(unit):
    names = "ActiveState,NeedDaemonReload,InvocationID"
    shown = subprocess.run(
        ["systemctl", "show", "-p", names, "--", unit], check=True, capture_output=True, text=True
    )
    return dict(line.split("=", 1) for line in shown.stdout.splitlines())


def health(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return str(answer.status)
    except OSError as error:
        return f"no answer ({error})"


asked = json.load(sys.stdin)
found = {f"path {path}": path_text(path) for path in asked["paths"]}
found |= {f"package {name}": package_text(name) for name in asked["packages"]}
found |= {f"account {name}": account_text(name) for name in asked["accounts"]}
for name, url in asked["units"].items():
    unit = properties(name)
    reload = ", its file changed since" if unit["NeedDaemonReload"] == "yes" else ""
    found[f"unit {name}"] = f"{unit['ActiveState']}{reload}, health {health(url)}"
    found[f"started {name}"] = unit["InvocationID"]
json.dump(found, sys.stdout)
