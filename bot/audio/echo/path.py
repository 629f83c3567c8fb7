"""Sees that the filter answers for an echo path that is gone: a door, a hand on the telephone, a new route.

After a change the filter still subtracts the old echo, so the residual holds that echo upside down,
beside the new one: residual and predicted echo are anti-correlated (-0.7 when the two paths share
nothing). A caller who speaks is correlated with neither.
"""

import math
from typing import NamedTuple

from bot.audio.echo.detector import level_db

NEAR_ABOVE_FLOOR_DB, ECHO_BELOW_NEAR_DB = 15.0, 6.0
"""Only frames that are loud, and mostly echo if the filter is right, tell about the path."""
FRAME_MEMORY, FRAME_CORRELATION = 0.6, -0.2
"""Some 3 frames this anti-correlated: this sound is the filter's, not the caller's."""
ECHO_SHARE = 0.25
"""At least this much predicted echo: a little of it, learned by mistake, must not silence the caller."""
PATH_MEMORY, PATH_CORRELATION, PATH_FRAMES = 0.9, -0.4, 12
"""Some 10 frames this anti-correlated, at the earliest after 12: the path changed."""
PATH_RESIDUAL = 0.25
"""And the residual has at least this share of the predicted echo's power: a good filter's dregs say
nothing."""


class Powers(NamedTuple):
    """Of one frame, mean power in PCM16 units squared; ``cross`` is the mean of residual times echo."""

    near: float
    residual: float
    echo: float
    cross: float


class _Correlation:
    """Correlation of residual and echo over a fading past."""

    def __init__(self, memory: float) -> None:
        self._memory = memory
        self.clear()

    def clear(self) -> None:
        self.residual, self.echo, self._cross = 0.0, 0.0, 0.0

    def add(self, frame: Powers) -> None:
        self.residual = self._memory * self.residual + frame.residual
        self.echo = self._memory * self.echo + frame.echo
        self._cross = self._memory * self._cross + frame.cross

    @property
    def value(self) -> float:
        return self._cross / (math.sqrt(self.residual * self.echo) + 1e-3)


class PathWatch:
    """One call's watch. After ``look``: ``veto`` (this frame is not the caller's), ``changed`` (start
    anew)."""

    def __init__(self) -> None:
        self._frame = _Correlation(FRAME_MEMORY)
        self._path = _Correlation(PATH_MEMORY)
        self.clear()

    def clear(self) -> None:
        """The filter starts anew."""
        self._frame.clear()
        self._path.clear()
        self._looked = 0
        self.veto = self.changed = False

    def look(self, frame: Powers, floor_db: float) -> None:
        """Take one frame; ``floor_db`` is the line's noise."""
        near_db, echo_db = level_db(frame.near), level_db(frame.echo)
        self._frame.add(frame)
        audible = frame.echo > ECHO_SHARE * frame.residual and echo_db > floor_db
        self.veto = audible and self._frame.value < FRAME_CORRELATION
        self.changed = False
        if near_db <= floor_db + NEAR_ABOVE_FLOOR_DB or echo_db <= near_db - ECHO_BELOW_NEAR_DB:
            return
        self._path.add(frame)
        self._looked += 1
        self.changed = (
            self._looked >= PATH_FRAMES
            and self._path.value < PATH_CORRELATION
            and self._path.residual > PATH_RESIDUAL * self._path.echo
        )
        self.veto |= self.changed or frame.residual > frame.near
