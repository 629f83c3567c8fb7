import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bot.audio.conceal import Concealer

FRAME = 160


def voice(hz: float, samples: int = 8000) -> NDArray[np.float64]:
    """Five harmonics, as a vowel has."""
    t = np.arange(samples) / 8000
    wave = sum(np.sin(2 * np.pi * hz * n * t + n) / n for n in range(1, 6))
    return np.asarray(4000 * wave)


def through(signal: NDArray[np.float64], lost: set[int]) -> NDArray[np.float64]:
    concealer, out = Concealer(), b""
    for n in range(len(signal) // FRAME):
        pcm = np.rint(signal[n * FRAME : (n + 1) * FRAME]).astype("<i2").tobytes()
        out += concealer.lost(FRAME) if n in lost else concealer.good(pcm)
    return np.frombuffer(out, "<i2").astype(float)


@pytest.mark.parametrize("hz", [80, 120, 150, 190, 220])
def test_a_lost_frame_of_a_vowel_is_nearly_heard(hz: int) -> None:
    signal = voice(hz)
    lost = slice(20 * FRAME, 21 * FRAME)
    error = through(signal, {20})[lost] - signal[lost]
    assert np.mean(error**2) < 0.2 * np.mean(signal[lost] ** 2)  # zeros would give 1


@pytest.mark.parametrize("hz", [80, 120, 150, 190, 220])
@pytest.mark.parametrize("frames", [1, 2, 5])
def test_no_edge_clicks(hz: int, frames: int) -> None:
    """No step between samples that is much steeper than the voice's own."""
    signal = voice(hz)
    out = through(signal, set(range(20, 20 + frames)))
    assert np.abs(np.diff(out)).max() < 1.6 * np.abs(np.diff(signal)).max()


def test_it_fades_to_silence_by_60_ms() -> None:
    out = through(voice(150), set(range(20, 30)))
    levels = [np.sqrt(np.mean(out[n * FRAME : (n + 1) * FRAME] ** 2)) for n in range(20, 30)]
    assert levels[0] > levels[1] > levels[2] > 0
    assert levels[3:] == [0] * 7


def test_a_long_silence_costs_nothing_and_the_voice_glides_in_after_it() -> None:
    signal = voice(150)
    out = through(signal, set(range(20, 40)))
    assert not out[23 * FRAME : 40 * FRAME].any()
    assert np.abs(np.diff(out)).max() < 1.6 * np.abs(np.diff(signal)).max()


def test_nothing_lost_is_not_touched() -> None:
    pcm = np.arange(160, dtype="<i2").tobytes()
    assert Concealer().good(pcm) is pcm


def test_silence_is_concealed_with_silence() -> None:
    concealer = Concealer()
    concealer.good(bytes(640))
    assert concealer.lost(160) == bytes(320)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 700)), max_size=30), st.integers(0, 100))
def test_as_long_as_what_was_lost_whatever_comes(pieces: list[tuple[bool, int]], seed: int) -> None:
    rng, concealer = np.random.default_rng(seed), Concealer()
    for lost, samples in pieces:
        pcm = rng.integers(-32768, 32768, samples).astype("<i2").tobytes()
        assert len(concealer.lost(samples) if lost else concealer.good(pcm)) == 2 * samples
