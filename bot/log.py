"""Logging: structlog to stderr, with ``call_id`` from context variables, levels by name, and redaction.

``configure`` is called once, at start. A module asks for ``get_logger("openai")`` (or plain
``structlog.get_logger()``), so that ``logging.providers`` can raise the level of one part only. On hot
paths bind once (``log = log.bind()``) and pass numbers as arguments,
``log.debug("response.audio.delta: %d bytes", n)``: a disabled line then costs about 0.1 µs.
"""

import logging
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from bot.config.settings import Logging

HIDDEN = "[hidden]"
SPOKEN_KEYS = frozenset({"transcript", "text"})
"""Fields that hold what somebody said."""

_SECRET_KEY = re.compile(
    r"(^|[_-])(password|passwd|secret|token|api[_-]?key|authorization|credentials?)$", re.IGNORECASE
)
_SECRET_VALUES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\bsk-[A-Za-z0-9_-]{8,}"), HIDDEN),
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), rf"\1 {HIDDEN}"),
    (re.compile(r"([?&]api_key=)[^&\s\"']+"), rf"\1{HIDDEN}"),
    (re.compile(r"(://)[^/\s@]+@"), rf"\1{HIDDEN}@"),
)

_processors: list[Processor] = []
_levels: dict[str, int] = {}


def get_logger(name: str) -> FilteringBoundLogger:
    """A logger whose level ``logging.providers.NAME`` sets; the name is in every line as ``logger``."""
    logger: FilteringBoundLogger = structlog.get_logger(name)
    return logger


def configure(settings: Logging) -> None:
    """Sets up structlog, and sends warnings of other packages (standard ``logging``) the same way.

    For the life of the process: a logger keeps the level that it had at its first line.
    """
    names = logging.getLevelNamesMapping()
    _levels.clear()
    _levels.update({name: names[own] for name, own in settings.providers.items()})
    # In place: loggers that are already in use keep this very list.
    _processors[:] = [
        structlog.contextvars.merge_contextvars,
        _add_name,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redactor(transcripts=settings.transcripts),
        _renderer(settings),
    ]
    structlog.configure(
        processors=_processors,
        wrapper_class=_levelled(names[settings.level]),
        logger_factory=_Output,
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [_Foreign()]
    root.setLevel(logging.WARNING)


class _Output:
    """Writes finished lines to whatever ``sys.stderr`` is then."""

    def __init__(self, name: str = "") -> None:
        self.name = name

    def msg(self, line: str) -> None:
        sys.stderr.write(f"{line}\n")

    debug = info = warning = error = critical = msg


class _Foreign(logging.Handler):
    """Carries records of the standard ``logging`` over."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = get_logger(record.name)
        logger.log(record.levelno, record.getMessage(), exc_info=record.exc_info)


def _levelled(default: int) -> Any:
    """A ``wrapper_class`` that takes the level of the logger's name; calls below it do nothing at all."""

    def wrap(logger: _Output, processors: list[Processor], context: EventDict) -> Any:
        bound: Any = structlog.make_filtering_bound_logger(_levels.get(logger.name, default))
        return bound(logger, processors, context)

    return wrap


def _add_name(logger: _Output, method: str, event: EventDict) -> EventDict:
    if logger.name:
        event.setdefault("logger", logger.name)
    return event


def _renderer(settings: Logging) -> Processor:
    if settings.format == "json":
        return structlog.processors.JSONRenderer(serializer=_to_json)
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
    )


def _to_json(event: EventDict, **_: object) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def redactor(*, transcripts: bool) -> Callable[[WrappedLogger, str, EventDict], EventDict]:
    """A processor that hides secrets, by field name and by looks, and, unless ``transcripts``, what was
    said: of that only the length stays."""

    def hide(key: str, value: Any) -> Any:
        if _SECRET_KEY.search(key):
            return HIDDEN if value else value
        if isinstance(value, str):
            if key in SPOKEN_KEYS and not transcripts:
                return f"[{len(value)} characters]"
            return without_secrets(value)
        if isinstance(value, Mapping):
            return {name: hide(str(name), inner) for name, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [hide(key, inner) for inner in value]
        return without_secrets(str(value)) if isinstance(value, BaseException) else value

    def process(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        return {key: hide(key, value) for key, value in event.items()}

    return process


def without_secrets(text: str) -> str:
    """``text`` without API keys, authorization values and passwords in addresses."""
    for pattern, replacement in _SECRET_VALUES:
        text = pattern.sub(replacement, text)
    return text
