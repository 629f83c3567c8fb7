"""What a rule of ``check`` looks at, and small helps for rules."""

import difflib
from collections.abc import Callable, Iterable
from typing import NamedTuple

from bot.config.problem import Finding
from bot.config.settings import Settings


class Subject(NamedTuple):
    """Settings in today's spelling, the chosen provider, and the tools that exist."""

    settings: Settings
    provider: str
    known_tools: frozenset[str]


Rule = Callable[[Subject], Iterable[Finding]]


def near(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """``did you mean …?`` when one of ``known`` is close."""
    found = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {found[0]}?" if found else otherwise
