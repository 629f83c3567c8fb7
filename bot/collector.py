"""Python's collector of cycles, at times that nobody hears.

A full collection looks at every object: some 10 ms with two hundred calls in progress. All that it finds are
calls that have ended, since the parts of a call know each other. So it is not left to chance: what was built
at the start is put out of its way, and it runs when nobody is calling, or when so many calls have ended that
they take up room. Young objects are collected as ever. Python 3.14.0 to 3.14.4 collect the old ones bit by
bit with the young, whatever is set here.
"""

import gc
import time
from typing import Any

#: A busy service holds on to so many calls at the most, each of a megabyte at the most.
ENDED_MOST = 50
#: Threshold of the oldest generation; those of the others are Python's own.
NEVER = 1_000_000


class Collector:
    """``take_pause_ms``: the longest collection since it was last read."""

    def __init__(self) -> None:
        self._ended = 0
        self._began = self._longest_s = 0.0

    def start(self) -> None:
        """The service is built and stays."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(*gc.get_threshold()[:2], NEVER)
        gc.callbacks.append(self._time)

    def stop(self) -> None:
        gc.callbacks.remove(self._time)
        gc.unfreeze()

    def call_ended(self, in_progress: int) -> None:
        self._ended += 1
        if not in_progress or self._ended >= ENDED_MOST:
            self._ended = 0
            gc.collect()

    def take_pause_ms(self) -> float:
        longest_ms, self._longest_s = self._longest_s * 1000, 0.0
        return longest_ms

    def _time(self, phase: str, info: dict[str, Any]) -> None:
        now = time.perf_counter()
        if phase == "start":
            self._began = now
        else:
            self._longest_s = max(self._longest_s, now - self._began)
