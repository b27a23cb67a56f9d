"""Says whether the installed harness follows a release, by asking it.

    <venv>/bin/python -I -B gateway/check-harness.py <version> <how>   would it follow the release it is run in
    <venv>/bin/python -I -B gateway/check-harness.py --effective       does it, in the environment it is run in

The first runs in the folder of the release, with the harness's interpreter. The harness's own loader gets the release as its
managed scope and, as the agent's configuration, one that wants other models; what it makes of both must be the chain
of the release. Versions are not compared: a fork may have any. <version> is what an operator is told to install, where <how> is not
`installed`, that is, by the update.

The second runs with the account, the mounts and the environment of the gateway's unit, and asks what that gateway goes
by. The managed scope is fail-open: with a file that is missing or malformed it would be the agent's own configuration.

Ends with 0, or with 1 and one message of short lines on standard error. Leaves nothing behind.
"""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

SECONDS = 40

AGENTS_OWN = """\
model: {default: not-of-the-release, provider: custom, base_url: "http://127.0.0.1:9/agent"}
fallback_providers: [{provider: custom, model: not-of-the-release, base_url: "http://127.0.0.1:9/agent"}]
fallback_model: {provider: custom, model: not-of-the-release-either, base_url: "http://127.0.0.1:9/agent"}
"""


EFFECTIVE = "The gateway does not go by the release's chain of providers, but by another."


def chains(config: Path) -> dict[str, list[str]]:
    """The chain of a release's `config.yaml` and the one the harness goes by, both read by the harness."""
    import yaml
    from hermes_cli.config import load_config
    from hermes_cli.fallback_config import get_fallback_chain

    def chain(config: dict) -> list[str]:
        main = config["model"]
        # Where nothing is configured it is the name of a model, or empty.
        first = {**main, "model": main.get("default")} if isinstance(main, dict) else {"model": main}
        return [
            f"{entry.get('provider', 'auto')}/{entry['model']}" + (f" at {entry['base_url']}" if entry.get("base_url") else "")
            for entry in [first, *get_fallback_chain(config)]
        ]

    return {"release": chain(yaml.safe_load(config.read_text(encoding="utf-8"))), "harness": chain(load_config())}


def answer() -> None:
    """In a process of its own: prints the chains, and whether there is what /health needs."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the harness may print what it likes
    said = chains(Path(os.environ["HERMES_MANAGED_DIR"], "config.yaml"))
    json.dump({**said, "server": importlib.util.find_spec("aiohttp") is not None}, out)


def effective() -> int:
    """As the gateway's own process would come by it: first the .env, which may change what is read after it."""
    from hermes_cli.env_loader import load_hermes_dotenv

    load_hermes_dotenv(hermes_home=os.environ["HERMES_HOME"])
    said = chains(Path(__file__).resolve().parent.parent / "config.yaml")
    if said["harness"] == said["release"]:
        return 0
    print(f"{EFFECTIVE}\n{told(said)}", file=sys.stderr)
    return 1


def told(said: dict[str, list[str]]) -> str:
    return (
        f"The release says {', '.join(said['release'])}.\n"
        f"The harness would use {', '.join(said['harness'])}."
    )


def ask(home: str) -> dict:
    """The answer of a harness whose agent's home is this folder; raises `RuntimeError` where it gives none."""
    Path(home, "config.yaml").write_text(AGENTS_OWN, encoding="utf-8")
    child = subprocess.Popen(
        [sys.executable, "-I", "-B", os.path.abspath(__file__), "--answer"],
        cwd=home,
        env={"PATH": os.defpath, "HOME": home, "HERMES_HOME": home, "HERMES_MANAGED_DIR": os.getcwd()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, err = child.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"gave no answer in {SECONDS} s.") from None
    finally:
        kill_session(child)
    if child.returncode != 0:
        last = (err.decode("utf-8", "replace").strip().splitlines() or [f"code {child.returncode}"])[-1]
        raise RuntimeError(f"could not be asked: {last[:200]}.")
    return json.loads(out)


def kill_session(leader: subprocess.Popen) -> None:
    """Ends whatever the harness started."""
    try:
        os.killpg(leader.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it has ended, and nothing of it is left
    leader.wait()


def problem() -> str | None:
    """What is wrong with the harness, None if nothing is."""
    with tempfile.TemporaryDirectory(prefix="wizard-house-check-", ignore_cleanup_errors=True) as home:
        try:
            said = ask(home)
        except RuntimeError as error:
            return str(error)
    if said["harness"] != said["release"]:
        return (
            "does not follow the managed scope, by which a release takes precedence over what the agent writes.\n"
            + told(said)
        )
    return None if said["server"] else "has no aiohttp, without which a gateway does not answer on /health."


def installed() -> str:
    try:
        return f"hermes-agent {version('hermes-agent')}"
    except PackageNotFoundError:
        return "no hermes-agent installed"


def main() -> int:
    if sys.argv[1] == "--answer":
        answer()
        return 0
    if sys.argv[1] == "--effective":
        return effective()
    wanted, how = sys.argv[1:3]
    # An end that is asked for still takes away the folder and the child.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped while asking the harness"))
    wrong = problem()
    if wrong is None:
        return 0
    needed = f"Needed is hermes-agent {wanted}, or another version with a managed scope, which came with 0.17."
    remedy = (
        "Name another version or lock as the harness of this house."
        if how == "installed"
        else f"As root:\n{sys.executable} -m pip install 'hermes-agent[messaging]=={wanted}'"
    )
    print(f"The harness {sys.executable} ({installed()}) {wrong}\n{needed} {remedy}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
