"""One call's echo canceller: pairs what was sent with what came back, filters, listens, starts anew."""

import math
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bot.audio.echo.delay import DelayEstimator
from bot.audio.echo.detector import BargeInDetector, level_db
from bot.audio.echo.kalman import BLOCK, EchoFilter, Real
from bot.audio.echo.path import PathWatch, Powers
from bot.audio.level import rms

FRAME_MS = 20
FRAME_BYTES = 2 * BLOCK

SLEEP_FRAMES = 50
"""Nothing sent for a second: longer than the filter, so it holds nothing but zeros by then."""
SILENT_RMS = 10.0
"""A frame below this (A-law silence is 8) is nothing sent."""
SPEECH_RMS = 100.0
"""A frame above this counts as agent speech."""

CUSHION, WATCHED, HOLE = 1, 250, 25
"""Frames: waiting at the least, over 5 s; so many say that the caller's stream has a hole."""

UNSTOPPED_FRAMES = 150
"""3 s of speech over the agent, who would have stopped long before for a caller: echo that the filter has
closed its mind to, for example since the caller was muted while it learned."""

ECHOLESS_FRAMES, ECHOLESS_DB, LOOK_EVERY = 50, 3.0, 8
"""After a second of agent speech of which the filter expects back nothing that is more than 3 dB above the
line's noise, it rests: all but every eighth frame pass as they are, and the caller untouched."""

REFERENCE_LEAD_MS = 80
"""A long path is brought to this place in the filter: room for an estimate, and a path, that moves."""
COMFORT_MS = (2, 420)
"""While the echo begins in this span of the filter, its place is left alone."""
MOVED_SAMPLES = 24
"""The delay estimate moved by more than 3 ms: another path."""


@dataclass(frozen=True)
class EchoParams:
    """``filter_ms``: what the filter can hold, delay and room together. ``max_delay_ms``: beyond it."""

    filter_ms: int = 700
    max_delay_ms: int = 1500


class Residual(NamedTuple):
    """``frame``: PCM16 without the echo. ``speech``: the caller talks over the agent. ``score``: -8…20 dB,
    asleep of this frame alone."""

    frame: bytes
    speech: bool
    score: float


