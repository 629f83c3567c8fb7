"""What ARI's JSON describes, as frozen values: channels, bridges and the little ones inside them. Pure.

Field names are Asterisk's own (``rest-api/*.json``). A field with a default may be missing on the wire;
fields that Asterisk adds and this module does not name are ignored.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from datetime import datetime
from functools import cache, partial
from types import UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from bot.errors import ProtocolError

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerID:
    name: str
    number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DialplanCEP:
    """Where a channel is in the dialplan: context, extension, priority."""

    context: str
    exten: str
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """``state`` is Asterisk's word (``Down``, ``Ring``, ``Ringing``, ``Up``, …). ``channelvars`` holds what
    ``ari.conf`` lists under ``channelvars``, and for ExternalMedia ``UNICASTRTP_LOCAL_ADDRESS`` and
    ``UNICASTRTP_LOCAL_PORT``; a variable that is not set is an empty string."""

    id: str
    name: str
    state: str
    caller: CallerID
    connected: CallerID
    accountcode: str
    dialplan: DialplanCEP
    creationtime: datetime
    language: str
    channelvars: dict[str, str] = field(default_factory=dict)
    protocol_id: str = ""
    caller_rdnis: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """``channels`` are the ids of the members."""

    id: str
    technology: str
    bridge_type: str
    bridge_class: str
    creator: str
    name: str
    channels: tuple[str, ...]
    creationtime: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Playback:
    """``target_uri`` is ``channel:ID`` or ``bridge:ID``; ``state`` ends as ``done`` or ``failed``."""

    id: str
    media_uri: str
    target_uri: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRecording:
    """``duration`` is in seconds; ``cause`` says why a recording failed."""

    name: str
    format: str
    target_uri: str
    state: str
    duration: int | None = None
    cause: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """A Stasis application and what it is subscribed to, by id."""

    name: str
    channel_ids: tuple[str, ...]
    bridge_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A module of Asterisk; ``status`` is ``Running`` when it works."""

    name: str
    description: str
    use_count: int
    status: str
    support_level: str


def decode(cls: type[T], data: object) -> T:
    """Builds ``cls``, a dataclass of this package, from JSON; raises ProtocolError if it does not fit."""
    if not isinstance(data, Mapping):
        raise ProtocolError(f"{cls.__name__} is {type(data).__name__}, not an object")
    values = {}
    for name, (convert, required) in _plan(cast(Any, cls)).items():
        if data.get(name) is not None:
            values[name] = convert(data[name])
        elif required:
            raise ProtocolError(f"{cls.__name__} without {name!r}")
    return cls(**values)


@cache
def _plan(cls: Any) -> dict[str, tuple[Callable[[Any], Any], bool]]:
    hints = get_type_hints(cls)
    return {
        f.name: (
            _converter(f"{cls.__name__}.{f.name}", hints[f.name]),
            f.default is MISSING and f.default_factory is MISSING,
        )
        for f in fields(cls)
    }


def _converter(where: str, hint: Any) -> Callable[[Any], Any]:
    if get_origin(hint) is UnionType:
        hint = next(arg for arg in get_args(hint) if arg is not type(None))
    if isinstance(hint, type) and is_dataclass(hint):
        return partial(decode, hint)
    if hint is datetime:
        return partial(_datetime, where)
    if get_origin(hint) is tuple:
        return partial(_strings, where)
    return partial(_checked, where, get_origin(hint) or hint)


def _checked(where: str, kind: type, value: Any) -> Any:
    if not isinstance(value, kind):
        raise ProtocolError(f"{where} is {type(value).__name__}, not {kind.__name__}")
    return value


def _strings(where: str, value: Any) -> tuple[str, ...]:
    return tuple(_checked(where, str, item) for item in _checked(where, list, value))


def _datetime(where: str, value: Any) -> datetime:
    try:
        return datetime.fromisoformat(_checked(where, str, value))
    except ValueError as error:
        raise ProtocolError(f"{where} is not a date: {value!r}") from error
