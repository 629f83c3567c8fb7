"""``docs/configuration.md`` and ``config.yaml`` name exactly what the settings know."""

import re
from pathlib import Path

from bot.config.schema import keys

DOCS = Path(__file__).parents[2] / "docs"
ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def rows() -> list[tuple[str, str, str, str]]:
    return ROW.findall((DOCS / "configuration.md").read_text(encoding="utf-8"))


def test_every_key_is_documented_once_with_its_type_and_default() -> None:
    written = sorted((path, kind, default.strip("`")) for path, kind, default, _ in rows())
    assert written == sorted((key.path, key.type, key.default) for key in keys())


def test_every_key_has_a_meaning() -> None:
    assert [path for path, *_, meaning in rows() if len(meaning) < 10] == []


def test_operators_log_lines_are_in_the_guide() -> None:
    guide = (DOCS / "Provider-OpenAI-Setup.md").read_text(encoding="utf-8")
    for line in (
        "OpenAI Realtime session created",
        "OpenAI session configured with N tools",
        "Session updated with tools: N",
        "response.audio.delta: N bytes",
        "OpenAI function call detected: NAME",
        "response.done received",
        "missing_required_parameter: session.tools[0].name",
        "AI used farewell phrase without invoking hangup_call tool",
    ):
        assert f"`{line}`" in guide
