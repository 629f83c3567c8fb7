"""Is there a voice in this frame? webrtcvad alone, or with the frame's energy; measured in docs/vad.md.

Another engine is another class with the same ``process``.
"""

from dataclasses import dataclass

import webrtcvad

from bot.audio.level import rms

SAMPLE_RATE = 8000
WEBRTC_WEIGHT, ENERGY_WEIGHT, AGREEMENT_WEIGHT = 0.4, 0.4, 0.2
LOUD = 3.0
"""A frame this many times over the energy threshold counts in full."""


@dataclass(frozen=True)
class VadParams:
    """``webrtc_aggressiveness`` 0–3; ``energy_threshold`` is an RMS of 16-bit samples. Without
    ``enhanced_enabled`` the energy and the confidence are not looked at."""

    webrtc_aggressiveness: int = 1
    enhanced_enabled: bool = True
    confidence_threshold: float = 0.6
    energy_threshold: float = 200


class Vad:
    """Decides frame by frame; frames are 20 ms of PCM16 at 8 kHz (320 bytes)."""

    def __init__(self, params: VadParams) -> None:
        self._params = params
        self._webrtc = webrtcvad.Vad(params.webrtc_aggressiveness)

    def process(self, frame: bytes) -> bool:
        """Whether a voice is heard. Frames come in order: webrtcvad adapts to the noise it hears."""
        voiced: bool = self._webrtc.is_speech(frame, SAMPLE_RATE)
        if not self._params.enhanced_enabled:
            return voiced
        return self.confidence(voiced, rms(frame)) >= self._params.confidence_threshold

    def confidence(self, voiced: bool, energy: float) -> float:
        """0–1: what webrtcvad says, how loud it is, and whether both speak for a voice."""
        ratio = energy / max(self._params.energy_threshold, 1.0)
        both = voiced and ratio >= 1
        return WEBRTC_WEIGHT * voiced + ENERGY_WEIGHT * min(ratio, LOUD) / LOUD + AGREEMENT_WEIGHT * both
