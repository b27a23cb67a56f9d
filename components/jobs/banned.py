"""Names of banned families of providers in what an agent keeps itself: its jobs, its configuration, its logins.

The judgement of `fleet/banned.ts` on configurations, which a test compares with this one, but for two things that are
not known here: what a command line would call, and whom the harness's own registry sends a provider's calls to. Only
structure is judged: who is named as a provider, a model, a host or a variable of a key. Prose is not, and nothing else is
ever put out.
"""

import functools
import os
import re
import sys
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

import store

MAX_CONFIG_BYTES = 256 * 1024
MAX_NODES = 100_000
MAX_DEPTH = 60

PROVIDER_PLACE = re.compile(r"(^|_)(providers?|credential_pool)$")
MODEL_PLACE = re.compile(r"(^|_)(models?|model_id|model_aliases|image)$|^aliases$")
KEY_PLACE = re.compile(r"(^|_)(key_env|token_env|env_passthrough|forward_env)$")
PROSE_PLACE = re.compile(
    r"^(prompt|prompts|system_prompt|channel_prompts|personalities|platform_hints|description|role)$"
)
ENV_PLACE = re.compile(r"(^|_)env$")
# By these an aggregator is told whom to use.
ROUTING_PLACE = re.compile(r"^(only|order|allow)$")
URL_PLACE = re.compile(r"(^|_)(url|host|endpoint|api_base)$")
SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*://", re.I)
REFERENCE = re.compile(r"\$\{([^}:]+)")
# Unicode's Default_Ignorable_Code_Point: nobody sees them in a name.
IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def in_home(families: list[dict], home: str) -> tuple[list[dict], list[dict]]:
    """What is named where, and which files could not be read and why. A file that is not there names nothing."""
    found: list[dict] = []
    unreadable: list[dict] = []
    top = store.open_folder(home)
    if top is None:
        raise store.Refused(f"there is no folder {home}")

    def look(where: str, read) -> None:
        try:
            tree = read()
            found.extend({"where": where, **one} for one in in_tree(families, tree))
        except store.Refused as error:
            unreadable.append({"where": where, "why": plain(str(error), 200)})

    look("cron/jobs.json", lambda: own_jobs(top))
    look("config.yaml", lambda: config(top))
    look("auth.json", lambda: logins(top))
    os.close(top)
    return found, unreadable


def own_jobs(top: int) -> object:
    """What each job names, under a key that shows its place and its name and is that of no other."""
    cron = store.open_folder("cron", top)
    if cron is None:
        return {}
    try:
        jobs = store.read_jobs(cron)
    finally:
        os.close(cron)
    # Both the pinned names and those the harness noted when the job was made.
    fields = ("provider", "model", "base_url", "provider_snapshot", "model_snapshot")
    return {
        f"jobs[{index}] {job.get('name')}": {field: job[field] for field in fields if job.get(field)}
        for index, job in enumerate(jobs)
        if isinstance(job, dict)
    }


