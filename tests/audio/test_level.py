import numpy as np
import pytest

from bot.audio.level import dbov, rms


def test_levels_of_known_signals() -> None:
    square = np.full(160, 16384, "<i2").tobytes()
    assert rms(square) == 16384
    assert dbov(square) == pytest.approx(-6.02, abs=0.01)
    sine = np.rint(32767 * np.sin(2 * np.pi * np.arange(800) / 80)).astype("<i2").tobytes()
    assert dbov(sine) == pytest.approx(-3.01, abs=0.02)


def test_silence_has_a_level_too() -> None:
    assert dbov(bytes(320)) == -127
    assert rms(b"") == 0
