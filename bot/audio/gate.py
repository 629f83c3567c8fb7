"""The gate between caller and model: a delay line that keeps the agent's echo out and loses no syllable.

* **open**: what comes goes up, at once.
* **closed**: silence goes up in step with time, 240 ms behind it. Those 240 ms are in the line: when the gate
  opens, they go up in one burst in place of the silence that has not been sent, so the onset of what the
  caller said is whole and the model's clock is the caller's again.
* **held** (a suspect): nothing goes up and the line grows until somebody decides, so that the onset survives
  however long that takes, up to two seconds.

For the first 240 ms after closing nothing goes up, because the line fills: reopening within that time
loses nothing and adds nothing. At any moment, samples out = samples in − samples in the line.
"""

from collections import deque
from typing import Literal

FRAME_MS = 20
LINE_FRAMES = 12
"""240 ms: the onset of a word before the detector is sure of it (p95 154 ms), and its breath."""
HELD_FRAMES = 100
"""Nobody decides for two seconds: what is older is taken for echo."""

FLUTTER = 20
"""Transitions in a minute above which the gate follows something other than the talk."""

State = Literal["open", "closed", "held"]


class Gate:
    """Frames are 20 ms of PCM16 at 8 kHz (320 bytes); every method returns what goes up now."""

    def __init__(self) -> None:
        self.state: State = "open"
        self.openings = 0
        self.closings = 0
        self._line: deque[bytes] = deque()

    @property
    def behind_ms(self) -> int:
        """How far the model's clock is behind the caller's."""
        return len(self._line) * FRAME_MS

    def push(self, frame: bytes) -> bytes:
        """The next 20 ms of the caller: the frame itself, silence for an older one, or nothing."""
        if self.state == "open":
            return frame
        self._line.append(frame)
        return self._shorten(LINE_FRAMES if self.state == "closed" else HELD_FRAMES)

    def close(self) -> bytes:
        """Echo may come. After a hold: it was nothing, and the line beyond 240 ms goes up as silence."""
        if self.state == "open":
            self.closings += 1
        self.state = "closed"
        return self._shorten(LINE_FRAMES)

    def hold(self) -> None:
        """The caller may be speaking."""
        if self.state == "open":
            self.closings += 1
        self.state = "held"

    def open(self) -> bytes:
        """The caller is speaking, or the agent is silent: the line in one burst."""
        if self.state != "open":
            self.openings += 1
        self.state = "open"
        burst = b"".join(self._line)
        self._line.clear()
        return burst

    def _shorten(self, frames: int) -> bytes:
        """Silence, to the byte, for what the line holds beyond ``frames``."""
        silence = b""
        while len(self._line) > frames:
            silence += bytes(len(self._line.popleft()))
        return silence
