"""The caller's keys: which of them belong together, and when they are complete. PURE; times are in seconds.

Keys that nobody asked for are complete after a pause. A *gather* is somebody who asked: it takes every key,
those of a quick caller that are still pending too, until one of its ends is met.
"""

from dataclasses import dataclass
from typing import Literal

Ended = Literal["terminator", "max_digits", "digit_timeout", "timeout", "speech", "leaving"]


#: Of so many keys a number is made that is typed with pauses.
GROUP = 4


@dataclass(frozen=True, slots=True)
class GatherParams:
    """``digit_timeout_s`` runs from each key, ``timeout_s`` until the first. ``terminator`` may be empty."""

    max_digits: int = 32
    terminator: str = "#"
    digit_timeout_s: float = 4.0
    timeout_s: float = 20.0


@dataclass(frozen=True, slots=True)
class Gathered:
    """The terminator is not among ``digits``."""

    digits: str
    ended: Ended


class Keypad:
    """``press`` and ``tick`` it; ``gathered`` is the result of the latest gather, None while it goes on.

    Keys that nobody asked for are complete ``pause_s`` after the last, from a ``GROUP`` on ``long_pause_s``.
    """

    def __init__(self, pause_s: float, long_pause_s: float = 0.0) -> None:
        self.gathered: Gathered | None = None
        self._pause_s = pause_s
        self._long_pause_s = max(pause_s, long_pause_s)
        self._gather: GatherParams | None = None
        self._pending = ""
        self._spoken = False  # by the caller, since the gather began
        self._since = 0.0  # the latest key, or the beginning of the gather

    @property
    def gathering(self) -> bool:
        return self._gather is not None

    @property
    def pending(self) -> bool:
        """Keys have come that are not complete yet."""
        return bool(self._pending)

    def gather(self, params: GatherParams, now: float) -> None:
        """Ask for digits. Only while no gather goes on."""
        early, self._pending = self._pending, ""
        self._gather, self.gathered, self._since, self._spoken = params, None, now, False
        for digit in early:
            self.press(digit, now)

    def spoke(self) -> None:
        """The caller said something."""
        self._spoken = True

    def press(self, digit: str, now: float) -> None:
        self._since = now
        if self._gather is not None and digit == self._gather.terminator:
            self.stop("terminator")
            return
        self._pending += digit
        if self._gather is not None and len(self._pending) >= self._gather.max_digits:
            self.stop("max_digits")

    def tick(self, now: float, *, agent_audible: bool = False) -> str:
        """Keys that nobody asked for, once they are complete, otherwise nothing. A caller who is still being
        told what to type has not begun to be slow."""
        if self._gather is None:
            pause_s = self._pause_s if len(self._pending) < GROUP else self._long_pause_s
            if not self._pending or now < self._since + pause_s:
                return ""
            complete, self._pending = self._pending, ""
            return complete
        if agent_audible and not self._pending:
            self._since = now
        if self._pending and now >= self._since + self._gather.digit_timeout_s:
            self.stop("digit_timeout")
        elif not self._pending and now >= self._since + self._gather.timeout_s:
            self.stop("speech" if self._spoken else "timeout")
        return ""

    def stop(self, ended: Ended) -> None:
        """End the gather, if there is one, with the digits that have come."""
        if self._gather is not None:
            self._gather, self.gathered = None, Gathered(self._pending, ended)
            self._pending = ""
