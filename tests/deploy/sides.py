"""The two sides of a call's stereo recording, and what is said on each."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from bot.offline.ears import transcribe
from tests.e2e.asterisk import HarnessError
from tests.e2e.sound import RATE_HZ


def sides(recording: Path) -> tuple[bytes, bytes]:
    """PCM16 mono of the caller (left) and of the agent (right)."""
    with wave.open(str(recording)) as file:
        if file.getnchannels() != 2:
            raise ValueError(f"{recording} has {file.getnchannels()} channel, not caller and agent")
        both = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    return both[:, 0].tobytes(), both[:, 1].tobytes()


def check_words(folder: Path) -> None:
    """One recording lies below ``folder``; by ear, one side asks and the other answers."""
    recordings = list(folder.rglob("*.wav"))
    if len(recordings) != 1:
        raise HarnessError(f"{len(recordings)} recordings below {folder}, not 1")
    caller, agent = (transcribe(side, RATE_HZ).lower() for side in sides(recordings[0]))
    if "opening hours" not in caller or "saturday" not in agent:
        raise HarnessError(f"the recording says: {caller!r} on the caller's side, {agent!r} on the agent's")
