"""How long the echo takes: for paths longer than the filter, such as a call over a satellite or several
networks.

Generalised cross-correlation with phase transform (C. Knapp and G. Carter, IEEE Trans. ASSP 24, 1976),
softened: the cross spectrum is divided by its magnitude to the power 0.8, averaged over estimates, and
searched for a peak.
"""

import numpy as np
from numpy.typing import NDArray

from bot.audio.echo.kalman import BLOCK, Real

SAMPLE_RATE = 8000
COARSE = 2
"""Samples that are taken together before they are correlated: half the samples cost a fifth of the time."""
WINDOW = 2 * SAMPLE_RATE
"""Samples of the near end that are looked for in the far end's."""
EVERY, SELDOM = SAMPLE_RATE // 2, 2 * SAMPLE_RATE
"""Samples between two estimates: while the echo is looked for; once it is known, or after so many
estimates IN_VAIN that there seems to be none."""
IN_VAIN = 8
BAND_HZ = (300, 1700)
WHITENING = 0.8
MEMORY = 0.75
"""Share of the past in the averaged cross spectrum."""
PEAK = 15.0
"""A peak this many times the correlation's RMS is an echo, seen twice within AGREEMENT samples (5 ms)."""
AGREEMENT = 40
SPEECH_RMS = 100.0


class DelayEstimator:
    """Two steps: ``push`` each frame pair (cheap, in the tick); ``estimate`` when ``due`` (a millisecond,
    elsewhere).

    ``estimate`` may run in a thread while ``push`` goes on: a frame written under its eyes is one in a
    hundred.
    """

    def __init__(self, max_delay_ms: int) -> None:
        self._longest = max_delay_ms * SAMPLE_RATE // 1000
        self._far = np.zeros((WINDOW + self._longest) // BLOCK * BLOCK, np.int16)
        self._near = np.zeros(WINDOW, np.int16)
        self._far_at = self._near_at = 0
        self._fresh = 0
        self._settled = False
        self._in_vain = 0
        # The near window lies within the far one, so no lag that is asked for wraps.
        self._fft_size = 1 << (len(self._far) // COARSE - 1).bit_length()
        low, high = (round(hz * self._fft_size * COARSE / SAMPLE_RATE) for hz in BAND_HZ)
        self._band = slice(low, high)
        self._cross = np.zeros(high - low, np.complex64)
        self._candidate: int | None = None

    @property
    def due(self) -> bool:
        """Enough new sound has come since the last estimate."""
        seldom = self._settled or self._in_vain >= IN_VAIN
        return self._fresh >= (SELDOM if seldom else EVERY)

    def settle(self) -> None:
        """The echo is where the last estimate says."""
        self._settled = True

    def look_anew(self) -> None:
        """The echo is another one."""
        self._settled = False
        self._in_vain = 0

    def push(self, far: bytes | None, near: bytes) -> None:
        """Keep one pair of frames (320 bytes of PCM16; None: nothing was sent)."""
        self._far[self._far_at : self._far_at + BLOCK] = 0 if far is None else np.frombuffer(far, "<i2")
        self._near[self._near_at : self._near_at + BLOCK] = np.frombuffer(near, "<i2")
        self._far_at = (self._far_at + BLOCK) % len(self._far)
        self._near_at = (self._near_at + BLOCK) % len(self._near)
        self._fresh += BLOCK

    def estimate(self) -> int | None:
        """The echo's delay in samples, or None while it is not sure of one."""
        self._fresh = 0
        far = _unrolled(self._far, self._far_at)
        if np.dot(far, far) < len(far) * SPEECH_RMS**2:
            return None
        delay, peak = self._correlate(far, _unrolled(self._near, self._near_at) * _TAPER)
        agreed = self._candidate is not None and abs(delay - self._candidate) <= AGREEMENT
        self._candidate = delay if peak > PEAK else None
        self._in_vain = 0 if peak > PEAK else self._in_vain + 1
        return delay if agreed and peak > PEAK else None

    def _correlate(self, far: Real, near: Real) -> tuple[int, float]:
        """Delay (samples) of the highest peak of the averaged correlation, and its height over the RMS."""
        size = self._fft_size
        cross = np.fft.rfft(far, size)[self._band] * np.fft.rfft(near, size)[self._band].conj()
        cross /= np.abs(cross) ** WHITENING + 1e-6
        cross /= np.abs(cross).mean() + 1e-9
        self._cross *= MEMORY
        self._cross += (1 - MEMORY) * cross
        spectrum = np.zeros(size // 2 + 1, np.complex64)
        spectrum[self._band] = self._cross
        # The far window starts ``lead`` samples before the near one.
        lead = len(far) - len(near)
        height = np.abs(np.fft.irfft(spectrum, size)[: lead + 1])
        best = int(height.argmax())
        return COARSE * (lead - best), float(height[best] / np.sqrt((height**2).mean() + 1e-12))


_TAPER = np.hanning(WINDOW // COARSE).astype(np.float32)


def _unrolled(ring: NDArray[np.int16], oldest: int) -> Real:
    """In order, and coarser."""
    samples = np.concatenate([ring[oldest:], ring[:oldest]]).astype(np.float32)
    coarse: Real = samples[::2] + samples[1::2]
    coarse /= COARSE
    return coarse
