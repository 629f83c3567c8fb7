"""What is made of each frame of the caller: the echo taken out, is it a voice, does he interrupt. PURE.

The live uplink and the replay of a recording (``bot.tune``) hear with the same ear.
"""

from typing import NamedTuple, Protocol

from bot.audio.echo import Residual
from bot.audio.vad import Vad, VadParams
from bot.call.barge_in import BargeIn, BargeInParams
from bot.call.turns import Input


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

    def suspect(self) -> None:
        """Somebody else (the server's VAD) heard the caller over the agent first."""
        self._barge_in.suspect()

    def process(self, frame: bytes) -> Heard:
        """Over an echo the canceller's detector says whether the caller is heard, otherwise the VAD does."""
        speech = False
        if self._echo is not None:
            frame, speech, _ = self._echo.process(frame)
        voiced = self._vad.process(frame)
        heard = voiced if self._echo is None or self._echo.asleep else speech
        decided = self._barge_in.frame(heard, voiced) if self.over_agent else None
        return Heard(frame, voiced, decided)
