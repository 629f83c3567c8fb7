"""What a call needs to know of the model, as frozen events, and the one table that reads them from the wire.

The names of both dialects stand side by side: they never collide, so a server that mixes them is
understood as well. Anything else becomes ``Unknown`` and is data, never an error.
"""

from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, get_args, get_origin, get_type_hints

import orjson

from bot.errors import ProtocolError

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SessionCreated:
    session: Json


@dataclass(frozen=True, slots=True)
class SessionUpdated:
    session: Json


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The server's VAD hears the caller. ``audio_start_ms`` counts appended audio."""

    item_id: str
    audio_start_ms: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    item_id: str
    audio_end_ms: int


@dataclass(frozen=True, slots=True)
class IdleTimeout:
    """The server's ``idle_timeout_ms`` is over: it lets the agent ask whether the caller is there."""


@dataclass(frozen=True, slots=True)
class CallerTranscript:
    item_id: str
    text: str


@dataclass(frozen=True, slots=True)
class ResponseCreated:
    response_id: str


@dataclass(frozen=True, slots=True)
class AgentAudio:
    """A stretch of the agent's voice in the session's output format."""

    response_id: str
    item_id: str
    content_index: int
    audio: bytes


@dataclass(frozen=True, slots=True)
class AgentAudioDone:
    response_id: str
    item_id: str


@dataclass(frozen=True, slots=True)
class AgentTranscriptDelta:
    response_id: str
    item_id: str
    text: str


@dataclass(frozen=True, slots=True)
class AgentTranscript:
    """The whole transcript of one item, at ``response.output_audio_transcript.done``."""

    response_id: str
    item_id: str
    text: str


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A completed function call; ``arguments`` is the model's JSON text, not yet checked."""

    response_id: str
    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ResponseDone:
    """``status``: completed, cancelled, failed or incomplete. ``reason`` refines it (``turn_detected``)."""

    response_id: str
    status: str
    reason: str
    usage: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """An ``error`` event. ``event_id`` is the client event that caused it, when the server says so."""

    code: str
    message: str
    param: str
    event_id: str


@dataclass(frozen=True, slots=True)
class Unknown:
    type: str
    data: Json


Event = (
    SessionCreated
    | SessionUpdated
    | SpeechStarted
    | SpeechStopped
    | IdleTimeout
    | CallerTranscript
    | ResponseCreated
    | AgentAudio
    | AgentAudioDone
    | AgentTranscriptDelta
    | AgentTranscript
    | FunctionCall
    | ResponseDone
    | Fault
    | Unknown
)


def _audio(data: Json) -> Event:
    return AgentAudio(
        data["response_id"], data["item_id"], data.get("content_index", 0), b64decode(data["delta"])
    )


def _output_item_done(data: Json) -> Event:
    item = data["item"]
    if item.get("type") == "function_call" and item.get("status") == "completed":
        return FunctionCall(
            data["response_id"], item["call_id"], item.get("name") or "", item.get("arguments") or "{}"
        )
    return Unknown(data["type"], data)


def _response_done(data: Json) -> Event:
    response = data["response"]
    details = response.get("status_details") or {}
    error = details.get("error") or {}
    reason = details.get("reason") or error.get("code") or error.get("type") or ""
    return ResponseDone(
        response["id"], response.get("status") or "completed", reason, response.get("usage") or {}
    )


def _fault(data: Json) -> Event:
    error = data.get("error") or {}
    return Fault(
        error.get("code") or error.get("type") or "",
        error.get("message") or "",
        error.get("param") or "",
        error.get("event_id") or "",
    )


def _audio_done(data: Json) -> Event:
    return AgentAudioDone(data["response_id"], data["item_id"])


def _transcript_delta(data: Json) -> Event:
    return AgentTranscriptDelta(data["response_id"], data["item_id"], data.get("delta") or "")


def _agent_transcript(data: Json) -> Event:
    return AgentTranscript(data["response_id"], data["item_id"], data.get("transcript") or "")


READERS: dict[str, Callable[[Json], Event]] = {
    "session.created": lambda d: SessionCreated(d.get("session") or {}),
    "session.updated": lambda d: SessionUpdated(d.get("session") or {}),
    "input_audio_buffer.speech_started": lambda d: SpeechStarted(d["item_id"], d.get("audio_start_ms") or 0),
    "input_audio_buffer.speech_stopped": lambda d: SpeechStopped(d["item_id"], d.get("audio_end_ms") or 0),
    "input_audio_buffer.timeout_triggered": lambda d: IdleTimeout(),
    "conversation.item.input_audio_transcription.completed": lambda d: CallerTranscript(
        d["item_id"], (d.get("transcript") or "").strip()
    ),
    "response.created": lambda d: ResponseCreated(d["response"]["id"]),
    "response.output_audio.delta": _audio,
    "response.audio.delta": _audio,
    "response.output_audio.done": _audio_done,
    "response.audio.done": _audio_done,
    "response.output_audio_transcript.delta": _transcript_delta,
    "response.audio_transcript.delta": _transcript_delta,
    "response.output_audio_transcript.done": _agent_transcript,
    "response.audio_transcript.done": _agent_transcript,
    "response.output_item.done": _output_item_done,
    "response.done": _response_done,
    "error": _fault,
}


#: The type of each field of each event, as its class says.
KINDS: dict[type[Event], dict[str, type]] = {
    cls: {name: get_origin(hint) or hint for name, hint in get_type_hints(cls).items()}
    for cls in get_args(Event)
}


def read(message: str | bytes) -> Event:
    """One server event.

    Raises ProtocolError for text that is not a JSON object with a ``type``, or that lacks a field
    its type must have, or holds something else in its place.
    """
    try:
        data = orjson.loads(message)
        reader = READERS.get(data["type"])
        return _checked(reader(data) if reader else Unknown(data["type"], data))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProtocolError(f"not a Realtime event ({type(error).__name__}: {error})") from error


def _checked(event: Event) -> Event:
    for name, kind in KINDS[type(event)].items():
        if not isinstance(value := getattr(event, name), kind):
            raise TypeError(f"{name} is {type(value).__name__}, not {kind.__name__}")
    return event
