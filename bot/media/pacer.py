"""One clock for all calls: every line is ticked each 20 ms against absolute deadlines.

Lines are spread over phases of the 20 ms, so that two hundred calls are not served in one burst, and no
call needs a task or a timer of its own.
"""

import asyncio
from typing import Protocol

from bot.log import get_logger

log = get_logger("pacer")

PERIOD_S = 0.020
PHASES = 4
#: After a stall this many ticks are made up for at once; beyond that the clock is moved.
MAX_CATCH_UP = 10


class Line(Protocol):
    def tick(self, now: float) -> None:
        """Called every 20 ms with the loop's time."""

    def failed(self) -> None:
        """``tick`` raised; it is not called again."""


class Pacer:
    """``start`` it inside the loop; ``late_ms`` is the worst lateness since it was last read."""

    def __init__(self) -> None:
        self._phases: list[list[Line]] = [[] for _ in range(PHASES)]
        self._timers: list[asyncio.Handle | None] = [None] * PHASES
        self._due = [0.0] * PHASES  # uvloop's handle of a deadline that has passed does not tell it
        self._loop: asyncio.AbstractEventLoop | None = None
        self._late_s = 0.0

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        begin = self._loop.time()
        for phase in range(PHASES):
            self._arm(phase, begin + PERIOD_S * (1 + phase / PHASES))

    def stop(self) -> None:
        for timer in self._timers:
            if timer is not None:
                timer.cancel()

    def add(self, line: Line) -> None:
        """To one of the emptiest phases; of these to the one that ticks next, for somebody is waiting."""

        self._phases[min(range(PHASES), key=lambda n: (len(self._phases[n]), self._due[n]))].append(line)

    def remove(self, line: Line) -> None:
        for lines in self._phases:
            if line in lines:
                lines.remove(line)

    def take_late_ms(self) -> float:
        late_ms, self._late_s = self._late_s * 1000, 0.0
        return late_ms

    def _arm(self, phase: int, deadline: float) -> None:
        assert self._loop is not None
        self._due[phase] = deadline
        self._timers[phase] = self._loop.call_at(deadline, self._run, phase, deadline)

    def _run(self, phase: int, deadline: float) -> None:
        assert self._loop is not None
        now = self._loop.time()
        self._late_s = max(self._late_s, now - deadline)
        ticks = 1 + int((now - deadline) / PERIOD_S)
        if ticks > MAX_CATCH_UP:
            log.warning("pacer_stalled", ms=round((now - deadline) * 1000))
            deadline, ticks = now, MAX_CATCH_UP
        for _ in range(ticks):
            for line in tuple(self._phases[phase]):
                try:
                    line.tick(now)
                except Exception:  # one call's fault must not silence the others
                    log.exception("line_failed")
                    self.remove(line)
                    line.failed()
            deadline += PERIOD_S
        self._arm(phase, deadline)
