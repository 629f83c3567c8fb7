"""What older configurations say, and what is made of it: they load, and the operator is told.

Source: OpenAI's Realtime guide and deprecation list as of November 2026. The beta ended on 2026-05-12,
its models on 2026-05-07.
"""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from bot.config.problem import Finding, warning
from bot.config.profile import merged
from bot.config.settings import OpenAI, Settings

DEFAULTS = OpenAI()
RETIRED_MODELS = ("gpt-4o-realtime-preview*", "gpt-4o-mini-realtime*")
ENDING_MODELS = {"gpt-realtime": "2027-01-20", "gpt-realtime-mini": "2027-01-20"}
SPEECH_ONLY_VOICES = frozenset({"fable", "onyx", "nova"})
"""Voices of OpenAI's text-to-speech service that a Realtime session does not have."""

Adaptation = tuple[Settings, list[Finding]]


def at_openai(settings: Settings) -> bool:
    """Whether ``openai.base_url`` is OpenAI's own service."""
    return settings.openai.base_url.split("://")[-1].split("/")[0].split(":")[0] == "api.openai.com"


def adapt(settings: Settings) -> Adaptation:
    """Settings with every old spelling replaced, and a finding for each that was."""
    findings: list[Finding] = []
    for step in STEPS:
        settings, found = step(settings)
        findings += found
    return settings, findings


def _with(settings: Settings, **changes: Any) -> Settings:
    return settings.model_copy(update={"openai": settings.openai.model_copy(update=changes)})


def top_level_modalities(settings: Settings) -> Adaptation:
    """``modalities`` beside ``openai:`` means ``openai.modalities``."""
    asked, inner = settings.modalities, settings.openai.modalities
    if asked is None:
        return settings, []
    if "modalities" in settings.openai.model_fields_set and set(asked) != set(inner):
        message = "differs from openai.modalities"
        return settings, [Finding(("modalities",), message, "keep openai.modalities only")]
    return _with(settings, modalities=asked), []


def retired_model(settings: Settings) -> Adaptation:
    model, path = settings.openai.model, ("openai", "model")
    if any(fnmatchcase(model, pattern) for pattern in RETIRED_MODELS):
        if at_openai(settings) and settings.openai.dialect == "ga":
            message = f"{model} was retired on 2026-05-07; {DEFAULTS.model} is used"
            return _with(settings, model=DEFAULTS.model), [warning(path, message, f"write {DEFAULTS.model}")]
        message = f"{model} was retired by OpenAI on 2026-05-07; kept, since base_url is another service"
        return settings, [warning(path, message)]
    if model in ENDING_MODELS and at_openai(settings):
        message = f"{model} ends on {ENDING_MODELS[model]}"
        return settings, [warning(path, message, f"move to {DEFAULTS.model}")]
    return settings, []


def unknown_voices(settings: Settings) -> Adaptation:
    """Text-to-speech voices become the default Realtime voice, for ``openai`` and for every agent."""
    findings = []
    remedy = "marin and cedar are recommended; also alloy ash ballad coral echo sage shimmer verse"

    def replaced(voice: str | None, *path: str) -> bool:
        if voice not in SPEECH_ONLY_VOICES or not at_openai(settings):
            return False
        message = f"{voice} is a text-to-speech voice, not a Realtime voice; {DEFAULTS.voice} is used"
        findings.append(warning(path, message, remedy))
        return True

    default = {"voice": DEFAULTS.voice}
    agents = {
        name: agent.model_copy(update=default) if replaced(agent.voice, "agents", name, "voice") else agent
        for name, agent in settings.agents.items()
    }
    if replaced(settings.openai.voice, "openai", "voice"):
        settings = _with(settings, **default)
    return settings.model_copy(update={"agents": agents}), findings


def no_tools(settings: Settings) -> Adaptation:
    """``openai.tools: []`` means that none were chosen, so the default tools are used."""
    return (_with(settings, tools=None) if settings.openai.tools == () else settings), []


def partial_turn_detection(settings: Settings) -> Adaptation:
    """Fields left out of ``openai.turn_detection`` get our defaults: the service's own vary."""
    asked = settings.openai.turn_detection
    return (_with(settings, turn_detection=merged(DEFAULTS.turn_detection, asked)) if asked else settings), []


STEPS: tuple[Callable[[Settings], Adaptation], ...] = (
    top_level_modalities,
    retired_model,
    unknown_voices,
    no_tools,
    partial_turn_detection,
)
