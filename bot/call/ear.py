"""What is made of each frame of the caller: the echo taken out, is it a voice, does he interrupt. PURE.

The live uplink and the replay of a recording (``bot.tune``) hear with the same ear.
"""

from typing import NamedTuple, Protocol

from bot.audio.echo import Residual
from bot.audio.framer import PCM_FRAME_BYTES
from bot.audio.pitch import pitched
from bot.audio.vad import Vad, VadParams
from bot.call.barge_in import BargeIn, BargeInParams
from bot.call.turns import Input

SUSPECT_DB = 9.0
"""The detector's score that makes a suspect. Its own 12 dB is for decisions that cannot be undone; this finds
quiet callers over a loud echo sooner, for one false suspect in about 8 minutes of the agent's voice."""
ONGOING_DB = 4.0
"""Once the caller is suspected, this is enough: his quieter syllables."""
SHY_DB, SHY_FRAMES = 6.0, 500
"""After a suspect that was a noise so much more is asked for, which fades over 10 s: the noise may go on."""
DETECTOR_FRAMES = 3
"""The detector judges by so many frames. After the canceller's sleep the first of them are old."""
VOWEL_FRAMES = 10
"""So long after a vowel a voice has another, and a cough has none, which any voice detector takes for one."""
BEFORE_MS = 40
"""What it has heard of the caller before the frame in which it is sure."""


class Canceller(Protocol):
    """The part of ``EchoCanceller`` that the ear needs."""

    @property
    def asleep(self) -> bool: ...

    def process(self, near: bytes) -> Residual: ...


class Heard(NamedTuple):
    """``frame``: without the echo. ``voiced``: says the VAD. ``decided``: SPEECH, COMMIT, QUIET or None."""

    frame: bytes
    voiced: bool
    decided: Input | None


class Ear:
    """One call's. Feed it every frame of the caller in order (320 bytes of PCM16 at 8 kHz)."""

    def __init__(self, vad: VadParams, barge_in: BargeInParams, echo: Canceller | None) -> None:
        self.over_agent = False
        self._echo = echo
        self._awake = 0  # frames since the canceller slept
        self._shy = 0  # frames for which more is asked for
        self._vowel = 0  # frames until the last one is forgotten
        self._before = bytes(PCM_FRAME_BYTES)
        self._vad = Vad(vad)
        self._barge_in = BargeIn(barge_in)

    @property
    def heard_for_ms(self) -> int:
        return self._barge_in.elapsed_ms

    def listen_over_agent(self, audible: bool) -> None:
        """Whether the agent is audible and may be interrupted; a new stretch starts afresh."""
        if audible and not self.over_agent:
            self._barge_in.reset()
        self.over_agent = audible

    def retune(self, barge_in: BargeInParams) -> None:
        """Another agent may be interrupted sooner or later."""
        self._barge_in = BargeIn(barge_in)

    def suspect(self) -> None:
        """Somebody else (the server's VAD) heard the caller over the agent first."""
        self._barge_in.suspect()

    def process(self, frame: bytes) -> Heard:
        """Over an echo the canceller's detector says whether the caller is heard, at whatever level; while
        there is none, he is when the VAD hears a voice, louder than the line's noise."""
        asleep, score = True, 0.0
        if self._echo is not None:
            frame, _, score = self._echo.process(frame)
            asleep = self._echo.asleep
        before, self._before = self._before, frame
        self._awake = 0 if asleep else self._awake + 1
        voiced = self._vad.process(frame)
        self._shy = max(0, self._shy - 1)
        if not self.over_agent:
            return Heard(frame, voiced, None)
        asked = ONGOING_DB if self._barge_in.suspected else SUSPECT_DB
        loud = self._echo is None or score > asked + SHY_DB * self._shy / SHY_FRAMES
        if asleep:
            heard, voice, since_ms = loud and voiced, voiced, 0
        else:  # the detector has judged how loud he is
            heard, voice, since_ms = loud and self._awake >= DETECTOR_FRAMES, self._vad.faint, BEFORE_MS
        self._vowel = VOWEL_FRAMES if heard and pitched(before + frame) else max(0, self._vowel - 1)
        decided = self._barge_in.frame(heard, voice and self._vowel > 0, since_ms=since_ms)
        if decided is Input.QUIET and self._barge_in.noise:
            self._shy = SHY_FRAMES
        return Heard(frame, voiced, decided)
