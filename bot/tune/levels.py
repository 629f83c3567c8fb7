"""How loud everything in a recording is: what a threshold has to lie between. PURE."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bot.tune.cancelled import Cancelled
from bot.tune.recording import Recording, rms
from bot.tune.reference import Reference
from bot.tune.spans import Flags

LEAST_FRAMES = 10


class Levels(NamedTuple):
    """RMS of 16-bit samples; None: not in this recording. ``speech`` are the levels that 10, 50 and 90 % of
    the caller's speech frames stay below; ``echo_db`` and ``residual_db`` are against the agent, before and
    after the canceller."""

    noise: float
    speech: tuple[float, float, float] | None
    agent: float | None
    echo_db: float | None
    residual_db: float | None


def measure(recording: Recording, second_pass: Cancelled, reference: Reference, agent: Flags) -> Levels:
    """The echo is measured where the agent speaks and the caller does not."""
    level = rms(recording.caller)
    ends = level[reference.speech & second_pass.asleep]
    ends = ends if len(ends) >= LEAST_FRAMES else rms(second_pass.residual)[reference.speech]
    spread = [float(x) for x in np.percentile(ends, (10, 50, 90))] if len(ends) >= LEAST_FRAMES else None
    noise = float(np.median(reference.floor))
    alone = agent & ~reference.about
    if recording.agent is None or alone.sum() < LEAST_FRAMES:
        return Levels(noise, (spread[0], spread[1], spread[2]) if spread else None, None, None, None)
    left = _power(rms(recording.agent)[alone])
    return Levels(
        noise,
        (spread[0], spread[1], spread[2]) if spread else None,
        float(np.sqrt(left)),
        _db(_power(level[alone]) / left),
        _db(_power(rms(second_pass.residual)[alone]) / left),
    )


def _power(levels: NDArray[np.float64]) -> float:
    return float(np.mean(levels**2))


def _db(ratio: float) -> float:
    return 10 * float(np.log10(max(ratio, 1e-12)))
