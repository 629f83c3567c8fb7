"""Asterisk's own description of ARI, which the client is checked against."""

import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

REST_API = "usr/share/asterisk/rest-api"


@cache
def rest_api_folder() -> Path:
    """``ASTERISK_REST_API``, this machine's Asterisk, or the root that ``VOICEBOT_ASTERISK_ROOT`` names."""
    places = [Path("/", REST_API)]
    if given := os.environ.get("ASTERISK_REST_API"):
        places.insert(0, Path(given))
    if root := os.environ.get("VOICEBOT_ASTERISK_ROOT"):
        places.append(Path(root, REST_API))
    for place in places:
        if (place / "channels.json").is_file():
            return place
    pytest.fail(
        f"Asterisk's ARI description is in none of {[str(p) for p in places]}: set ASTERISK_REST_API to its"
        " rest-api folder, or VOICEBOT_ASTERISK_ROOT to a root file system with Asterisk",
        pytrace=False,
    )


@pytest.fixture
def operations() -> dict[str, list[dict[str, Any]]]:
    """Resource → its operations, each with its ``path`` added."""
    found = {}
    for name in ("applications", "asterisk", "bridges", "channels", "deviceStates", "events", "playbacks"):
        apis = json.loads((rest_api_folder() / f"{name}.json").read_text())["apis"]
        resource = re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)
        found[resource] = [
            {**operation, "path": api["path"]} for api in apis for operation in api["operations"]
        ]
    return found


@pytest.fixture
def api_models() -> dict[str, dict[str, Any]]:
    """Model name → its description, over all files."""
    models: dict[str, dict[str, Any]] = {}
    for file in rest_api_folder().glob("*.json"):
        models |= json.loads(file.read_text()).get("models", {})
    return models