class EchoCanceller:
    """Call ``sent`` for each frame that left for the caller, ``process`` for each frame that came.

    Frames are paired in order, whatever the jitter between them. When the caller's get ahead, or stay
    behind, the pairing moves by a whole frame, and the filter's path with it: nothing is lost.
    ``resets`` and ``slips`` count for the call's record. ``delays`` estimates long delays when asked.
    """

    def __init__(self, params: EchoParams) -> None:
        self._filter = EchoFilter(params.filter_ms // FRAME_MS)
        self._detector = BargeInDetector()
        self._watch = PathWatch()
        self.delays = DelayEstimator(params.max_delay_ms)
        self._waiting: deque[bytes | None] = deque()
        self._least_waiting, self._watched = HOLE, 0
        self._most_delay_frames = params.max_delay_ms // FRAME_MS
        remembered = self._most_delay_frames + self._filter.partitions + 2
        self._past: deque[bytes | None] = deque([None] * remembered, remembered)
        self._hole = False
        self._agent_speaks, self._unstopped = False, 0
        self._echoless = self._frames = 0
        self._delay_frames = 0
        self._echo_at: int | None = None
        self._quiet = SLEEP_FRAMES
        self.resets = self.slips = 0

    @property
    def asleep(self) -> bool:
        """Nothing was sent for a second: frames pass as they are and cost next to nothing."""
        return self._quiet >= SLEEP_FRAMES

    def sent(self, far: bytes | None) -> None:
        """A frame left for the caller in this tick (320 bytes of PCM16), or nothing did (None)."""
        self._waiting.append(far)
        if len(self._waiting) > (CUSHION if self._hole else HOLE):
            self._hole = True
            while len(self._waiting) > CUSHION:
                self._past.append(self._waiting.popleft())

    def process(self, near: bytes) -> Residual:
        """The caller's next frame (320 bytes of PCM16) without the echo.

        Raises ValueError for a frame of another size.
        """
        if len(near) != FRAME_BYTES:
            raise ValueError(f"a frame is {FRAME_BYTES} bytes, not {len(near)}")
        self._pair(near)
        if self.asleep:
            return Residual(near, False, self._detector.rest(20 * math.log10(rms(near) + 0.03)))
        captured = np.frombuffer(near, "<i2").astype(np.float32)
        self._frames += 1
        if self._echoless >= ECHOLESS_FRAMES and self._frames % LOOK_EVERY:
            power = _power(captured)
            self._listen(Powers(power, power, 0.0, 0.0), level_db(0.0))
            return Residual(near, self._detector.speech, self._detector.score)
        residual, echo, doubt = self._filter.cancel(captured)
        cross = float(np.dot(residual, echo)) / BLOCK
        self._listen(Powers(_power(captured), _power(residual), _power(echo), cross), level_db(doubt))
        np.rint(residual, out=residual)
        np.maximum(residual, -32768, out=residual)
        np.minimum(residual, 32767, out=residual)
        return Residual(residual.astype("<i2").tobytes(), self._detector.speech, self._detector.score)

    def set_delay(self, samples: int) -> None:
        """Take an estimate of the delay: bring a late echo into the filter's span; start anew if it moved."""
        place = samples - self._delay_frames * BLOCK
        earliest, latest = COMFORT_MS
        if not earliest * 8 <= place <= latest * 8:
            wanted = max(0, samples - REFERENCE_LEAD_MS * 8) // BLOCK
            self._delay_frames = min(wanted, self._most_delay_frames)
            self._recall()
            self._start_anew()
        elif (
            self._echo_at is not None
            and abs(samples - self._echo_at) > MOVED_SAMPLES
            and not self._knows(place)
        ):
            self._start_anew()
        else:
            self.delays.settle()
        self._echo_at = samples

    def _knows(self, place: int) -> bool:
        """The filter has found the echo at this place (samples) by itself, mostly before the estimate."""
        return self._filter.focus is not None and abs(self._filter.focus - place // BLOCK) <= 1

    def _pair(self, near: bytes) -> None:
        if self._hole:
            self._hole = False
            self._recall()
        self._watched += 1
        self._least_waiting = min(self._least_waiting, len(self._waiting))
        if not self._waiting:
            self._slip(-1)
            return
        self._take(near)
        if self._watched >= WATCHED:
            if self._least_waiting > CUSHION + 1:
                self._take(bytes(FRAME_BYTES))
                self._slip(1)
            self._least_waiting, self._watched = HOLE, 0

    def _slip(self, frames: int) -> None:
        self._filter.slip(frames)
        self.slips += 1

    def _take(self, near: bytes) -> None:
        """The oldest waiting frame becomes the newest of the far end, or of its delayed version."""
        far = self._waiting.popleft()
        self._past.append(far)
        self.delays.push(far, near)
        delayed = self._past[-1 - self._delay_frames]
        self._advance(delayed)

    def _advance(self, far: bytes | None) -> None:
        samples = _samples(far)
        power = _power(samples) if far is not None else 0.0
        self._quiet = 0 if power > SILENT_RMS**2 else self._quiet + 1
        if not self.asleep:
            self._filter.advance(samples)
            self._agent_speaks = power > SPEECH_RMS**2
            if self._agent_speaks:
                self._filter.seek_focus()

    def _recall(self) -> None:
        """Give the filter the far end anew from memory, after its place in time changed."""
        last = len(self._past) - self._delay_frames
        for index in range(last - self._filter.partitions - 1, last):
            self._filter.advance(_samples(self._past[index]))

    def _listen(self, frame: Powers, doubt_db: float) -> None:
        if self._filter.focus is not None:
            self._watch.look(frame, self._detector.floor_db)
        self._detector.hear(level_db(frame.residual), level_db(frame.echo), doubt_db, veto=self._watch.veto)
        if max(level_db(frame.echo), doubt_db) > self._detector.floor_db + ECHOLESS_DB:
            self._echoless = 0
        elif self._agent_speaks:
            self._echoless += 1
        if self._agent_speaks:
            self._unstopped = max(0, self._unstopped + (1 if self._detector.speech else -1))
        if self._watch.changed or self._unstopped >= UNSTOPPED_FRAMES:
            self._start_anew()

    def _start_anew(self) -> None:
        self._filter.reset()
        self._detector.forget()
        self._watch.clear()
        self._unstopped = self._echoless = 0
        self.delays.look_anew()
        self.resets += 1


_NOTHING = np.zeros(BLOCK, np.float32)


def _samples(frame: bytes | None) -> Real:
    return _NOTHING if frame is None else np.frombuffer(frame, "<i2").astype(np.float32)


def _power(samples: Real) -> float:
    return float(np.dot(samples, samples)) / BLOCK
