"""A caller who says nothing: when to ask whether he is there, when to give up. PURE; times are in seconds."""

from dataclasses import dataclass
from math import inf
from typing import Literal

#: A service that asks by itself would ask once more than we want; the goodbye comes so long before.
BEFORE_SERVER_S = 1.0


@dataclass(frozen=True, slots=True)
class IdleParams:
    """``prompt_after_s`` 0: never. ``server_after_s``: the model's own service asks, after so long
    (``idle_timeout_ms``); then only the goodbye comes from here. 0: it does not."""

    prompt_after_s: float = 15.0
    prompts: int = 2
    server_after_s: float = 0.0


class IdleClock:
    """``tick`` it; it counts while nobody is busy."""

    def __init__(self, params: IdleParams, now: float) -> None:
        self._params = params
        self._since = now
        self._asked = 0

    def tick(self, now: float, *, busy: bool) -> Literal["ask", "goodbye"] | None:
        """``busy``: somebody speaks, or something is under way that the caller waits for."""
        if busy:
            self._since = now
        if not self._params.prompt_after_s or now < self._since + self._patience_s():
            return None
        self._since = now
        if self._asked >= self._params.prompts:
            return "goodbye"
        self._asked += 1
        return "ask"

    def _patience_s(self) -> float:
        if not self._params.server_after_s:
            return self._params.prompt_after_s
        done = self._asked >= self._params.prompts
        return self._params.server_after_s - BEFORE_SERVER_S if done else inf

    def server_asked(self) -> None:
        self._asked += 1

    def heard(self, now: float) -> None:
        """The caller gave a sign of life."""
        self._asked, self._since = 0, now

    def quiet_s(self, now: float) -> float:
        """How long nobody has been busy."""
        return now - self._since
