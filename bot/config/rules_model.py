"""Rules about the model: key, dialect, modalities, voices, turn detection."""

from collections.abc import Iterator

from bot.config.legacy import SPEECH_ONLY_VOICES, at_openai
from bot.config.problem import Finding, Path, warning
from bot.config.rules import Rule, Subject, near
from bot.config.settings import TurnDetection

REALTIME_VOICES = ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar")
KEYWORD_MODELS = frozenset({"gpt-transcribe", "gpt-live-transcribe"})


def api_key(subject: Subject) -> Iterator[Finding]:
    openai = subject.settings.openai
    if subject.provider != "openai" or openai.api_key.get_secret_value():
        return
    path = ("openai", "api_key")
    if at_openai(subject.settings):
        remedy = (
            "set OPENAI_API_KEY or OPENAI_API_KEY_FILE, or `provider_name: offline` for the embedded model"
        )
        yield Finding(path, "the provider is openai, but there is no API key", remedy)
    elif not any(name.lower() in ("authorization", "api-key") for name in openai.headers):
        yield warning(path, "empty: the service is connected to without a key")


def dialect(subject: Subject) -> Iterator[Finding]:
    ours = subject.provider == "openai" and at_openai(subject.settings)
    if subject.settings.openai.dialect == "beta" and ours:
        message = "OpenAI ended the beta dialect on 2026-05-12 and refuses it"
        yield Finding(
            ("openai", "dialect"), message, "write ga; beta is for compatible servers that still speak it"
        )


def model_url(subject: Subject) -> Iterator[Finding]:
    for path, url in (
        (("openai", "base_url"), subject.settings.openai.base_url),
        (("offline", "url"), subject.settings.offline.url),
    ):
        if url and not url.startswith(("ws://", "wss://")):
            yield Finding(path, f"{url} is no WebSocket address", "begin it with wss:// (or ws://)")


def modalities(subject: Subject) -> Iterator[Finding]:
    settings = subject.settings
    path: Path = ("openai", "modalities") if settings.modalities is None else ("modalities",)
    given = settings.openai.modalities
    if set(given) == {"text"}:
        message = "['text'] alone gives the agent no voice on the telephone"
        yield Finding(path, message, 'write ["audio", "text"]')
    elif set(given) != {"audio", "text"}:
        message = (
            f"Invalid modalities: {list(given)}. Supported combinations: ['text'] and ['audio', 'text']."
        )
        yield Finding(path, message, 'write ["audio", "text"]')


def voices(subject: Subject) -> Iterator[Finding]:
    """A misspelt voice; the service would refuse the whole session for it."""
    if not at_openai(subject.settings):
        return
    settings = subject.settings
    chosen: list[tuple[Path, str | None]] = [(("openai", "voice"), settings.openai.voice)]
    chosen += [(("agents", name, "voice"), agent.voice) for name, agent in settings.agents.items()]
    for path, voice in chosen:
        if voice is not None and voice not in {*REALTIME_VOICES, *SPEECH_ONLY_VOICES}:
            remedy = near(voice, REALTIME_VOICES, f"known voices: {' '.join(REALTIME_VOICES)}")
            yield warning(path, f"{voice or 'empty'} is no voice that this version knows", remedy)


def turn_detection(subject: Subject) -> Iterator[Finding]:
    settings = subject.settings
    chosen: list[tuple[Path, TurnDetection | None]] = [(("openai",), settings.openai.turn_detection)]
    chosen += [(("agents", name), agent.turn_detection) for name, agent in settings.agents.items()]
    for path, detection in chosen:
        if detection is None:
            continue
        other = "server_vad" if detection.type == "semantic_vad" else "semantic_vad"
        for field in _DETECTOR_FIELDS[other]:
            if getattr(detection, field) is not None:
                message = f"belongs to {other}, and the type is {detection.type}"
                yield Finding((*path, "turn_detection", field), message, "remove it, or change the type")


_DETECTOR_FIELDS = {
    "server_vad": ("threshold", "prefix_padding_ms", "silence_duration_ms", "idle_timeout_ms"),
    "semantic_vad": ("eagerness",),
}


def transcription(subject: Subject) -> Iterator[Finding]:
    chosen = subject.settings.openai.transcription
    if chosen and chosen.keywords and chosen.model not in KEYWORD_MODELS and at_openai(subject.settings):
        message = f"{chosen.model} takes no keywords"
        yield warning(
            ("openai", "transcription", "keywords"), message, "use gpt-transcribe, or put them in prompt"
        )


RULES: tuple[Rule, ...] = (
    api_key,
    dialect,
    model_url,
    modalities,
    voices,
    turn_detection,
    transcription,
)
