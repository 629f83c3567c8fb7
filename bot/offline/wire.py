"""What clients may send: the client events of both dialects as strict models.

Nothing is taken that ``openai.types.realtime`` (or ``.beta.realtime``) refuses; beyond it, unknown fields,
ranges and values that the real service refuses are refused too. ``parse`` puts the refusal into words.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from bot.offline.wire_items import BetaInputItem, BetaItem, GaInputItem, GaItem, Wire

MAX_APPEND_CHARS = 15 * 1024 * 1024 * 4 // 3
MaxTokens = Annotated[int, Field(ge=1, le=4096)] | Literal["inf"] | None
Metadata = dict[str, str] | None


# ---------------------------------------------------------------------------- settings, both dialects


class ServerVad(Wire):
    type: Literal["server_vad"]
    threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    prefix_padding_ms: Annotated[int, Field(ge=0)] | None = None
    silence_duration_ms: Annotated[int, Field(ge=0)] | None = None
    idle_timeout_ms: Annotated[int, Field(ge=5000, le=30000)] | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None


class SemanticVad(Wire):
    type: Literal["semantic_vad"]
    eagerness: Literal["low", "medium", "high", "auto"] | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None


TurnDetection = Annotated[ServerVad | SemanticVad, Field(discriminator="type")]


class Transcription(Wire):
    model: str | None = None
    language: str | None = None
    languages: list[str] | None = None
    prompt: str | None = None
    keywords: list[str] | None = None
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None


class NoiseReduction(Wire):
    type: Literal["near_field", "far_field"] | None = None
    strength: float | None = None


class Function(Wire):
    type: Literal["function"]
    name: Annotated[str, Field(min_length=1)]
    description: str | None = None
    parameters: dict[str, Any] | None = None


class FunctionChoice(Wire):
    type: Literal["function"]
    name: str


class VoiceId(Wire):
    id: str


ToolChoice = Literal["none", "auto", "required"] | FunctionChoice | None
Tools = list[Function] | None
Modalities = list[Literal["text", "audio"]] | None


def _check_modalities(given: Modalities, combinations: tuple[list[str], ...]) -> Modalities:
    if given is not None and sorted(given) not in combinations:
        supported = " and ".join(str(one) for one in reversed(combinations))
        raise PydanticCustomError(
            "invalid_value",
            "Invalid modalities: {given}. Supported combinations: {supported}.",
            {"given": str(given), "supported": supported},
        )
    return given


# ---------------------------------------------------------------------------- ga


class Pcm(Wire):
    type: Literal["audio/pcm"]
    rate: Literal[24000] | None = None


class Pcmu(Wire):
    type: Literal["audio/pcmu"]


class Pcma(Wire):
    type: Literal["audio/pcma"]


GaFormat = Annotated[Pcm | Pcmu | Pcma, Field(discriminator="type")]


class GaInput(Wire):
    format: GaFormat | None = None
    noise_reduction: NoiseReduction | None = None
    transcription: Transcription | None = None
    turn_detection: TurnDetection | None = None


class GaResponseOutput(Wire):
    format: GaFormat | None = None
    voice: str | VoiceId | None = None


class GaOutput(GaResponseOutput):
    speed: Annotated[float, Field(ge=0.25, le=1.5)] | None = None


class GaAudio(Wire):
    input: GaInput | None = None
    output: GaOutput | None = None


class GaResponseAudio(Wire):
    output: GaResponseOutput | None = None


class GaCommon(Wire):
    instructions: str | None = None
    max_output_tokens: MaxTokens = None
    output_modalities: Modalities = None
    parallel_tool_calls: bool | None = None
    prompt: dict[str, Any] | None = None
    reasoning: dict[str, Any] | None = None
    tool_choice: ToolChoice = None
    tools: Tools = None

    @field_validator("output_modalities")
    @classmethod
    def _never_both(cls, given: Modalities) -> Modalities:
        return _check_modalities(given, (["audio"], ["text"]))


class GaSession(GaCommon):
    type: Literal["realtime"]
    audio: GaAudio | None = None
    include: list[Literal["item.input_audio_transcription.logprobs"]] | None = None
    model: str | None = None
    tracing: str | dict[str, Any] | None = None
    truncation: str | dict[str, Any] | None = None


# ---------------------------------------------------------------------------- beta


BetaFormat = Literal["pcm16", "g711_ulaw", "g711_alaw"] | None


class BetaCommon(Wire):
    instructions: str | None = None
    max_response_output_tokens: MaxTokens = None
    modalities: Modalities = None
    output_audio_format: BetaFormat = None
    temperature: Annotated[float, Field(ge=0.6, le=1.2)] | None = None
    tool_choice: ToolChoice = None
    tools: Tools = None
    voice: str | None = None

    @field_validator("modalities")
    @classmethod
    def _never_audio_alone(cls, given: Modalities) -> Modalities:
        return _check_modalities(given, (["audio", "text"], ["text"]))


class BetaSession(BetaCommon):
    input_audio_format: BetaFormat = None
    input_audio_noise_reduction: NoiseReduction | None = None
    input_audio_transcription: Transcription | None = None
    model: str | None = None
    speed: Annotated[float, Field(ge=0.25, le=1.5)] | None = None
    tracing: str | dict[str, Any] | None = None
    turn_detection: TurnDetection | None = None


# ---------------------------------------------------------------------------- responses


class GaResponse(GaCommon):
    audio: GaResponseAudio | None = None
    conversation: Literal["auto", "none"] | None = None
    input: list[GaInputItem] | None = None
    metadata: Metadata = None


class BetaResponse(BetaCommon):
    conversation: Literal["auto", "none"] | None = None
    input: list[BetaInputItem] | None = None
    metadata: Metadata = None


# ---------------------------------------------------------------------------- events


class ClientEvent(Wire):
    type: str
    event_id: Annotated[str, Field(max_length=512)] | None = None


class Append(ClientEvent):
    audio: Annotated[str, Field(max_length=MAX_APPEND_CHARS)]


class ItemNamed(ClientEvent):
    item_id: str


class Truncate(ItemNamed):
    content_index: Annotated[int, Field(ge=0)]
    audio_end_ms: Annotated[int, Field(ge=0)]


class Cancel(ClientEvent):
    response_id: str | None = None


class GaSessionUpdate(ClientEvent):
    session: GaSession


class BetaSessionUpdate(ClientEvent):
    session: BetaSession


class GaItemCreate(ClientEvent):
    item: GaItem
    previous_item_id: str | None = None


class BetaItemCreate(ClientEvent):
    item: BetaItem
    previous_item_id: str | None = None


class GaResponseCreate(ClientEvent):
    response: GaResponse | None = None


class BetaResponseCreate(ClientEvent):
    response: BetaResponse | None = None


_SHARED: dict[str, type[ClientEvent]] = {
    "input_audio_buffer.append": Append,
    "input_audio_buffer.commit": ClientEvent,
    "input_audio_buffer.clear": ClientEvent,
    "conversation.item.retrieve": ItemNamed,
    "conversation.item.truncate": Truncate,
    "conversation.item.delete": ItemNamed,
    "response.cancel": Cancel,
}
CLIENT_EVENTS: dict[str, dict[str, type[ClientEvent]]] = {
    "ga": _SHARED
    | {
        "session.update": GaSessionUpdate,
        "conversation.item.create": GaItemCreate,
        "response.create": GaResponseCreate,
    },
    "beta": _SHARED
    | {
        "session.update": BetaSessionUpdate,
        "conversation.item.create": BetaItemCreate,
        "response.create": BetaResponseCreate,
    },
}
