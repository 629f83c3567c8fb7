"""What each part adds to the CPU of a call, or saves of it: with it against without it, side by side."""

import statistics
from dataclasses import replace
from typing import NamedTuple

from bench.ramp import LEARNING, SHIPPED
from bench.ratio import LEAN, side_by_side
from bench.world import Setup

CALLS, WINDOWS, SECONDS = 40, 4, 3.0
ALL = (
    replace(SHIPPED, name="echo canceller"),
    replace(LEARNING, name="echo canceller, a call's first seconds"),
    replace(LEAN, name="recording", recording=True),
    replace(LEAN, name="Silero in place of webrtcvad", engine="silero"),
    replace(LEAN, name="TLS to the model", tls=True),
    replace(LEAN, name="G.711 to the model", audio_format="g711_ulaw"),
)


class Extra(NamedTuple):
    """``points``: percent of a core for one call, more or less than lean; ``times``: lean's CPU."""

    name: str
    points: float
    times: float


def measure(setup: Setup) -> Extra:
    windows = side_by_side(setup, LEAN, CALLS, WINDOWS, SECONDS)
    share = 100 / SECONDS / CALLS
    points = statistics.median((with_s - without_s) * share for with_s, without_s in windows)
    return Extra(setup.name, points, statistics.median(with_s / without_s for with_s, without_s in windows))
