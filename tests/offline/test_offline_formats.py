"""Formats and the resampler: length, level, alignment and aliases."""

import numpy as np
import pytest
from numpy.typing import NDArray

from bot.offline.formats import decode, encode, rate_hz, resample
from bot.offline.voice import synthetic_speech


def tone(hz: float, rate: int, seconds: float = 0.5) -> bytes:
    wave = 8000 * np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate)
    return bytes(wave.astype("<i2").tobytes())


def level_db(pcm: bytes) -> float:
    """RMS of the middle, in dB of the test tone's."""
    samples: NDArray[np.float64] = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    return float(20 * np.log10(np.sqrt(np.mean(middle**2)) / (8000 / np.sqrt(2)) + 1e-12))


@pytest.mark.parametrize(
    ("from_hz", "to_hz"), [(22050, 24000), (24000, 16000), (8000, 16000), (24000, 8000), (16000, 16000)]
)
def test_speech_band_is_flat_and_in_time(from_hz: int, to_hz: int) -> None:
    for hz in (300, 1000, 3400):
        out = resample(tone(hz, from_hz), from_hz, to_hz)
        assert len(out) == to_hz // 2 * 2
        assert level_db(out) == pytest.approx(0, abs=0.2)
        error = np.frombuffer(out, "<i2").astype(float) - np.frombuffer(tone(hz, to_hz), "<i2")
        assert np.abs(error[1000:-1000]).max() < 8000 * 0.02


def test_what_does_not_fit_the_narrower_band_is_gone() -> None:
    assert level_db(resample(tone(4700, 24000), 24000, 8000)) < -60
    assert level_db(resample(tone(9000, 24000), 24000, 16000)) < -60


@pytest.mark.parametrize("audio_format", ["audio/pcm", "audio/pcmu", "audio/pcma"])
def test_encode_and_decode(audio_format: str) -> None:
    pcm = synthetic_speech(0.5)
    back = decode(encode(pcm, audio_format), audio_format)  # type: ignore[arg-type]
    assert len(back) / 2 / rate_hz(audio_format) == 0.5  # type: ignore[arg-type]
    loudness = [np.std(np.frombuffer(one, "<i2").astype(float)) for one in (pcm, back)]
    assert loudness[1] == pytest.approx(loudness[0], rel=0.1)
