"""What the real harness makes of a rendered house: run with its interpreter, HERMES_HOME and HERMES_MANAGED_DIR set.

Reads {"get": [dotted keys]} from stdin and prints one JSON object. Everything is resolved by the
harness's own functions; a resolution that fails is reported as {"error": …}.
"""

import contextlib
import io
import json
import sys

out = sys.stdout
sys.stdout = sys.stderr  # the harness prints banners; only our JSON goes to the caller

from hermes_cli.env_loader import load_hermes_dotenv

load_hermes_dotenv()

from agent import auxiliary_client
from cron import jobs as cron_jobs
from gateway.config import load_gateway_config
from gateway.run import GatewayRunner, _resolve_gateway_model, _resolve_runtime_agent_kwargs
from hermes_cli import config, fallback_cmd
from hermes_cli.fallback_config import get_fallback_chain, resolve_entry_api_key
from hermes_cli.model_switch import _load_direct_aliases
from hermes_cli.runtime_provider import resolve_runtime_provider
from tools import delegate_tool


def route(value):
    """The parts of a resolved runtime that say who answers."""
    if value is None:
        return None
    return {k: value.get(k) for k in ("provider", "model", "base_url", "api_mode") if value.get(k)}


def attempt(resolve):
    try:
        return resolve()
    except Exception as error:  # the report shows it, and the test decides
        return {"error": f"{type(error).__name__}: {error}"}


def printed(function, *arguments):
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        function(*arguments)
    return text.getvalue()


def auxiliary(task):
    client, model = auxiliary_client.get_text_auxiliary_client(task)
    provider, _, _, _, api_mode = auxiliary_client._resolve_task_provider_model(task)
    return {
        "provider": provider,
        "model": model,
        "base_url": str(getattr(client, "base_url", "")),
        "api_mode": api_mode,
        "extra_body": auxiliary_client._get_task_extra_body(task),
        "client": type(client).__name__,
    }


def vision():
    provider, client, model = auxiliary_client.resolve_vision_provider_client()
    return {"provider": provider, "model": model, "base_url": str(getattr(client, "base_url", ""))}


def fallback(entry):
    return route(
        resolve_runtime_provider(
            requested=entry["provider"],
            explicit_base_url=entry.get("base_url"),
            explicit_api_key=resolve_entry_api_key(entry),
            target_model=entry["model"],
        )
    ) | {"model": entry["model"]}


def dotted(tree, key):
    for part in key.split("."):
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree


request = json.load(sys.stdin)
effective = config.load_config()
platforms = load_gateway_config().platforms
report = {
    "issues": [f"{i.severity}: {i.message}" for i in config.validate_config_structure()],
    "fallbackList": printed(fallback_cmd.cmd_fallback_list, None),
    "get": {key: dotted(effective, key) for key in request["get"]},
    "main": attempt(lambda: route(resolve_runtime_provider()) | {"model": effective["model"]["default"]}),
    "gatewayMain": attempt(lambda: route(_resolve_runtime_agent_kwargs()) | {"model": _resolve_gateway_model()}),
    "chain": [attempt(lambda e=entry: fallback(e)) for entry in get_fallback_chain(effective)],
    "gatewayChain": [route(entry) for entry in GatewayRunner._load_fallback_model() or []],
    "auxiliary": {
        task: attempt(lambda t=task: auxiliary(t))
        for task, section in config.DEFAULT_CONFIG["auxiliary"].items()
        if isinstance(section, dict)
    },
    "taskFallbacks": {
        task: auxiliary_client._get_auxiliary_task_config(task).get("fallback_chain")
        for task, section in config.DEFAULT_CONFIG["auxiliary"].items()
        if isinstance(section, dict)
    },
    "vision": attempt(vision),
    "delegation": attempt(
        lambda: route(delegate_tool._resolve_delegation_credentials(delegate_tool._load_config(), None))
    ),
    "aliases": sorted(
        f"{name}: {alias.provider} {alias.model} {alias.base_url}" for name, alias in _load_direct_aliases().items()
    ),
    "platforms": {
        platform.value: {
            "enabled": bool(settings.enabled),
            "overrides": {k: v.to_dict() for k, v in settings.channel_overrides.items()},
            "routes": settings.extra.get("model_routes"),
            "port": settings.extra.get("port"),
        }
        for platform, settings in platforms.items()
    },
    "moa": effective["moa"]["presets"]["default"],
    "jobs": [
        {"name": job["name"], "provider": job.get("provider"), "model": job.get("model"), "schedule": job["schedule"],
         "next": bool(job.get("next_run_at"))}
        for job in attempt(lambda: cron_jobs.list_jobs())
    ],
}
json.dump(report, out, default=str)
