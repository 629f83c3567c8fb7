"""Which files can be replayed, and what becomes of them."""

import wave
from pathlib import Path

import numpy as np
import pytest

from bot.errors import ResourceError
from bot.tune.recording import read, rms
from tests.tune.sample_call import write


def tone(seconds: float, rate_hz: int, level: float = 8000) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.asarray(level * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate_hz)) / rate_hz))


def test_left_is_the_caller_and_right_the_agent(tmp_path: Path) -> None:
    recording = read(write(tmp_path / "call.wav", tone(2, 8000), tone(2, 8000, 1000)))
    assert recording.seconds == 2
    assert recording.agent is not None
    assert [rms(track)[50] for track in recording if track is not None] == pytest.approx(
        [5657, 707], rel=0.02
    )


@pytest.mark.parametrize("rate_hz", [8000, 11025, 16000, 44100, 48000])
def test_any_rate_becomes_8_khz_without_a_seam(tmp_path: Path, rate_hz: int) -> None:
    recording = read(write(tmp_path / "mono.wav", tone(3.6, rate_hz), rate_hz=rate_hz))
    assert recording.agent is None
    assert recording.caller.shape == (180, 160)
    error = recording.caller.reshape(-1) - tone(3.6, 8000)
    assert np.abs(error[800:-800]).max() < 100


def test_what_cannot_be_replayed_is_told(tmp_path: Path) -> None:
    three = [tone(2, 8000)] * 3
    write(tmp_path / "three.wav", *three)
    write(tmp_path / "short.wav", tone(0.5, 8000))
    (tmp_path / "text.wav").write_text("no sound")
    with wave.open(str(tmp_path / "eight.wav"), "wb") as file:
        file.setparams((1, 1, 8000, 0, "NONE", ""))
        file.writeframes(bytes(16000))
    for name, message in {
        "three.wav": "16 bits, 3 tracks",
        "short.wav": "lasts 0.5 s",
        "text.wav": "no PCM WAV",
        "eight.wav": "8 bits",
        "none.wav": "no such file",
    }.items():
        with pytest.raises(ResourceError, match=message):
            read(tmp_path / name)
