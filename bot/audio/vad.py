"""Is there a voice in this frame? An engine alone, or with the frame's energy; measured in docs/vad.md."""

from dataclasses import dataclass
from typing import Literal, Protocol

import webrtcvad

from bot.audio.level import rms
from bot.audio.silero import Silero

SAMPLE_RATE = 8000
ENGINE_WEIGHT, ENERGY_WEIGHT, AGREEMENT_WEIGHT = 0.4, 0.4, 0.2
LOUD = 3.0
"""A frame this many times over the energy threshold counts in full."""
FAINT = 0.25
"""So much of the threshold is enough where the echo canceller's detector hears the caller as well."""


@dataclass(frozen=True)
class VadParams:
    """``webrtc_aggressiveness`` 0–3, of that engine alone; ``energy_threshold`` is an RMS of 16-bit samples.
    Without ``enhanced_enabled`` the energy and the confidence are not looked at."""

    engine: Literal["webrtc", "silero"] = "webrtc"
    webrtc_aggressiveness: int = 1
    enhanced_enabled: bool = True
    confidence_threshold: float = 0.6
    energy_threshold: float = 200


class Engine(Protocol):
    def is_speech(self, frame: bytes, sample_rate: int) -> bool: ...


class Vad:
    """Decides frame by frame; frames are 20 ms of PCM16 at 8 kHz (320 bytes). ``faint``: there was a voice in
    the last one, loud enough for somebody who knows from elsewhere that the caller speaks."""

    def __init__(self, params: VadParams) -> None:
        self.faint = False
        self._params = params
        self._engine: Engine = (
            Silero() if params.engine == "silero" else webrtcvad.Vad(params.webrtc_aggressiveness)
        )

    def process(self, frame: bytes) -> bool:
        """Whether a voice is heard. Frames come in order: the engine adapts to what it hears."""
        voiced = self.faint = self._engine.is_speech(frame, SAMPLE_RATE)
        if not self._params.enhanced_enabled:
            return voiced
        energy = rms(frame)
        self.faint = voiced and energy >= FAINT * self._params.energy_threshold
        return self.confidence(voiced, energy) >= self._params.confidence_threshold

    def confidence(self, voiced: bool, energy: float) -> float:
        """0–1: what the engine says, how loud it is, and whether both speak for a voice."""
        ratio = energy / max(self._params.energy_threshold, 1.0)
        both = voiced and ratio >= 1
        return ENGINE_WEIGHT * voiced + ENERGY_WEIGHT * min(ratio, LOUD) / LOUD + AGREEMENT_WEIGHT * both
