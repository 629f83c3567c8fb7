"""A recorded greeting: what is taken, and what is said about the rest, as ``voicebot check`` says it."""

import struct
import wave
from pathlib import Path

import pytest

from bot.config.greeting import read_greeting
from bot.config.load import load
from bot.errors import ConfigError


def wav(path: Path, *, rate_hz: int = 8000, channels: int = 1, width: int = 2, seconds: float = 0.1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, rate_hz, 0, "NONE", ""))
        file.writeframes(bytes(int(seconds * rate_hz) * channels * width))
    return path


def checked(tmp_path: Path, audio: Path, greeting: str = "Hello.") -> str:
    """What is found in a file with this agent; empty when all is well."""
    file = tmp_path / "config.yaml"
    file.write_text(f'agents:\n  default:\n    greeting: "{greeting}"\n    greeting_audio: {audio}\n')
    try:
        load(file, {})
    except ConfigError as error:
        return str(error).replace(str(tmp_path), "")
    return ""


def test_a_recording_of_the_line_is_taken_and_kept(tmp_path: Path) -> None:
    path = wav(tmp_path / "hello.wav")
    assert checked(tmp_path, path) == ""
    path.unlink()
    assert read_greeting(str(path)) == bytes(1600), "a file that goes away later costs no call"


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ({"rate_hz": 44100, "channels": 2}, "has 44100 Hz, 2 channels, 16 bits; 8000 Hz, 1 channel, 16 bits"),
        ({"rate_hz": 24000}, "has 24000 Hz"),
        ({"width": 1}, "8 bits; 8000 Hz"),
        ({"seconds": 0.0}, "is empty, or longer than 60 s"),
        ({"seconds": 60.1}, "is empty, or longer than 60 s"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(tmp_path: Path, shape: dict[str, float], words: str) -> None:
    said = checked(tmp_path, wav(tmp_path / "odd.wav", **shape))  # type: ignore[arg-type]
    assert said.startswith("/config.yaml:4: agents.default.greeting_audio: /odd.wav ")
    assert words in said
    assert "\n" not in said
    assert "Hz" not in words or "sox /odd.wav -r 8000 -c 1 -b 16" in said


def test_no_wav_and_no_file_are_named(tmp_path: Path) -> None:
    assert "cannot be read (No such file or directory)" in checked(tmp_path, tmp_path / "none.wav")
    assert "cannot be read (Is a directory)" in checked(tmp_path, tmp_path)
    text = tmp_path / "text.wav"
    text.write_text("hello")
    assert "is no WAV file of PCM" in checked(tmp_path, text)
    ulaw = tmp_path / "ulaw.wav"
    ulaw.write_bytes(
        b"RIFF$\0\0\0WAVEfmt " + struct.pack("<IHHIIHH", 16, 7, 1, 8000, 8000, 1, 8) + b"data\0\0\0\0"
    )
    assert "is no WAV file of PCM (unknown format: 7)" in checked(tmp_path, ulaw)


def test_its_words_must_be_given_as_they_were_spoken(tmp_path: Path) -> None:
    path = wav(tmp_path / "hello.wav")
    assert "nothing says what is said in it; add its words" in checked(tmp_path, path, "")
    assert "a recording cannot say {date}" in checked(tmp_path, path, "It is {date}.")
