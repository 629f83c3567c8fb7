"""Has it a pitch? Every vowel of a voice has one; coughs, knocks and breath have none. PURE.

The normalised cross-correlation of D. Talkin, "A robust algorithm for pitch tracking (RAPT)", in Speech
Coding and Synthesis (1995), without its tracking: 40 ms are compared with themselves, a period of 60 to
400 Hz apart.
"""

import numpy as np

SHORTEST, LONGEST = 20, 133
"""Periods, in samples at 8 kHz."""
PITCHED = 0.5
"""So much alike are two periods of a voice, in noise and over an echo, too; of a cough a tenth of that."""


def pitched(pcm: bytes) -> bool:
    """Whether 40 ms of PCM16 at 8 kHz (640 bytes) repeat themselves."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float32)
    samples -= samples.mean()
    newest = samples[LONGEST:]
    alike = np.correlate(samples, newest, "valid")[: LONGEST - SHORTEST + 1]
    squares = np.concatenate([[0.0], np.cumsum(samples * samples, dtype=np.float64)])
    energy = (squares[len(newest) :] - squares[: -len(newest)])[: len(alike)]
    both = np.sqrt(energy * float(newest @ newest)) + 1.0
    return bool((alike / both).max() > PITCHED)
