"""A caller's message as it is spoken: when it is over, and what is kept. PURE; times are in seconds."""

from dataclasses import dataclass
from typing import Literal

BYTES_PER_S = 16_000
Ended = Literal["silence", "key", "limit", "leaving"]


@dataclass(frozen=True, slots=True)
class MessageParams:
    """``transcript_within_s``: how long the last words' transcript is waited for; 0 when there is none."""

    silence_s: float = 4.0
    max_s: float = 120.0
    transcript_within_s: float = 5.0


class Tape:
    """One message. Feed it every frame of the caller (PCM16 at 8 kHz) and the clock; ``ended`` says why it is
    over, None while it runs."""

    def __init__(self, params: MessageParams, now: float) -> None:
        self.ended: Ended | None = None
        self.spoken = False
        self._params = params
        self._quiet_since = self._began = now
        self._audio = bytearray()

    def frame(self, pcm: bytes) -> None:
        if self.ended is None:
            self._audio += pcm

    def tick(self, now: float, last_voiced: float | None) -> None:
        """``last_voiced``: when the caller was last heard to speak, at any time."""
        if last_voiced is not None and last_voiced > self._quiet_since:
            self._quiet_since, self.spoken = last_voiced, True
        if now >= self._quiet_since + self._params.silence_s:
            self.stop("silence")
        elif now >= self._began + self._params.max_s:
            self.stop("limit")

    def stop(self, ended: Ended) -> None:
        self.ended = self.ended or ended

    @property
    def audio(self) -> bytes:
        return bytes(self._audio)

    @property
    def seconds(self) -> float:
        return round(len(self._audio) / BYTES_PER_S, 1)
