"""The two sides of a call's stereo recording."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np


def sides(recording: Path) -> tuple[bytes, bytes]:
    """PCM16 mono of the caller (left) and of the agent (right)."""
    with wave.open(str(recording)) as file:
        if file.getnchannels() != 2:
            raise ValueError(f"{recording} has {file.getnchannels()} channel, not caller and agent")
        both = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    return both[:, 0].tobytes(), both[:, 1].tobytes()
