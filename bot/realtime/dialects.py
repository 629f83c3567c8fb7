"""The two event vocabularies: ``ga``, today's OpenAI, and ``beta``, still spoken by compatible servers.

Only what is *sent* differs by dialect; ``events`` reads both. A dialect turns one ``SessionRequest`` into
the body of ``session.update``.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]
AudioFormat = Literal["pcm16", "g711_ulaw", "g711_alaw"]
GA_FORMATS: dict[str, Json] = {
    "pcm16": {"type": "audio/pcm", "rate": 24000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """What a call asks of the model. ``extra`` (``openai.session:``) is merged in last, as it is."""

    instructions: str
    voice: str
    audio_format: AudioFormat = "pcm16"
    turn_detection: Json | None = None
    transcription: Json | None = None
    noise_reduction: Json | None = None
    tools: tuple[Json, ...] = ()
    extra: Json = field(default_factory=dict)


#: What a message of the agent holds when the client writes it.
AGENT_TEXT = {"ga": "output_text", "beta": "text"}


def ga_session(request: SessionRequest) -> Json:
    audio_format = GA_FORMATS[request.audio_format]
    return {
        "type": "realtime",
        "instructions": request.instructions,
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "format": audio_format,
                "noise_reduction": request.noise_reduction,
                "transcription": request.transcription,
                "turn_detection": request.turn_detection,
            },
            "output": {"format": audio_format, "voice": request.voice},
        },
        "tools": list(request.tools),
        "tool_choice": "auto",
    }


def beta_session(request: SessionRequest) -> Json:
    return {
        "modalities": ["audio", "text"],
        "instructions": request.instructions,
        "voice": request.voice,
        "input_audio_format": request.audio_format,
        "output_audio_format": request.audio_format,
        "input_audio_transcription": request.transcription,
        "turn_detection": request.turn_detection,
        "tools": list(request.tools),
        "tool_choice": "auto",
    }


#: How the text of an agent's item is called.
AGENT_TEXT = {"ga": "output_text", "beta": "text"}
BUILDERS = {"ga": ga_session, "beta": beta_session}


def session_body(dialect: str, request: SessionRequest) -> Json:
    """The ``session`` of ``session.update``."""
    return merged(BUILDERS[dialect](request), request.extra)


def turn_detection(dialect: str, body: Json) -> Json | None:
    """What ``body``, the ``session`` of ``session.update``, says of turn detection."""
    found: Json | None = (body["audio"]["input"] if dialect == "ga" else body)["turn_detection"]
    return found


def turn_detection_body(dialect: str, detection: Json) -> Json:
    """A ``session`` that changes turn detection and nothing else."""
    if dialect == "ga":
        return {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
    return {"turn_detection": detection}


def merged(base: Json, extra: Json) -> Json:
    """``base`` with ``extra`` on top, object by object; lists and scalars are replaced."""
    result = dict(base)
    for key, value in extra.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def differences(asked: Json, got: Json, path: str = "") -> list[str]:
    """Dotted names of what was asked for and is not in the session the server reports.

    A server may leave out what it holds at ``null`` and may add fields of its own; tools are compared by
    name only, since servers normalise schemas.
    """
    found: list[str] = []
    for key, value in asked.items():
        name = f"{path}{key}"
        other = got.get(key)
        if isinstance(value, dict) and isinstance(other, dict):
            found += differences(value, other, f"{name}.")
        elif key == "tools":
            if [tool.get("name") for tool in value] != [tool.get("name") for tool in other or []]:
                found.append(name)
        elif isinstance(value, list) and isinstance(other, list):
            if sorted(map(str, value)) != sorted(map(str, other)):
                found.append(name)
        elif value != other:
            found.append(name)
    return found
