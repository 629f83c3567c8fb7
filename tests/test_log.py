"""Logging as operators see it: levels by name, redaction, console and JSON, other packages' warnings."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from bot import log
from bot.config.settings import Logging


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


@pytest.mark.parametrize(
    ("level", "providers", "name", "seen"),
    [
        ("INFO", {"openai": "DEBUG"}, "openai", ["d", "i", "w", "e"]),
        ("INFO", {"openai": "DEBUG"}, "ari", ["i", "w", "e"]),
        ("DEBUG", {}, "ari", ["d", "i", "w", "e"]),
        ("DEBUG", {"openai": "ERROR"}, "openai", ["e"]),
        ("WARNING", {}, "", ["w", "e"]),
    ],
)
def test_levels(
    capsys: pytest.CaptureFixture[str], level: Any, providers: Any, name: str, seen: list[str]
) -> None:
    early = log.get_logger(name)
    log.configure(Logging(level=level, providers=providers, format="json"))
    for logger in (early, log.get_logger(name).bind(a=1)):
        logger.debug("d")
        logger.info("i")
        logger.warning("w")
        logger.error("e")
        assert [line["event"] for line in lines(capsys)] == seen


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"api_key": "abc"}, {"api_key": "[hidden]"}),
        (
            {"ari_password": "abc", "client_secret": "x"},
            {"ari_password": "[hidden]", "client_secret": "[hidden]"},
        ),
        ({"password": ""}, {"password": ""}),
        (
            {"headers": {"Authorization": "Bearer x", "A": "b"}},
            {"headers": {"Authorization": "[hidden]", "A": "b"}},
        ),
        ({"usage": {"input_tokens": 3}}, {"usage": {"input_tokens": 3}}),
        ({"reason": "key sk-proj-abcdefghijk_1 refused"}, {"reason": "key [hidden] refused"}),
        ({"sent": ["Basic dXNlcjpwYXNz"]}, {"sent": ["Basic [hidden]"]}),
        ({"url": "ws://u:p@h/e?api_key=u:p&app=a"}, {"url": "ws://[hidden]@h/e?api_key=[hidden]&app=a"}),
        ({"error": ValueError("Bearer abcdefghijkl")}, {"error": "Bearer [hidden]"}),
        ({"transcript": "hello", "text": "hi"}, {"transcript": "[5 characters]", "text": "[2 characters]"}),
        ({"item": {"transcript": "hello"}}, {"item": {"transcript": "[5 characters]"}}),
        ({"reason": "hello", "count": 5, "none": None}, {"reason": "hello", "count": 5, "none": None}),
    ],
)
def test_redaction(capsys: pytest.CaptureFixture[str], fields: Any, shown: Any) -> None:
    log.configure(Logging(format="json"))
    log.get_logger("test").info("event", **fields)
    (line,) = lines(capsys)
    assert {key: line[key] for key in shown} == shown


def test_transcripts_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(Logging(format="json", transcripts=True))
    log.get_logger("test").info("heard", transcript="hello sk-abcdefghijk")
    assert lines(capsys)[0]["transcript"] == "hello [hidden]"


def test_call_id_and_name_are_in_every_line(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(Logging(format="json"))
    with structlog.contextvars.bound_contextvars(call_id="c-1"):
        log.get_logger("openai").info("response.audio.delta: %d bytes", 3200)
    (line,) = lines(capsys)
    assert (line["call_id"], line["logger"], line["level"]) == ("c-1", "openai", "info")
    assert line["event"] == "response.audio.delta: 3200 bytes"
    assert line["timestamp"].endswith("Z")


def test_console_keeps_the_words_together(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(Logging())
    log.get_logger("openai").info("OpenAI Realtime session created", ms=3)
    written = capsys.readouterr().err
    assert "] OpenAI Realtime session created [openai] ms=3\n" in written
    assert "\x1b" not in written


def test_traceback_is_redacted_too(capsys: pytest.CaptureFixture[str]) -> None:
    for form in ("json", "console"):
        log.configure(Logging.model_validate({"format": form}))
        try:
            raise RuntimeError("refused sk-abcdefghijk")
        except RuntimeError:
            log.get_logger(form).exception("failed")
        written = capsys.readouterr().err
        assert "RuntimeError: refused [hidden]" in written
        assert "sk-abc" not in written


def test_other_packages_come_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(Logging(format="json"))
    logging.getLogger("asyncio").warning("slow %s", "callback")
    logging.getLogger("aiohttp.access").info("GET /")
    (line,) = lines(capsys)
    assert (line["event"], line["logger"], line["level"]) == ("slow callback", "asyncio", "warning")


def test_a_disabled_line_runs_no_processor() -> None:
    log.configure(Logging())
    ran: list[str] = []

    def record(logger: Any, method: str, event: Any) -> Any:
        ran.append(method)
        raise structlog.DropEvent

    log._processors.insert(0, record)
    logger = log.get_logger("quiet").bind()
    logger.debug("response.audio.delta: %d bytes", 3200)
    assert ran == []
    logger.info("loud")
    assert ran == ["info"]
