"""The caller's voice: sentences spoken once by the embedded model's voice, then kept in the cache."""

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bot.offline.formats import VOICE_RATE, resample
from bot.offline.voice import open_voice
from tests.e2e.sound import RATE_HZ, Pcm

# Played a little faster, so that nobody takes the caller for the agent, who has the same voice.
PITCH = 1.1
PEAK = 16000


def speak(sentences: Sequence[str], cache: Path) -> dict[str, Pcm]:
    """Each sentence as PCM16 at 8 kHz. Raises ``ResourceError`` when there is no voice."""
    folder = cache / "sentences"
    folder.mkdir(parents=True, exist_ok=True)
    return asyncio.run(_speak(sentences, folder))


async def _speak(sentences: Sequence[str], folder: Path) -> dict[str, Pcm]:
    spoken: dict[str, Pcm] = {}
    voice = None
    try:
        for sentence in sentences:
            file = folder / f"{hashlib.sha256(sentence.encode()).hexdigest()[:16]}.s16"
            if not file.exists():
                voice = voice or await open_voice()
                file.write_bytes(_for_the_phone(await voice.say(sentence)))
            spoken[sentence] = np.frombuffer(file.read_bytes(), np.int16)
    finally:
        if voice is not None:
            await voice.close()
    return spoken


def _for_the_phone(pcm: bytes) -> bytes:
    samples = np.frombuffer(resample(pcm, round(VOICE_RATE * PITCH), RATE_HZ), np.int16).astype(np.float64)
    loud = samples * (PEAK / max(np.abs(samples).max(), 1))
    return bytes(loud.astype("<i2").tobytes())
