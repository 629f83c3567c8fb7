"""Calling out: what is ordered, who may be called, how often, and what came of it."""

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from bot.ari.models import CallerID, Channel, DialplanCEP
from bot.config.settings import Outbound
from bot.errors import OrderRefused

#: Technology and address; nothing that Asterisk would take for a second destination or for options.
ENDPOINT = re.compile(r"[A-Za-z0-9]+/[A-Za-z0-9_.+*#@:-]+")
NAMED = re.compile(r'\s*"?(?P<name>[^"<]*?)"?\s*<(?P<number>[^>]*)>\s*')
WINDOW_S = 60.0
#: Q.850 causes of a leg that never answered.
BUSY, NO_ANSWER, REJECTED = 17, frozenset({16, 18, 19}), 21


@dataclass(frozen=True, slots=True)
class Order:
    """Call ``endpoint`` and let ``agent`` talk (empty: whoever matches); ``variables`` fill
    ``{var:NAME}``."""

    endpoint: str
    agent: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


class Allowance:
    """The operator's allow-list and limits, for the whole service."""

    def __init__(self, limits: Outbound) -> None:
        self._limits = limits
        self._taken: deque[float] = deque()

    def take(self, endpoint: str, active: int, now: float) -> None:
        """One more call, while ``active`` outbound ones are under way. Raises OrderRefused."""
        limits = self._limits
        allowed = any(fits(endpoint, pattern) for pattern in limits.allow)
        if not allowed or not ENDPOINT.fullmatch(endpoint):
            raise OrderRefused(
                "not_allowed", f"{endpoint} may not be called", remedy="outbound.allow names who may"
            )
        while self._taken and now - self._taken[0] >= WINDOW_S:
            self._taken.popleft()
        if active >= limits.max_calls:
            raise OrderRefused("too_many", f"{active} calls are under way", remedy="see outbound.max_calls")
        if len(self._taken) >= limits.per_minute:
            raise OrderRefused(
                "too_many",
                f"{limits.per_minute} calls began in this minute",
                remedy="see outbound.per_minute",
            )
        self._taken.append(now)


def fits(endpoint: str, pattern: str) -> bool:
    """No wildcard stands for an ``@``: which trunk a number goes to is for the operator to say."""
    parts, patterns = endpoint.split("@"), pattern.split("@")
    return len(parts) == len(patterns) and all(map(fnmatchcase, parts, patterns))


def unanswered(cause: int, *, rang_out: bool = False) -> str:
    """Why nobody answered, in words, from the Q.850 cause of the destroyed channel. ``rang_out``: it rang for
    as long as it may."""
    if rang_out and cause in NO_ANSWER:
        return "ring time-out"
    if cause == BUSY:
        return "busy"
    if cause == REJECTED:
        return "rejected"
    return "no answer" if cause in NO_ANSWER else f"unreachable (cause {cause})"


def dialled(channel_id: str, caller_id: str, endpoint: str) -> Channel:
    """The channel of an outbound call as it will be, before Asterisk has it. ``caller_id`` is a number, or
    ``Name <number>``."""
    named = NAMED.fullmatch(caller_id)
    nobody = CallerID(name="", number="")
    return Channel(
        id=channel_id,
        name=endpoint,
        state="Down",
        caller=CallerID(name=named["name"], number=named["number"])
        if named
        else CallerID(name="", number=caller_id),
        connected=nobody,
        accountcode="",
        dialplan=DialplanCEP(context="", exten=endpoint, priority=1),
        creationtime=datetime.now(UTC),
        language="",
    )
