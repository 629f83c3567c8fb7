"""Who talks when, and what it sounds like: one timetable for all processes of the benchmark. PURE.

Its time is ``CLOCK_MONOTONIC``, which all processes of a machine share. Each call has the same period,
shifted so that at any moment the calls are spread evenly over it.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Talk = Literal["half", "all"]

PERIOD_S = 8.0
AGENT_S = 4.0
"""The agent talks for this long from the beginning of a period; with ``all`` again when it is over."""
CALLER_FROM_S, CALLER_UNTIL_S = 4.6, 7.6

MARK_PCM = 20_000
"""A frame of this one value, no sound at all, is found again behind the resampler and the base64."""
VOICE_PEAK = 6_000
NOISE_RMS = 40.0


def into_period(index: int, now: float) -> float:
    """How far call ``index`` is into its period, in seconds."""
    return (now + index * 0.618034 * PERIOD_S) % PERIOD_S


def until_agent(index: int, now: float, talk: Talk) -> float:
    """Seconds until the agent of call ``index`` begins to talk anew."""
    period = PERIOD_S if talk == "half" else AGENT_S
    return period - into_period(index, now) % period


def caller_talks(index: int, now: float, talk: Talk) -> bool:
    return talk == "half" and CALLER_FROM_S <= into_period(index, now) < CALLER_UNTIL_S


def voice(seconds: float, rate: int) -> bytes:
    """Something that a voice detector takes for speech: a gliding voice with syllables, PCM16."""
    t: NDArray[np.float64] = np.arange(round(seconds * rate)) / rate
    pitch = np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * t)) / rate
    tone = sum(np.sin(2 * np.pi * n * pitch) / n for n in range(1, 20))
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 3 * t)
    return _pcm(tone * syllables * VOICE_PEAK / 2.2)


def noise(seconds: float, rate: int) -> bytes:
    """A quiet line, PCM16."""
    return _pcm(np.random.default_rng(1).normal(0, NOISE_RMS, round(seconds * rate)))


def _pcm(samples: NDArray[np.float64]) -> bytes:
    return np.clip(samples, -VOICE_PEAK, VOICE_PEAK).astype("<i2").tobytes()
