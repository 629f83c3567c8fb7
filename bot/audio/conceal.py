"""Packet loss concealment in the spirit of G.711 Appendix I: the last pitch period goes on and fades out.

What is lost is replaced by the last period of the voice, repeated, at full level for 10 ms and then fading
to silence at 60 ms. When the voice is back, its first 5 ms are blended with the repetition, so that neither
edge clicks. The Appendix delays everything by 3.75 ms to smooth the leading edge; nothing is delayed here.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

HISTORY_SAMPLES = 400
"""50 ms: a window to match and the longest lag."""
SHORTEST_PERIOD, LONGEST_PERIOD = 40, 120
"""Lags searched: 200 Hz to 66 Hz, as the Appendix does."""
MATCH_SAMPLES = 160
FULL_SAMPLES, SILENT_SAMPLES = 80, 480
"""The repetition is at full level until 10 ms and silent from 60 ms on."""
BLEND_SAMPLES = 40

_BLEND = np.linspace(0, 1, BLEND_SAMPLES + 2, dtype=np.float32)[1:-1]


class Concealer:
    """Every piece of the uplink in order: ``good`` for audio and silence, ``lost`` for what is missing.

    PCM in 16 bits, 8 kHz, of any length.
    """

    def __init__(self) -> None:
        self._history = bytes(2 * HISTORY_SAMPLES)
        self._lost_samples = 0
        self._period: Floats = np.zeros(1, np.float32)

    def good(self, pcm: bytes) -> bytes:
        """``pcm`` itself, unless the repetition has to be blended into its start."""
        if self._lost_samples:
            pcm = self._blend(pcm)
            self._lost_samples = 0
        size = 2 * HISTORY_SAMPLES
        self._history = pcm[-size:] if len(pcm) >= size else self._history[len(pcm) :] + pcm
        return pcm

    def lost(self, samples: int) -> bytes:
        """What to hear instead of ``samples`` that did not come."""
        if self._lost_samples >= SILENT_SAMPLES:  # nothing of the voice is left: long silences come this way
            return self._silent(samples)
        if not self._lost_samples:
            self._period = _last_period(np.frombuffer(self._history, "<i2").astype(np.float32))
        repeated = self._repeat(samples)
        self._lost_samples += samples
        pcm = np.rint(repeated).astype("<i2").tobytes()
        self._history = (self._history + pcm)[-2 * HISTORY_SAMPLES :]
        return pcm

    def _silent(self, samples: int) -> bytes:
        self._lost_samples += samples
        silence = bytes(2 * samples)
        self._history = (self._history + silence)[-2 * HISTORY_SAMPLES :]
        return silence

    def _repeat(self, samples: int) -> Floats:
        """The repetition from where it stands, faded by its age."""
        age = self._lost_samples + np.arange(samples)
        level = np.clip((SILENT_SAMPLES - age) / (SILENT_SAMPLES - FULL_SAMPLES), 0, 1)
        repeated: Floats = self._period[age % len(self._period)] * level.astype(np.float32)
        return repeated

    def _blend(self, pcm: bytes) -> bytes:
        samples = np.frombuffer(pcm, "<i2").astype(np.float32)
        n = min(BLEND_SAMPLES, len(samples))
        rising = _BLEND[:n]
        samples[:n] = samples[:n] * rising + self._repeat(n) * (1 - rising)
        return np.rint(samples).astype("<i2").tobytes()


def _last_period(history: Floats) -> Floats:
    """The last pitch period, its seam smoothed: the lag whose past resembles the last 20 ms most."""
    recent = history[-MATCH_SAMPLES:]
    span = history[-MATCH_SAMPLES - LONGEST_PERIOD : -SHORTEST_PERIOD]
    products = np.correlate(span, recent, "valid")
    squares = np.concatenate([np.zeros(1), np.cumsum(np.square(span, dtype=np.float64))])
    energies = squares[MATCH_SAMPLES:] - squares[:-MATCH_SAMPLES]
    period = LONGEST_PERIOD - int(np.argmax(products / np.sqrt(energies + 1)))
    last = history[-period:].copy()
    # The end of the period meets its own start: a quarter of it glides into what came before that start.
    n = period // 4
    falling = np.linspace(1, 0, n, endpoint=False, dtype=np.float32)
    last[-n:] = last[-n:] * falling + history[-period - n : -period] * (1 - falling)
    return last
