"""The input buffer and the server's turn detection. PURE: its clock is the audio received.

Audio comes in pieces of any size; the detector looks at frames of 20 ms. Positions are milliseconds of
audio since the session began, as in ``audio_start_ms`` and ``audio_end_ms``.
"""

from dataclasses import dataclass

from bot.audio.pcm import rms
from bot.offline.config import EAGERNESS_SILENCE_MS, Format, Json
from bot.offline.formats import decode, rate_hz

FRAME_MS = 20
ONSET_MS = 80
RELEASE_DB = 6
SEMANTIC_THRESHOLD = 0.5
SEMANTIC_PREFIX_MS = 300


@dataclass(frozen=True)
class SpeechStarted:
    """``audio_start_ms`` includes the prefix padding."""

    audio_start_ms: int


@dataclass(frozen=True)
class SpeechStopped:
    """``audio_end_ms`` includes the silence that ended the turn; ``pcm`` is cut shortly after the words."""

    audio_end_ms: int
    pcm: bytes


Heard = SpeechStarted | SpeechStopped


class InputBuffer:
    """Audio appended and not yet committed, with turn detection when ``turn_detection`` is not ``None``.

    The threshold is a loudness: 0 is -60 dBFS, 0.5 is -40, 1 is -20. Speech starts after 80 ms above it and
    stops after ``silence_duration_ms`` spent more than 6 dB below it.
    """

    def __init__(self, audio_format: Format, turn_detection: Json | None, start_ms: int = 0) -> None:
        self.start_ms = start_ms
        self.rate = rate_hz(audio_format)
        self.speaking = False
        self._format = audio_format
        self._pcm = bytearray()
        self._bytes_per_ms = self.rate * 2 // 1000
        self._frame_bytes = self._bytes_per_ms * FRAME_MS
        self._seen = 0
        self._detecting = turn_detection is not None
        self._loud_ms = self._quiet_ms = 0
        if turn_detection is not None:
            self._set_levels(turn_detection)

    @property
    def end_ms(self) -> int:
        """Position of the newest sample."""
        return self.start_ms + self.duration_ms

    @property
    def duration_ms(self) -> int:
        return len(self._pcm) // self._bytes_per_ms

    def append(self, data: bytes) -> list[Heard]:
        """Takes encoded audio of any length; returns the turn's edges found in it, in order."""
        self._pcm += decode(data, self._format)
        if not self._detecting:
            return []
        heard = []
        while len(self._pcm) - self._seen >= self._frame_bytes:
            frame = bytes(self._pcm[self._seen : self._seen + self._frame_bytes])
            self._seen += self._frame_bytes
            edge = self._push(rms(frame))
            if edge is not None:
                heard.append(edge)
        if not self.speaking:
            self._forget(self._seen - (self._prefix_ms + ONSET_MS) * self._bytes_per_ms)
        return heard

    def take(self) -> bytes:
        """Everything held, as PCM16 at ``rate``; the buffer is empty afterwards."""
        pcm = bytes(self._pcm)
        self._forget(len(self._pcm))
        self.speaking = False
        self._loud_ms = self._quiet_ms = 0
        return pcm

    def _set_levels(self, turn_detection: Json) -> None:
        threshold = turn_detection.get("threshold", SEMANTIC_THRESHOLD)
        self._start_level = 32768 * 10 ** ((-60 + 40 * threshold) / 20)
        self._stop_level = self._start_level * 10 ** (-RELEASE_DB / 20)
        self._prefix_ms = turn_detection.get("prefix_padding_ms", SEMANTIC_PREFIX_MS)
        if turn_detection["type"] == "semantic_vad":
            self._silence_ms = EAGERNESS_SILENCE_MS[turn_detection["eagerness"]]
        else:
            self._silence_ms = turn_detection["silence_duration_ms"]

    def _push(self, level: int) -> Heard | None:
        if not self.speaking:
            self._loud_ms = self._loud_ms + FRAME_MS if level >= self._start_level else 0
            return self._start() if self._loud_ms >= ONSET_MS else None
        self._quiet_ms = 0 if level >= self._stop_level else self._quiet_ms + FRAME_MS
        return self._stop() if self._quiet_ms >= self._silence_ms else None

    def _start(self) -> SpeechStarted:
        self.speaking = True
        self._quiet_ms = 0
        self._forget(self._seen - (self._prefix_ms + ONSET_MS) * self._bytes_per_ms)
        return SpeechStarted(self.start_ms)

    def _stop(self) -> SpeechStopped:
        # The ears hear the words and a short tail, never the silence that ended the turn.
        spoken = self._seen - max(0, self._quiet_ms - 200) * self._bytes_per_ms
        stopped = SpeechStopped(self.start_ms + self._seen // self._bytes_per_ms, bytes(self._pcm[:spoken]))
        self.speaking = False
        self._loud_ms = 0
        self._forget(self._seen)
        return stopped

    def _forget(self, count: int) -> None:
        """Drops the oldest ``count`` bytes, whole milliseconds only."""
        count -= count % self._bytes_per_ms
        if count > 0:
            del self._pcm[:count]
            self._seen = max(0, self._seen - count)
            self.start_ms += count // self._bytes_per_ms
