"""The filter's figures are measured on what comes out, not on its taps."""

import subprocess
import sys
from itertools import cycle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.audio.resample import Downsampler, Upsampler


def tone(hz: float, rate: int, seconds: float = 0.5, peak: float = 16000) -> bytes:
    t = np.arange(int(rate * seconds)) / rate
    return np.rint(peak * np.sin(2 * np.pi * hz * t)).astype("<i2").tobytes()


def level_db(pcm: bytes, reference: bytes) -> float:
    """Level of the steady part, in dB against a reference tone."""
    a, b = (np.frombuffer(x, "<i2")[400:-400].astype(float) for x in (pcm, reference))
    return float(10 * np.log10(max(np.mean(a * a), 1e-9) / np.mean(b * b)))


@pytest.mark.parametrize("hz", [300, 500, 1000, 2000, 3000, 3400])
def test_pass_band_is_flat_both_ways(hz: int) -> None:
    assert abs(level_db(Downsampler().process(tone(hz, 24000)), tone(hz, 8000))) < 0.5
    assert abs(level_db(Upsampler().process(tone(hz, 8000)), tone(hz, 24000))) < 0.5


@pytest.mark.parametrize("hz", [4600, 5000, 6000, 7000, 8000, 9000, 10000, 11500])
def test_what_would_alias_is_gone(hz: int) -> None:
    assert level_db(Downsampler().process(tone(hz, 24000)), tone(1000, 8000)) <= -60


@pytest.mark.parametrize("hz", [300, 1000, 2000, 3400])
def test_no_image_above_the_phone_band(hz: int) -> None:
    up = np.frombuffer(Upsampler().process(tone(hz, 8000)), "<i2")[600:-600].astype(float)
    spectrum = np.abs(np.fft.rfft(up * np.hanning(len(up)))) ** 2
    high = np.fft.rfftfreq(len(up), 1 / 24000) >= 4600
    assert 10 * np.log10(spectrum[high].sum() / spectrum.sum()) <= -60


def test_delay_is_a_millisecond_and_a_half() -> None:
    impulse = np.zeros(600, "<i2")
    impulse[0] = 30000
    down = np.frombuffer(Downsampler().process(impulse.tobytes()), "<i2")
    up = np.frombuffer(Upsampler().process(impulse.tobytes()), "<i2")
    assert down.argmax() == 12  # samples at 8 kHz
    assert up.argmax() == 36  # samples at 24 kHz


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(1, 1500), min_size=1, max_size=8), seed=st.integers(0, 2**32 - 1))
def test_chunks_of_any_size_give_the_same_bytes(sizes: list[int], seed: int) -> None:
    pcm = np.random.default_rng(seed).integers(-32768, 32767, 2400).astype("<i2").tobytes()
    for resampler in (Downsampler, Upsampler):
        whole, chunked = resampler(), resampler()
        expected = whole.process(pcm) + whole.flush()
        out, rest, size = b"", pcm, cycle(sizes)
        while rest:
            n = next(size)
            out += chunked.process(rest[:n])
            rest = rest[n:]
        # The order of a sum may differ by block, and so the last bit of a rounding.
        got, want = (np.frombuffer(x, "<i2").astype(int) for x in (out + chunked.flush(), expected))
        assert len(got) == len(want)
        assert np.abs(got - want).max() <= 1


def test_sample_exact_over_ten_minutes() -> None:
    down, up = Downsampler(), Upsampler()
    n24 = n8 = 0
    chunk = bytes(2 * 24000 - 2)  # 23,999 samples: never a multiple of three
    for _ in range(600):
        n8 += len(down.process(chunk)) // 2
        n24 += len(up.process(chunk)) // 2
    assert n8 == 600 * 23999 // 3
    assert n24 == 600 * 23999 * 3


def test_loud_input_saturates_instead_of_wrapping() -> None:
    square = np.where(np.arange(2400) // 60 % 2, 32767, -32768).astype("<i2")
    for out, length in (
        (Downsampler().process(square.tobytes()), 800),
        (Upsampler().process(square.tobytes()), 7200),
    ):
        samples = np.frombuffer(out, "<i2").astype(int)
        assert len(samples) == length
        assert samples.max() == 32767 and samples.min() == -32768
        # Wrapping shows as a jump of nearly the whole range within the plateau.
        assert np.abs(np.diff(samples)).max() < 60000


def test_flush_gives_the_tail_once_and_starts_afresh() -> None:
    for resampler, tail in ((Downsampler(), 12), (Upsampler(), 36)):
        first = resampler.process(tone(700, 8000)) + resampler.flush()
        assert resampler.process(b"") == b""
        assert resampler.process(tone(700, 8000)) + resampler.flush() == first
        assert len(resampler.flush()) == 2 * tail


def test_a_broken_group_loses_nothing() -> None:
    down = Downsampler()
    assert len(down.process(bytes(2 * 480 + 2)) + down.flush()) // 2 == 160 + 13


def test_no_matter_how_much_comes_at_once_it_takes_one_thread() -> None:
    """Others would spin for long after each piece, on cores that callers need."""
    program = """
import os
from bot.audio.resample import Downsampler
Downsampler().process(bytes(2 * 24000))
print(len(os.listdir("/proc/self/task")))
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "1\n"
