"""How loud a piece of PCM is."""

import math

from bot.audio import pcm

FULL_SCALE = 32768
SILENCE_DBOV = -127.0
"""What digital silence is called (RFC 6464 section 3)."""


def rms(samples: bytes) -> int:
    """Root mean square of 16-bit PCM, 0–32767."""
    return pcm.rms(samples)


def dbov(samples: bytes) -> float:
    """Level in dB against the overload point: a full-scale square wave is 0, a full-scale sine −3 dBov."""
    level = pcm.rms(samples)
    return 20 * math.log10(level / FULL_SCALE) if level else SILENCE_DBOV
