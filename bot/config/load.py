"""``config.yaml`` and the environment in; settings, warnings and the chosen provider out."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path as FilePath
from textwrap import shorten
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bot.config import schema
from bot.config.check import KNOWN_TOOLS, check
from bot.config.document import Document, parse
from bot.config.environment import Environment
from bot.config.legacy import adapt
from bot.config.problem import Finding, Path, Problem, dotted
from bot.config.rules import Subject
from bot.config.settings import Settings
from bot.errors import ConfigError

Provider = Literal["openai", "offline"]

FROM_ENVIRONMENT: Mapping[tuple[str, str], str] = {
    ("openai", "api_key"): "${OPENAI_API_KEY:-}",
    ("asterisk", "password"): "${ARI_PASSWORD:-}",
}
"""Secrets that a file need not mention."""


@dataclass(frozen=True)
class Loaded:
    """What ``load`` found; ``provider_reason`` completes «the provider is … because …»."""

    settings: Settings
    warnings: tuple[Problem, ...]
    provider: Provider
    provider_reason: str


class _Choice(NamedTuple):
    provider: Provider
    reason: str


def load(
    path: str | os.PathLike[str],
    env: Mapping[str, str] = os.environ,
    known_tools: frozenset[str] = KNOWN_TOOLS,
) -> Loaded:
    """Reads, resolves, validates and checks.

    Raises ``ConfigError`` with every mistake, one a line, warnings after them, so that all can be put
    right in one go.
    """
    file = os.fspath(path)
    environment = Environment(env)
    document = parse(_read(file), file, environment.resolve)
    for key, reference in FROM_ENVIRONMENT.items():
        _fill(document.data, key, reference, environment)
    findings = document.findings + environment.findings
    settings, more = _validate(_without_nulls(document.data, ()))
    findings += _beyond(findings, more)
    chosen = _choose(settings, environment)
    checked, more = adapt(settings)
    more += check(Subject(checked, chosen.provider, known_tools))
    findings += _beyond(findings, more)
    problems = [_problem(file, document, finding) for finding in findings]
    problems.sort(key=lambda problem: (problem.severity == "warning", problem.line or 0))
    if any(problem.severity == "error" for problem in problems):
        raise ConfigError("\n".join(map(str, problems)))
    return Loaded(checked, tuple(problems), chosen.provider, chosen.reason)


def _read(file: str) -> str:
    try:
        return FilePath(file).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{file}: no such file", remedy="name another with --config") from None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{file}:{line}: not UTF-8 text", remedy="save the file as UTF-8") from None


def _fill(data: dict[str, Any], path: tuple[str, str], reference: str, environment: Environment) -> None:
    """Resolves ``reference`` where the file says nothing; what is no block is left for the validation."""
    block, key = path
    inside = data.get(block) or {}
    if isinstance(inside, dict) and inside.get(key) is None:
        data[block] = {**inside, key: environment.resolve(reference, path)}


def _without_nulls(value: Any, path: Path) -> Any:
    """``value`` without the keys that are written but empty (all lines below commented out): the default
    is meant, except where ``null`` has a meaning."""
    if isinstance(value, list):
        return [_without_nulls(item, (*path, index)) for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    result = {}
    for key, inner in value.items():
        here = (*path, key)
        annotation = schema.annotation_at(here)
        if inner is not None or annotation is None or schema.nullable(annotation):
            result[key] = _without_nulls(inner, here)
        elif schema.known_keys(here) and not schema.default_at(here):
            result[key] = {}
        elif not schema.default_at(here):
            result[key] = None
    return result


def _validate(data: dict[str, Any]) -> tuple[Settings, list[Finding]]:
    """The settings, and a finding for each value that had to be left out to get them."""
    findings: list[Finding] = []
    while True:
        try:
            return Settings.model_validate(data), findings
        except ValidationError as error:
            for details in error.errors():
                findings += _beyond(findings, [_explain(details)])
                _remove(data, details["loc"], details["type"] == "missing")


def _explain(details: ErrorDetails) -> Finding:
    path, kind = details["loc"], details["type"]
    if kind == "extra_forbidden":
        return Finding(path, "unknown key", schema.suggest(path))
    if kind == "missing":
        return Finding(path, "is missing", f"add {path[-1]}: {schema.describe(schema.annotation_at(path))}")
    if kind == "string_pattern_mismatch":
        wanted = _PATTERNS.get(path, details["msg"])
    else:
        wanted = schema.describe(schema.annotation_at(path))
    given = "what was given" if schema.secret(path) else _shown(details["input"])
    return Finding(path, f"expected {wanted}, not {given}")


_PATTERNS: Mapping[Path, str] = {
    ("media", "rtp", "ports"): "a range such as 20000-21999",
    ("asterisk", "app"): "letters, digits and . _ -",
}


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a block of keys"
    if isinstance(value, list):
        return "a list"
    return "nothing" if value in (None, "") else f"`{shorten(str(value), 60)}`"


def _remove(data: dict[str, Any], path: Path, missing: bool) -> None:
    """Takes out the value at ``path``; of a list, or of a block in which something is missing, the whole."""
    keys = [str(part) for part in takewhile(lambda part: isinstance(part, str), path)]
    *outer, last = keys[:-1] if missing else keys
    inside = data
    for key in outer:
        inside = inside.get(key, {})
    inside.pop(last, None)


def _beyond(known: list[Finding], more: list[Finding]) -> list[Finding]:
    """Those of ``more`` that are not about a place already found wrong, nor about a part of it."""
    wrong = [finding.path for finding in known if finding.severity == "error"]
    return [f for f in more if not any(f.path[: len(path)] == path for path in wrong)]


def _choose(settings: Settings, environment: Environment) -> _Choice:
    if settings.provider_name is not None:
        return _Choice(settings.provider_name, "provider_name says so")
    if not settings.openai.api_key.get_secret_value():
        return _Choice("offline", "there is no API key (OPENAI_API_KEY is not set)")
    for name in ("OPENAI_API_KEY", "OPENAI_API_KEY_FILE"):
        if environment.env.get(name):
            return _Choice("openai", f"{name} is set")
    return _Choice("openai", "openai.api_key is set")


def _problem(file: str, document: Document, finding: Finding) -> Problem:
    line = document.line(finding.path)
    return Problem(file, line, dotted(finding.path), finding.message, finding.remedy, finding.severity)
