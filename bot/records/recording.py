"""Stereo recordings, caller left and agent right: the caller as he came, the agent as it left.

Two tracks grow side by side, one frame each per 20 ms; whole seconds are written by one thread for all calls,
and the WAV header is kept right at each write, so a recording survives a crash of the bot.
"""

import asyncio
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from bot.audio.g711 import Codec
from bot.errors import ResourceError
from bot.log import get_logger

log = get_logger("records")

RATE_HZ = 8000
CHUNK_BYTES = 2 * RATE_HZ


class Recorders:
    """Opens recordings in one folder, made when missing. Raises ResourceError when it cannot be written."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="recordings")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ResourceError(
                f"cannot make {folder} ({error.strerror})", remedy="check records.recordings"
            ) from error

    def open(self, call_id: str, codec: Codec) -> "Recorder":
        return Recorder(self._folder / f"{call_id}.wav", codec, self._executor)

    def close(self) -> None:
        self._executor.shutdown()


class Recorder:
    """One call's recording. ``caller`` and ``agent`` take one frame each; ``close`` writes the rest."""

    def __init__(self, path: Path, codec: Codec, executor: ThreadPoolExecutor) -> None:
        self.path = path
        self._codec = codec
        self._executor = executor
        self._caller = bytearray()
        self._agent = bytearray()
        self._file: wave.Wave_write | None = None
        self._failed = False

    def caller(self, pcm: bytes) -> None:
        self._caller += pcm

    def agent(self, g711: bytes) -> None:
        self._agent += self._codec.decode(g711)
        if len(self._agent) >= CHUNK_BYTES and len(self._caller) >= CHUNK_BYTES:
            self._executor.submit(self._write, self._take(CHUNK_BYTES))

    async def close(self) -> None:
        """Write what is left; the shorter track is filled up with silence."""
        length = max(len(self._caller), len(self._agent))
        self._caller.extend(bytes(length - len(self._caller)))
        self._agent.extend(bytes(length - len(self._agent)))
        await asyncio.get_running_loop().run_in_executor(self._executor, self._finish, self._take(length))

    def _take(self, length: int) -> bytes:
        stereo = np.empty((length // 2, 2), "<i2")
        for column, track in enumerate((self._caller, self._agent)):
            stereo[:, column] = np.frombuffer(bytes(track[:length]), "<i2")
            del track[:length]
        return stereo.tobytes()

    def _write(self, stereo: bytes) -> None:
        try:
            if self._file is None:
                self._file = wave.open(str(self.path), "wb")  # noqa: SIM115 - it lives as long as the call
                self._file.setparams((2, 2, RATE_HZ, 0, "NONE", ""))
            self._file.writeframes(stereo)
        except OSError as error:
            self._report(error)

    def _finish(self, stereo: bytes) -> None:
        self._write(stereo)
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                self._report(error)

    def _report(self, error: OSError) -> None:
        """Once: a full disk fails every write, and the call goes on."""
        if not self._failed:
            self._failed = True
            log.error("recording_failed", path=str(self.path), error=str(error))
