"""``--set`` and ``--sweep``: single settings given on the command line, checked as those of the file are."""

from typing import NamedTuple

from pydantic import ValidationError

from bot.config import schema
from bot.config.check import KNOWN_TOOLS, check
from bot.config.rules import Subject
from bot.config.settings import Settings
from bot.errors import ConfigError

BLOCKS = ("vad", "barge_in", "echo")
"""What a replay can show; nothing else acts on how the caller is heard."""
MOST_VALUES = 12


class Variant(NamedTuple):
    """``label`` is what is swept, as ``200``; empty for the settings as they are."""

    label: str
    settings: Settings


def variants(settings: Settings, sets: list[str], sweep: str | None) -> list[Variant]:
    """The settings with all of ``sets`` (``vad.energy_threshold=300``), once for each value of ``sweep``.

    Raises ConfigError, in words, for an unknown key, a value that does not fit, or settings that contradict.
    """
    for assignment in sets:
        key, value = _split("--set", assignment)
        settings = _with("--set", settings, key, value)
    if sweep is None:
        return [Variant("", _agreeing(settings))]
    key, listed = _split("--sweep", sweep)
    values = list(dict.fromkeys(value.strip() for value in listed.split(",") if value.strip()))
    if not 2 <= len(values) <= MOST_VALUES:
        raise ConfigError(f"--sweep {sweep}: not 2 to {MOST_VALUES} values", remedy=f"write {key}=1,2,3")
    return [Variant(value, _agreeing(_with("--sweep", settings, key, value))) for value in values]


def _split(option: str, assignment: str) -> tuple[str, str]:
    key, equals, value = assignment.partition("=")
    if not equals:
        raise ConfigError(f"{option} {assignment}: no value", remedy=f"write {option} {key.strip()}=VALUE")
    return key.strip(), value.strip()


def _with(option: str, settings: Settings, key: str, value: str) -> Settings:
    block_name, _, name = key.partition(".")
    if block_name not in BLOCKS:
        remedy = "vad.…, barge_in.… and echo.… do"
        raise ConfigError(f"{option} {key}: does not act on how the caller is heard", remedy=remedy)
    path = (block_name, name)
    if schema.annotation_at(path) is None:
        raise ConfigError(f"{option} {key}: unknown key", remedy=schema.suggest(path))
    block = getattr(settings, block_name)
    try:
        changed = type(block).model_validate(block.model_dump() | {name: value})
    except ValidationError:
        wanted = schema.describe(schema.annotation_at(path))
        raise ConfigError(f"{option} {key}: expected {wanted}, not `{value}`") from None
    return settings.model_copy(update={block_name: changed})


def _agreeing(settings: Settings) -> Settings:
    """Raises ConfigError where two settings contradict each other."""
    for finding in check(Subject(settings, "offline", KNOWN_TOOLS)):
        if finding.severity == "error" and finding.path[0] in BLOCKS:
            raise ConfigError(f"{'.'.join(map(str, finding.path))}: {finding.message}", remedy=finding.remedy)
    return settings
