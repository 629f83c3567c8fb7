"""The two vocabularies of the Realtime API, in one place: every name that differs between them.

Inside the server everything is said in today's names (``ga``); a ``Dialect`` turns events, items and
settings into what its clients expect, and their settings back. ``beta`` is the API before its general
availability, still spoken by compatible servers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from bot.offline.config import (
    NULLABLE,
    Format,
    Json,
    SessionConfig,
    complete_turn_detection,
)
from bot.offline.items import Item

Path = tuple[str, ...]

_GA_PATHS: dict[str, Path] = {
    "instructions": ("instructions",),
    "modality": ("output_modalities",),
    "input_format": ("audio", "input", "format"),
    "noise_reduction": ("audio", "input", "noise_reduction"),
    "transcription": ("audio", "input", "transcription"),
    "turn_detection": ("audio", "input", "turn_detection"),
    "output_format": ("audio", "output", "format"),
    "voice": ("audio", "output", "voice"),
    "speed": ("audio", "output", "speed"),
    "tools": ("tools",),
    "tool_choice": ("tool_choice",),
    "max_output_tokens": ("max_output_tokens",),
    "truncation": ("truncation",),
    "include": ("include",),
    "parallel_tool_calls": ("parallel_tool_calls",),
    "prompt": ("prompt",),
    "reasoning": ("reasoning",),
    "tracing": ("tracing",),
}
_BETA_PATHS: dict[str, Path] = {
    "instructions": ("instructions",),
    "modality": ("modalities",),
    "input_format": ("input_audio_format",),
    "noise_reduction": ("input_audio_noise_reduction",),
    "transcription": ("input_audio_transcription",),
    "turn_detection": ("turn_detection",),
    "output_format": ("output_audio_format",),
    "voice": ("voice",),
    "speed": ("speed",),
    "tools": ("tools",),
    "tool_choice": ("tool_choice",),
    "max_output_tokens": ("max_response_output_tokens",),
    "temperature": ("temperature",),
    "tracing": ("tracing",),
}
_BETA_EVENTS = {
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "conversation.item.added": "conversation.item.created",
}
_BETA_FORMATS: dict[Format, str] = {
    "audio/pcm": "pcm16",
    "audio/pcmu": "g711_ulaw",
    "audio/pcma": "g711_alaw",
}
_RESPONSE_FIELDS = ("modality", "output_format", "voice", "max_output_tokens", "temperature")


@dataclass(frozen=True)
class Dialect:
    """Names of one dialect. ``events`` renames, ``unsaid`` are the events that it does not have."""

    name: Literal["ga", "beta"]
    paths: Mapping[str, Path]
    events: Mapping[str, str]
    unsaid: frozenset[str]
    default: SessionConfig

    def event_type(self, name: str) -> str | None:
        """This dialect's name of the event that ``ga`` calls ``name``; ``None`` if it has no such event."""
        return None if name in self.unsaid else self.events.get(name, name)

    def update(self, config: SessionConfig, wire: Json) -> SessionConfig:
        """``config`` with the fields that ``wire`` (a checked ``session`` or ``response``) sets."""
        changes = {}
        for field, path in self.paths.items():
            found, value = _look_up(wire, path)
            if found and (value is not None or field in NULLABLE):
                changes[field] = self._from_wire(field, value)
        return replace(config, **changes)

    def session(self, config: SessionConfig, identity: Json) -> Json:
        """The ``session`` object of session.created and session.updated."""
        return self._render(config, self.paths) | identity

    def response(self, config: SessionConfig) -> Json:
        """The settings that a ``response`` object repeats."""
        return self._render(config, {f: self.paths[f] for f in _RESPONSE_FIELDS if f in self.paths})

    def item(self, item: Item) -> Json:
        """An item as this dialect shows it, without its audio."""
        wire = item.wire()
        if self.name == "beta" and item.role == "assistant":
            wire["content"] = [
                part | {"type": part["type"].removeprefix("output_")} for part in wire["content"]
            ]
        return wire

    def _render(self, config: SessionConfig, paths: Mapping[str, Path]) -> Json:
        wire: Json = {}
        for field, path in paths.items():
            inner = wire
            for key in path[:-1]:
                inner = inner.setdefault(key, {})
            inner[path[-1]] = self._to_wire(field, getattr(config, field))
        return wire

    def _to_wire(self, field: str, value: Any) -> Any:
        if field == "modality":
            return ["audio", "text"] if (self.name, value) == ("beta", "audio") else [value]
        if field in ("input_format", "output_format"):
            if self.name == "beta":
                return _BETA_FORMATS[value]
            return {"type": value, "rate": 24000} if value == "audio/pcm" else {"type": value}
        return list(value) if field == "tools" else value

    def _from_wire(self, field: str, value: Any) -> Any:
        if field == "modality":
            return "audio" if "audio" in value else "text"
        if field in ("input_format", "output_format"):
            if self.name == "beta":
                return next(ours for ours, theirs in _BETA_FORMATS.items() if theirs == value)
            return value["type"]
        if field == "turn_detection":
            return complete_turn_detection(value)
        return tuple(value) if field == "tools" else value


def _look_up(wire: Json, path: Path) -> tuple[bool, Any]:
    value: Any = wire
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return False, None
        value = value[key]
    return True, value


_TURN_DETECTION = complete_turn_detection({"type": "server_vad"})

GA = Dialect("ga", _GA_PATHS, {}, frozenset(), SessionConfig(turn_detection=_TURN_DETECTION))
BETA = Dialect(
    "beta",
    _BETA_PATHS,
    _BETA_EVENTS,
    frozenset({"conversation.item.done"}),
    SessionConfig(turn_detection=_TURN_DETECTION, voice="alloy"),
)
DIALECTS = {dialect.name: dialect for dialect in (GA, BETA)}
