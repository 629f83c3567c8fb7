"""Events: every class against Asterisk's events.json, and parsing."""

import dataclasses
import inspect
import json
from datetime import UTC, datetime
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from bot.ari import events, models
from bot.ari.events import EVENTS, Event, UnknownEvent, parse_event
from bot.errors import ProtocolError

TYPES = {"string": str, "int": int, "long": int, "boolean": bool, "Date": datetime, "object": dict[str, str]}
SAMPLES: dict[Any, Any] = {
    "string": "text",
    "int": 7,
    "long": 7,
    "boolean": True,
    "Date": "2026-01-02T03:04:05.678+0000",
    "object": {"A": "1"},
    "List[string]": ["a", "b"],
}
MODELS = [cls for _, cls in inspect.getmembers(models, dataclasses.is_dataclass)]
BASES = {"Event", "ChannelEvent", "PlaybackEvent", "RecordingEvent", "UnknownEvent"}


def properties(api_models: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    """A model's fields; an event has those of Message and Event too."""
    own = dict(api_models[name]["properties"])
    for parent in ("Message", "Event") if name in api_models["Event"]["subTypes"] else ():
        own |= api_models[parent]["properties"]
    return own


def sample(api_models: dict[str, dict[str, Any]], kind: str) -> Any:
    """A value of one of Asterisk's types with all its fields, optional ones among them."""
    if kind in SAMPLES:
        return SAMPLES[kind]
    return {name: sample(api_models, p["type"]) for name, p in properties(api_models, kind).items()}


def event_json(api_models: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    return {**sample(api_models, name), "type": name}


def plain(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is UnionType else hint


def test_every_event_class_is_registered() -> None:
    defined = {
        n for n, cls in inspect.getmembers(events, inspect.isclass) if cls.__module__ == events.__name__
    }
    assert defined - BASES == set(EVENTS)


@pytest.mark.parametrize("cls", [*EVENTS.values(), *MODELS], ids=lambda cls: cls.__name__)
def test_fields_are_asterisks_own(cls: Any, api_models: dict[str, dict[str, Any]]) -> None:
    described = properties(api_models, cls.__name__)
    hints = get_type_hints(cls)
    for field in dataclasses.fields(cls):
        assert field.name in described, field.name
        property_ = described[field.name]
        hint = plain(hints[field.name])
        if property_["type"] == "List[string]":
            assert hint == tuple[str, ...]
        else:
            assert hint == TYPES.get(property_["type"]) or hint.__name__ == property_["type"]
        if field.default is field.default_factory is dataclasses.MISSING:
            assert property_["required"], f"{field.name} may be missing"


@pytest.mark.parametrize("name", EVENTS)
def test_parses_what_asterisk_describes(name: str, api_models: dict[str, dict[str, Any]]) -> None:
    event = parse_event(json.dumps(event_json(api_models, name)))
    assert type(event) is EVENTS[name]
    assert isinstance(event, Event)
    assert (event.type, event.application) == (name, "text")
    assert event.timestamp == datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    for field in dataclasses.fields(event):
        assert getattr(event, field.name) is not None
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.type = "other"  # type: ignore[misc]


@pytest.mark.parametrize("name", EVENTS)
def test_parses_without_what_may_be_missing(name: str, api_models: dict[str, dict[str, Any]]) -> None:
    described = properties(api_models, name)
    given = {k: v for k, v in event_json(api_models, name).items() if described[k].get("required")}
    assert type(parse_event(json.dumps(given))) is EVENTS[name]


def test_routes_by_channel(api_models: dict[str, dict[str, Any]]) -> None:
    def channel_id(name: str, **changes: Any) -> str | None:
        return parse_event(json.dumps({**event_json(api_models, name), **changes})).channel_id

    def playback(target: str) -> dict[str, str]:
        return {"id": "p", "media_uri": "m", "target_uri": target, "state": "done"}

    assert channel_id("StasisStart") == "text"
    peer = sample(api_models, "Channel") | {"id": "leg"}
    assert channel_id("Dial", peer=peer) == "leg"
    assert channel_id("ChannelVarset", channel=None) is None
    assert channel_id("PlaybackFinished", playback=playback("channel:c1")) == "c1"
    assert channel_id("PlaybackFinished", playback=playback("bridge:b1")) is None
    assert channel_id("BridgeDestroyed") is None
    assert UnknownEvent(type="New", data={"channel": {"id": "c9"}}).channel_id == "c9"
    assert UnknownEvent(type="New", data={"channel": "c9"}).channel_id is None


def test_unknown_event_keeps_its_data() -> None:
    data = {"type": "SomethingNew", "channel": {"id": "c1"}, "x": [1, 2]}
    event = parse_event(json.dumps(data).encode())
    assert event == UnknownEvent(type="SomethingNew", data=data)


def test_replaced_channel_and_arguments(api_models: dict[str, dict[str, Any]]) -> None:
    given = event_json(api_models, "StasisStart")
    given["replace_channel"]["id"] = "old"
    event = parse_event(json.dumps(given))
    assert isinstance(event, events.StasisStart)
    assert event.args == ("a", "b")
    assert event.replace_channel
    assert event.replace_channel.id == "old"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        ("[1]", "no type"),
        ('{"type": 5}', "no type"),
        ('{"type": "StasisEnd", "application": "a", "timestamp": "yesterday"}', "not a date"),
        ('{"type": "ApplicationReplaced", "timestamp": "2026-01-02T03:04:05Z"}', "without 'application'"),
        ('{"type": "ApplicationReplaced", "application": 5}', "application is int"),
        (
            '{"type": "StasisEnd", "application": "a", "timestamp": "2026-01-02T03:04:05Z", "channel": 1}',
            "not an obj",
        ),
    ],
)
def test_bad_input_is_a_protocol_error(text: str | bytes, words: str) -> None:
    with pytest.raises(ProtocolError, match=words):
        parse_event(text)
