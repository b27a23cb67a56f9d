"""Print what the fleet model needs to know about the installed harness, as JSON.

    <venv>/bin/python fleet/harness/dump.py > fleet/harness/defaults-<version>.json

Run it with the harness's own interpreter and an empty HERMES_HOME. `tests/harness` compares the stored file with
the installed harness.
"""

import json
import re
from importlib.metadata import version
from pathlib import Path

import hermes_cli
import toolsets
from gateway.config import Platform
from hermes_cli import config
from hermes_cli.auth import PROVIDER_REGISTRY

# Names of environment variables that steer which model answers. Speech and chat platforms have endpoints of
# their own that are no model's; an empty value would break their defaults, so they are left out.
STEERING = re.compile(
    r"""["']((?:ANTHROPIC|CLAUDE)_[A-Z0-9_]+|AUXILIARY_[A-Z0-9_]+_(?:PROVIDER|MODEL|BASE_URL|API_KEY)|"""
    r"""HERMES_INFERENCE_(?:PROVIDER|MODEL)|HERMES_TUI_PROVIDER|HERMES_MODEL|LLM_MODEL|OPENAI_MODEL|"""
    r"""OPENAI_API_BASE|CUSTOM_BASE_URL|OPENROUTER_BASE_URL|NOUS_(?:INFERENCE_)?BASE_URL|"""
    r"""HERMES_(?:CODEX|QWEN|XAI)_BASE_URL|GATEWAY_PROXY_URL|GATEWAY_RELAY_URL)["']"""
)


def steering_variables() -> list[str]:
    root = Path(hermes_cli.__file__).parents[1]
    names: set[str] = set()
    for package in ("hermes_cli", "agent", "gateway", "cron", "tools", "providers", "plugins"):
        for source in (root / package).rglob("*.py"):
            names.update(STEERING.findall(source.read_text(encoding="utf-8")))
    return sorted(names | {p.base_url_env_var for p in PROVIDER_REGISTRY.values() if p.base_url_env_var})


facts = {
    "version": version("hermes-agent"),
    "defaults": config.DEFAULT_CONFIG,
    "rootKeys": sorted(config._KNOWN_ROOT_KEYS),
    "providers": {
        name: {
            "auth": p.auth_type,
            "keys": list(p.api_key_env_vars),
            "url": p.inference_base_url,
            "urlVariable": p.base_url_env_var,
        }
        for name, p in sorted(PROVIDER_REGISTRY.items())
    },
    "platforms": sorted(p.value for p in Platform),
    "toolsets": sorted(toolsets.TOOLSETS),
    "steeringVariables": steering_variables(),
}
print(json.dumps(facts, indent=1, sort_keys=False))
