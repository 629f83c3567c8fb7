"""Tones of our own making. PURE."""

import numpy as np

RATE_HZ = 8000
AMPLITUDE = 8000
FADE_MS = 10


def beep(hz: float = 1000, ms: int = 400) -> bytes:
    """A sine as PCM16 at 8 kHz that fades in and out, so that it does not click."""
    n = np.arange(ms * RATE_HZ // 1000)
    fade = FADE_MS * RATE_HZ // 1000
    shape = np.clip(np.minimum(n + 1, len(n) - n) / fade, 0, 1)
    return (AMPLITUDE * shape * np.sin(2 * np.pi * hz * n / RATE_HZ)).astype("<i2").tobytes()
