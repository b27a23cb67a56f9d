"""Brings every house of a host to the state that the host's data describes."""

from shlex import quote

from pyinfra import host
from pyinfra.operations import apt, files, server, systemd

WAIT = "for _ in $(seq 600); do curl -fsS -o /dev/null {url} 2>/dev/null && exit 0; sleep 0.1; done; exit 1"


def bring(house):
    if house["packages"]:
        apt.packages(name="Packages of the host", packages=house["packages"])
    account = house["account"]
    server.group(name="Group of the agent", group=account["name"], system=True)
    server.user(
        name="Account of the agent",
        user=account["name"],
        group=account["name"],
        home=account["home"],
        shell=account["shell"],
        comment=account["comment"],
        system=True,
        ensure_home=False,
    )
    for folder in house["folders"]:
        files.directory(
            name="Folder",
            path=folder["path"],
            user=folder["owner"],
            group=folder["group"],
            mode=folder["mode"],
        )
    for file in house["files"]:
        files.put(
            name="File",
            src=file["source"],
            dest=file["path"],
            user=file["owner"],
            group=file["group"],
            mode=file["mode"],
            create_remote_dir=False,
        )
    switched = [
        files.link(name="Link", path=link["path"], target=link["target"], create_remote_dir=False)
        for link in [house["current"], *house["links"]]
    ]
    # Known before anything is executed, so that a dry run is right about it as well; `_if` is not asked there.
    if any(link.will_change for link in switched):
        systemd.daemon_reload(name="Units are read again")
        systemd.service(name="Restart the gateway", service=house["unit"], restarted=True)
        server.shell(name="Wait for the gateway", commands=[WAIT.format(url=quote(house["health"]))])
    systemd.service(name="Gateway runs", service=house["unit"], running=True)


for one in host.data.houses:
    bring(one)
