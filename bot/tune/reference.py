"""The judge: what in a recording is the caller's speech, told with hindsight and without the settings. PURE.

It uses neither webrtcvad nor any setting, so it cannot agree with a setting by being made of it. On the
caller's track after a *second* pass of the echo canceller, which knows the room from the first:

* The **noise floor** of a moment is the level that a tenth of the frames within 5 s around it stay below.
* A frame is **strong** when it is 12 dB above the floor and *periodic* as vowels are (its autocorrelation
  has a peak of 0.5 or more between 70 and 400 Hz), and **weak** when it is 6 dB above the floor. While the
  agent's echo may be there, a strong frame also needs the word of the canceller's detector, a weak one half
  of it.
* An **utterance** is a run of weak frames, gaps of 60 ms bridged, with at least three strong ones. Of it, the
  frames within 25 dB of its loudest are speech. Coughs and clicks are not periodic; music and other voices
  are speech to it.

The frames within 200 ms of speech count neither as speech nor as its absence.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bot.tune.cancelled import Cancelled
from bot.tune.recording import FRAME, FRAMES_A_SECOND, RATE_HZ, Track, rms
from bot.tune.spans import Flags, bridged, spans, widened

Levels = NDArray[np.float64]

FLOOR_SHARE, FLOOR_AROUND_S = 10, 5
LEAST_FLOOR_RMS = 15.0
"""Below this nothing is heard on a telephone line."""
STRONG_DB, WEAK_DB, RANGE_DB = 12.0, 6.0, 25.0
PERIODIC, PITCH_HZ = 0.5, (70, 400)
DETECTOR_HALF = 6.0
"""The canceller's detector decides at 12 (dB)."""
GAP, LEAST_STRONG, ABOUT, PAUSE = 3, 3, 10, 15
"""Frames: bridged in an utterance; strong in it at least; around it that do not count; between utterances."""
BATCH = 2048


class Reference(NamedTuple):
    """``speech``: frames that are. ``about``: speech and 200 ms around it. ``utterances``: ``[start, end)``.
    ``floor``: the noise's RMS, frame by frame."""

    speech: Flags
    about: Flags
    utterances: list[tuple[int, int]]
    floor: Levels


def judge(second_pass: Cancelled) -> Reference:
    """Judges the caller's track as the canceller left it."""
    level = rms(second_pass.residual)
    floor = noise_floor(level)
    above_db = 20 * np.log10(np.maximum(level, 1e-3) / floor)
    awake = ~second_pass.asleep
    strong = (above_db >= STRONG_DB) & (periodicity(second_pass.residual) >= PERIODIC)
    strong &= second_pass.speech | ~awake
    weak = (above_db >= WEAK_DB) & ((second_pass.score >= DETECTOR_HALF) | ~awake)
    speech = np.zeros(len(level), bool)
    for start, end in spans(bridged(weak, GAP)):
        if strong[start:end].sum() >= LEAST_STRONG:
            loudest = level[start:end].max()
            speech[start:end] = weak[start:end] & (level[start:end] > loudest * 10 ** (-RANGE_DB / 20))
    return Reference(speech, widened(speech, ABOUT), spans(bridged(speech, PAUSE)), floor)


def noise_floor(level: Levels) -> Levels:
    """Per frame; computed once a second."""
    around = FLOOR_AROUND_S * FRAMES_A_SECOND
    starts = range(0, len(level), FRAMES_A_SECOND)
    floors = [np.percentile(level[max(0, n - around) : n + around], FLOOR_SHARE) for n in starts]
    return np.maximum(np.repeat(floors, FRAMES_A_SECOND)[: len(level)], LEAST_FLOOR_RMS)


def periodicity(track: Track) -> Levels:
    """Per frame, 0–1: the highest normalised autocorrelation of the 60 ms around it at a lag of a pitch."""
    out = [_periodicity(track, n) for n in range(0, len(track), BATCH)]
    return np.concatenate(out)


def _periodicity(track: Track, first: int) -> Levels:
    padded = np.pad(
        track[max(0, first - 1) : first + BATCH + 1], ((first == 0, first + BATCH >= len(track)), (0, 0))
    )
    window = np.hstack([padded[:-2], padded[1:-1], padded[2:]]).astype(np.float64)
    window -= window.mean(axis=1, keepdims=True)
    size = 1024
    spectrum = np.fft.rfft(window, size)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2, size)
    lags = np.arange(RATE_HZ // PITCH_HZ[1], RATE_HZ // PITCH_HZ[0] + 1)
    # A lag leaves fewer products: without this, low pitches would seem less periodic.
    fair = 3 * FRAME / (3 * FRAME - lags)
    return np.asarray((correlation[:, lags] * fair).max(axis=1) / np.maximum(correlation[:, 0], 1.0))
