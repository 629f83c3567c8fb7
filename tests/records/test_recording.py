"""Recordings: caller left, agent right, nothing lost, readable while they grow."""

import wave
from pathlib import Path

import numpy as np
import pytest

from bot.audio.g711 import ULAW
from bot.errors import ResourceError
from bot.records.recording import Recorders


def read(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 8000, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)


def tone(value: int) -> bytes:
    return np.full(160, value, "<i2").tobytes()


async def test_both_tracks_are_whole(tmp_path: Path) -> None:
    recorders = Recorders(str(tmp_path / "recordings"))
    recorder = recorders.open("call-1", ULAW)
    for _ in range(120):
        recorder.caller(tone(1000))
        recorder.agent(ULAW.encode(tone(-2000)))
    recorder.caller(tone(1000))
    await recorder.close()
    recorders.close()
    stereo = read(recorder.path)
    assert len(stereo) == 121 * 160
    assert set(stereo[:, 0]) == {1000}
    assert np.abs(stereo[: 120 * 160, 1] + 2000).max() < 100
    assert not stereo[120 * 160 :, 1].any()


async def test_what_was_written_survives_without_closing(tmp_path: Path) -> None:
    recorders = Recorders(str(tmp_path))
    recorder = recorders.open("call-2", ULAW)
    for _ in range(110):
        recorder.caller(tone(500))
        recorder.agent(b"\xff" * 160)
    recorders.close()  # as far as a crash would let it come
    assert len(read(recorder.path)) == 2 * 8000


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match=r"records\.recordings"):
        Recorders(str(tmp_path / "file" / "folder"))


async def test_a_full_disk_costs_the_recording_only(tmp_path: Path) -> None:
    recorders = Recorders(str(tmp_path))
    recorder = recorders.open("call-3", ULAW)
    recorder.path = Path("/dev/full")
    for _ in range(60):
        recorder.caller(tone(500))
        recorder.agent(b"\xff" * 160)
    await recorder.close()
    recorders.close()
