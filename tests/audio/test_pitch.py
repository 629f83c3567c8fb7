"""Vowels and noises."""

import numpy as np
import pytest
from numpy.typing import NDArray

from bot.audio.pitch import pitched

TIME = np.arange(320) / 8000


def pcm(samples: NDArray[np.float64]) -> bytes:
    return np.rint(samples).astype("<i2").tobytes()


@pytest.mark.parametrize("hz", [70, 110, 220, 380])
@pytest.mark.parametrize("noise_rms", [0, 300])
def test_a_vowel_has_a_pitch(hz: float, noise_rms: float) -> None:
    vowel = sum(1000 / n * np.sin(2 * np.pi * n * hz * TIME) for n in range(1, 10))
    noise = noise_rms * np.random.default_rng(1).normal(size=320)
    assert pitched(pcm(vowel + noise))


@pytest.mark.parametrize("seed", range(20))
def test_a_noise_has_none(seed: int) -> None:
    noise = np.random.default_rng(seed).normal(size=330)
    assert not pitched(pcm(1000 * noise[:320]))
    assert not pitched(pcm(1000 * np.convolve(noise, np.hanning(6), "valid")[:320]))


def test_silence_has_none() -> None:
    assert not pitched(bytes(640))
    assert not pitched(pcm(np.full(320, 3000.0)))
