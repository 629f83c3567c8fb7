"""What the echo canceller makes of a recording, kept, so that one pass serves many settings. PURE."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from bot.audio.echo import EchoCanceller, Residual
from bot.tune.recording import FRAME, FRAMES_A_SECOND, Recording, Track
from bot.tune.spans import Flags

ESTIMATE_EVERY = FRAMES_A_SECOND // 2
"""Frames between two looks for a long delay, as in a call."""


class Step(NamedTuple):
    """One frame's result, and whether the canceller was asleep over it."""

    residual: Residual
    asleep: bool


class Cancelled:
    """A pass over a recording: one step per frame of the caller."""

    def __init__(self, steps: list[Step]) -> None:
        self.steps = steps
        pcm = b"".join(step.residual.frame for step in steps)
        self.residual: Track = np.frombuffer(pcm, "<i2").reshape(-1, FRAME)
        self.asleep: Flags = np.array([step.asleep for step in steps])
        self.speech: Flags = np.array([step.residual.speech for step in steps])
        self.score = np.array([step.residual.score for step in steps])


def cancel(recording: Recording, canceller: EchoCanceller, advance: Callable[[], None]) -> Cancelled:
    """One pass; ``advance`` is called once for each second of it.

    A canceller that made a pass before knows the room.
    """
    steps = []
    for n, near in enumerate(recording.caller):
        canceller.sent(None if recording.agent is None else recording.agent[n].tobytes())
        residual = canceller.process(near.tobytes())
        steps.append(Step(residual, canceller.asleep))
        if n % ESTIMATE_EVERY == 0 and canceller.delays.due:
            delay = canceller.delays.estimate()
            if delay is not None:
                canceller.set_delay(delay)
        if n % FRAMES_A_SECOND == 0:
            advance()
    return Cancelled(steps)


class Playback:
    """A kept pass in the place of the canceller, for an ear that hears the same recording."""

    def __init__(self, cancelled: Cancelled) -> None:
        self._steps = iter(cancelled.steps)
        self.asleep = True

    def process(self, near: bytes) -> Residual:
        residual, self.asleep = next(self._steps)
        return residual