def config(top: int) -> object:
    data = store.read_file(top, "config.yaml", MAX_CONFIG_BYTES)
    if data is None:
        return {}
    yaml = yaml_library()
    try:
        return yaml.load(data.decode("utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError, TypeError, AttributeError):
        # The harness's answer to such a file is to ignore it. The parser's words would quote it.
        raise store.Refused("config.yaml is not YAML") from None


def yaml_library():
    """The harness's own, from its virtualenv, which is root's; the interpreter itself is run without it."""
    folder = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    sys.path.append(os.path.join(os.path.dirname(os.path.dirname(sys.executable)), folder))
    try:
        import yaml
    except ImportError:
        raise store.Refused(f"{sys.executable} has no YAML library") from None
    finally:
        sys.path.pop()
    return yaml


def logins(top: int) -> object:
    data = store.read_file(top, "auth.json", MAX_CONFIG_BYTES)
    return {} if data is None else store.parse_json(data, "auth.json")


def in_tree(families: list[dict], tree: object) -> Iterator[dict]:
    """Every name of a banned family in a tree of maps and lists. `Refused` for a tree that has no end."""
    left = [MAX_NODES]

    def finding(family: dict | None, path: list, name: str) -> Iterator[dict]:
        if family is not None:
            dotted = ".".join(plain(str(step), 64) for step in path)
            yield {"path": dotted, "name": shown(name), "family": family["family"]}

    def walk(value: object, path: list) -> Iterator[dict]:
        left[0] -= 1
        if left[0] < 0 or len(path) > MAX_DEPTH:
            raise store.Refused("it is nested or repeated without end")
        if isinstance(value, str):
            yield from finding(judge(families, value, path), path, value)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from walk(item, [*path, index])
        elif isinstance(value, dict):
            place = last_name(path)
            for key, inner in value.items():
                name = str(key)
                if PROVIDER_PLACE.search(place):
                    yield from finding(provider(families, name), [*path, name], name)
                if MODEL_PLACE.search(place):
                    yield from finding(model(families, name), [*path, name], name)
                if not PROSE_PLACE.search(name):
                    yield from walk(inner, [*path, name])

    yield from walk(tree, [])


def judge(families: list[dict], value: str, path: list) -> dict | None:
    place = last_name(path)
    for match in REFERENCE.finditer(value):
        family = variable(families, match[1])
        if family is not None:
            return family
    # The map that the value's own key stands in.
    names = [step for step in path if isinstance(step, str)]
    parent = plain_place(names[-2]) if len(names) > 1 else ""
    if ENV_PLACE.search(parent):
        return assigned(families, place, value)
    if ENV_PLACE.search(place):
        assignment = re.fullmatch(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", value, re.S)
        if assignment is not None:
            return assigned(families, assignment[1], assignment[2])
    routing = ROUTING_PLACE.search(place) and parent in ("provider", "provider_routing")
    if PROVIDER_PLACE.search(place) or routing:
        return provider(families, value) or url(families, value)
    if place == "name" and parent == "custom_providers":
        return provider(families, value)
    if KEY_PLACE.search(place):
        return variable(families, value)
    section = path[:1] == ["model"] and place in ("default", "name")
    if MODEL_PLACE.search(place) or parent in ("aliases", "model_aliases") or section:
        return model(families, value)
    return url(families, value) if SCHEME.search(value.strip()) or URL_PLACE.search(place) else None


def last_name(path: list) -> str:
    """The closest map key: list items belong to the key of their list. What the harness noted counts like what was said."""
    return plain_place(next((step for step in reversed(path) if isinstance(step, str)), ""))


def plain_place(name: str) -> str:
    return name.removesuffix("_snapshot")


def assigned(families: list[dict], name: str, value: str) -> dict | None:
    """The family of a variable and its value; an empty one names nobody."""
    if value.strip() == "":
        return None
    return (
        variable(families, name)
        or (provider(families, value) if re.search(r"_PROVIDER$", name, re.I) else None)
        or (model(families, value) if re.search(r"_MODEL$", name, re.I) else None)
        or (url(families, value) if re.search(r"_(URL|BASE|HOST|ENDPOINT)$", name, re.I) or "://" in value else None)
    )


def provider(families: list[dict], value: str) -> dict | None:
    name = normal(value).removeprefix("custom:")
    return first(families, "providers", lambda pattern: fits(pattern, name))


def model(families: list[dict], value: str) -> dict | None:
    name = normal(value)
    candidates = [name, *(name[match.end() :] for match in re.finditer(r"[/.:~@]", name))]
    return first(families, "models", lambda pattern: any(fits(pattern, one) for one in candidates))


def url(families: list[dict], value: str) -> dict | None:
    """By its hosts, or by the model that clouds name in the path."""
    hosts = hosts_of(value)

    def hosts_fit(pattern: str) -> bool:
        bare = pattern[2:].lower() if pattern.startswith("*.") else None
        return any(fits(pattern, host) or host == bare for host in hosts)

    named = re.search(r"/(?:publishers|models?)/([^?#]+)", normal(value))
    return first(families, "hosts", hosts_fit) or (model(families, named[1]) if named else None)


def variable(families: list[dict], value: str) -> dict | None:
    name = normal(value)
    return first(families, "keys", lambda pattern: fits(pattern, name))


def first(families: list[dict], kind: str, matches) -> dict | None:
    return next((family for family in families if any(matches(pattern) for pattern in family[kind])), None)


def normal(text: str) -> str:
    """Lower case, compatibility forms folded, percent-encoding undone twice, blanks and invisible characters gone."""
    plain_text = text[:2000]
    for _ in range(2):
        plain_text = unquote(plain_text, errors="replace")
    return IGNORABLE.sub("", unicodedata.normalize("NFKC", plain_text)).strip().lower()


def hosts_of(value: str) -> list[str]:
    """The host of a URL, then those of URLs inside it and the parts of its path that are host names themselves."""
    # Clients take a backslash for a slash.
    text = normal(value).replace("\\", "/")
    inner = [match[0] for match in re.finditer(r"(?<=.)(?:[a-z][a-z0-9+.-]*:)?//[^/?#&\s]+", text)]
    steps = [step for step in re.split(r"[?#]", text)[0].split("/") if "." in step]
    return [host for host in map(host_of, [text, *inner, *steps]) if host]


def host_of(text: str) -> str | None:
    try:
        host = urlsplit(text if SCHEME.search(text) else f"https://{text.lstrip('/')}").hostname
        return host.encode("idna").decode().rstrip(".") if host else None
    except (ValueError, UnicodeError):
        return None


@functools.lru_cache
def compiled(pattern: str) -> re.Pattern:
    return re.compile(".*".join(re.escape(part) for part in pattern.lower().split("*")), re.S)


def fits(pattern: str, text: str) -> bool:
    return compiled(pattern).fullmatch(text) is not None


def shown(name: str) -> str:
    """A name as it may be put out: of a URL its host alone, since the rest can hold a password."""
    return plain(next(iter(hosts_of(name)), "(a URL)") if "://" in name else name)


def plain(text: str, most: int = 80) -> str:
    """Printable ASCII and bounded, whatever an agent wrote."""
    return "".join(letter if " " <= letter <= "~" else "?" for letter in text[:most])
