"""What a Realtime session is set to: one frozen value, the same for both dialects.

``dialect`` translates it to and from the wire; nothing here knows a wire name. Formats are named as
in the ``ga`` dialect (``audio/pcm`` is 24 kHz PCM16, the other two are G.711 at 8 kHz).
"""

from dataclasses import dataclass
from typing import Any, Literal

Json = dict[str, Any]
Format = Literal["audio/pcm", "audio/pcmu", "audio/pcma"]
Modality = Literal["audio", "text"]

SERVER_VAD: Json = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
SEMANTIC_VAD: Json = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}
# A real semantic VAD reads the words; here eagerness only chooses how long a pause ends the turn.
EAGERNESS_SILENCE_MS = {"low": 1200, "medium": 700, "auto": 700, "high": 400}


@dataclass(frozen=True)
class SessionConfig:
    """The session's settings. ``turn_detection`` is complete (defaults filled in) or ``None``."""

    instructions: str = "You are a friendly assistant who answers the telephone of a small business."
    modality: Modality = "audio"
    input_format: Format = "audio/pcm"
    output_format: Format = "audio/pcm"
    noise_reduction: Json | None = None
    transcription: Json | None = None
    turn_detection: Json | None = None
    voice: str | Json = "marin"
    speed: float = 1.0
    tools: tuple[Json, ...] = ()
    tool_choice: str | Json = "auto"
    max_output_tokens: int | str = "inf"
    truncation: str | Json = "auto"
    temperature: float = 0.8
    include: list[str] | None = None
    parallel_tool_calls: bool | None = None
    prompt: Json | None = None
    reasoning: Json | None = None
    tracing: str | Json | None = None


NULLABLE = frozenset(
    {"noise_reduction", "transcription", "turn_detection", "include", "prompt", "reasoning", "tracing"}
)
"""Fields that ``null`` switches off; for every other field ``null`` means «leave as it is»."""


def complete_turn_detection(given: Json | None) -> Json | None:
    """``turn_detection`` with the defaults of its type filled in."""
    if given is None:
        return None
    defaults = SEMANTIC_VAD if given.get("type") == "semantic_vad" else SERVER_VAD
    return defaults | {name: value for name, value in given.items() if value is not None}
