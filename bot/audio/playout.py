"""The downlink queue: the model's audio in bursts in, one frame every 20 ms out, and how much was heard.

Only this room knows the *played position* of an item: the audio of it that has been handed out as frames.
Audio comes many times faster than it is spoken and is never dropped unsaid: the queue is bounded by time, and
what goes beyond is refused and counted. Every cut (pause, flush, an under-run) fades within 5 ms, so that it
does not click, and takes effect with the next frame.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from bot.audio.g711 import FRAME_BYTES, Codec

BYTES_PER_MS = 8
FADE_BYTES = 5 * BYTES_PER_MS
REBUFFER_MS = 60
"""After an under-run: audio that comes in dribs would otherwise stutter at every one."""
REMEMBERED_ITEMS = 256
"""Items whose position can still be asked for."""


class Frame(NamedTuple):
    """20 ms to send now. ``marker``: silence came before it (RFC 3551 section 4.1)."""

    payload: bytes
    marker: bool


class Heard(NamedTuple):
    """One item: how much of it was handed out, and how much the model sent."""

    item_id: str
    played_ms: int
    received_ms: int


@dataclass(slots=True)
class PlayoutStats:
    """``refused_ms``: audio beyond the bound of the queue; ``flushed_ms``: cut off, or after the cut."""

    underruns: int = 0
    refused_ms: int = 0
    flushed_ms: int = 0


@dataclass(slots=True)
class _Item:
    item_id: str
    received: int = 0
    played: int = 0
    ended: bool = False
    flushed: bool = False
    chunks: deque[bytes] = field(default_factory=deque)


class Playout:
    """``append`` and ``end`` as the model speaks, ``next_frame`` every 20 ms, the rest as turns are taken."""

    def __init__(self, codec: Codec, max_ms: int = 600_000) -> None:
        self.stats = PlayoutStats()
        self.paused = False
        self._codec = codec
        self._max_bytes = max_ms * BYTES_PER_MS
        self._items: dict[str, _Item] = {}
        self._playing: deque[_Item] = deque()
        self._offset = 0  # within the first chunk
        self._queued = 0
        self._rebuffering = False
        self._fade_in = False
        self._tail = b""
        self._last = b""  # the frame before, if it had sound up to its end
        self._speaking = False

    # ------------------------------------------------------------------ the model speaks

    def append(self, item_id: str, audio: bytes) -> int:
        """Queue G.711 of an item; a new item ends the one before. Returns how many bytes were refused:
        0, or what goes beyond ``max_ms``, or all of it if the item has been flushed."""
        item = self._items.get(item_id) or self._begin(item_id)
        if item.flushed:
            self.stats.flushed_ms += len(audio) // BYTES_PER_MS
            return len(audio)
        taken = audio[: max(0, self._max_bytes - self._queued)]
        refused = len(audio) - len(taken)
        self.stats.refused_ms += refused // BYTES_PER_MS
        if taken:
            if item.ended and item not in self._playing:  # it was not the end, but all was played
                self._playing.append(item)
            item.chunks.append(taken)
            item.received += len(taken)
            self._queued += len(taken)
        return refused

    def end(self, item_id: str) -> None:
        """No more audio of this item will come."""
        if item := self._items.get(item_id):
            item.ended = True

    def _begin(self, item_id: str) -> _Item:
        if self._playing:
            self._playing[-1].ended = True
        item = self._items[item_id] = _Item(item_id)
        self._playing.append(item)
        if len(self._items) > REMEMBERED_ITEMS:
            oldest = next(iter(self._items.values()))
            if oldest is not self._playing[0]:
                del self._items[oldest.item_id]
        return item

    # ------------------------------------------------------------------ turns are taken

    def pause(self) -> None:
        """Silence from the next frame on; nothing is lost."""
        if not self.paused:
            self._cut()
            self.paused = True

    def resume(self) -> None:
        """Go on where ``pause`` stopped."""
        if self.paused:
            self.paused = False
            self._fade_in = True

    def flush(self) -> None:
        """Silence from the next frame on; what is queued, and what still comes of these items, is dropped."""
        if not self.paused:
            self._cut()
        for item in self._playing:
            item.flushed = True
            item.chunks.clear()
        self.stats.flushed_ms += self._queued // BYTES_PER_MS
        self._playing.clear()
        self._offset = self._queued = 0
        self.paused = self._rebuffering = self._fade_in = False

    # ------------------------------------------------------------------ the pacer asks

    def next_frame(self) -> Frame | None:
        """160 bytes to send now, or None: nothing to play, silence."""
        payload = self._next_payload()
        marker = not self._speaking
        self._speaking = bool(payload)
        if not payload:
            self._last = b""
            return None
        return Frame(payload, marker)

    def _next_payload(self) -> bytes:
        if self._tail:
            payload, self._tail, self._last = self._tail, b"", b""
            return payload
        if self.paused or not self._playing or self._waits():
            return b""
        payload = self._take(FRAME_BYTES)
        if self._fade_in and payload:
            self._fade_in = False
            payload = self._faded(payload[:FADE_BYTES], rising=True) + payload[FADE_BYTES:]
        if len(payload) == FRAME_BYTES and self._playing:
            self._last = payload
            return payload
        return self._ran_out(payload)

    def _waits(self) -> bool:
        """After an under-run, for 60 ms of audio or the end of the item."""
        if self._rebuffering:
            self._rebuffering = self._queued < REBUFFER_MS * BYTES_PER_MS and not self._playing[-1].ended
        return self._rebuffering

    def _ran_out(self, payload: bytes) -> bytes:
        """The queue ends with this frame, or ended with the one before: all is said, or an under-run."""
        if self._playing and not self._playing[-1].ended:
            if self._playing[-1].received:
                self.stats.underruns += 1
                self._rebuffering = self._fade_in = True
            if not payload and self._last:
                # What came last, backwards: it begins at the very sample where the sound broke off.
                payload = self._last[: -FADE_BYTES - 1 : -1]
        self._last = b""
        return self._faded_out(payload) if payload else b""

    def _take(self, count: int) -> bytes:
        """Up to ``count`` bytes off the queue, credited to their items; items heard to their end leave it."""
        taken = b""
        while self._playing:
            item = self._playing[0]
            while item.chunks and len(taken) < count:
                chunk = item.chunks[0]
                part = chunk[self._offset : self._offset + count - len(taken)]
                taken = taken + part if taken else part
                item.played += len(part)
                self._offset += len(part)
                if self._offset == len(chunk):
                    item.chunks.popleft()
                    self._offset = 0
            if item.chunks or not item.ended:
                break
            self._playing.popleft()
        self._queued -= len(taken)
        return taken

    # ------------------------------------------------------------------ what was heard

    @property
    def queued_ms(self) -> int:
        return self._queued // BYTES_PER_MS

    @property
    def idle(self) -> bool:
        """Nothing is queued and nothing is being heard: the frame before was silence already."""
        return not (self._queued or self._tail or self._speaking)

    def played_ms(self, item_id: str) -> int:
        """0 for an item that never had audio."""
        item = self._items.get(item_id)
        return item.played // BYTES_PER_MS if item else 0

    def received_ms(self, item_id: str) -> int:
        item = self._items.get(item_id)
        return item.received // BYTES_PER_MS if item else 0

    def ended(self, item_id: str) -> bool:
        """Whether all of the item's audio has come."""
        item = self._items.get(item_id)
        return item is not None and item.ended

    def unheard(self) -> Iterator[Heard]:
        """The items that have not been heard to their end, oldest first."""
        for item in self._playing:
            yield Heard(item.item_id, item.played // BYTES_PER_MS, item.received // BYTES_PER_MS)

    # ------------------------------------------------------------------ cuts

    def _cut(self) -> None:
        """Let the sound that is under way end within 5 ms of the next frame."""
        if self._last:
            self._tail = self._faded_out(self._take(FADE_BYTES) or self._last[: -FADE_BYTES - 1 : -1])
            self._last = b""

    def _faded_out(self, payload: bytes) -> bytes:
        """A whole frame: ``payload``, its last 5 ms fading, then silence."""
        fading = payload[-FADE_BYTES:]
        faded = payload[: -len(fading)] + self._faded(fading, rising=False)
        return faded.ljust(FRAME_BYTES, self._codec.silence)

    def _faded(self, payload: bytes, *, rising: bool) -> bytes:
        samples = np.frombuffer(self._codec.decode(payload), "<i2")
        ramp = np.linspace(0, 1, len(samples) + 2)[1:-1]
        faded = samples * (ramp if rising else ramp[::-1])
        return self._codec.encode(faded.astype("<i2").tobytes())
