"""Speech to say and ways to look at what was heard. Audio here: int16 arrays, mono, 8 kHz."""

from __future__ import annotations

import io
import subprocess
import wave
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.e2e.proxy import Packet

Pcm = NDArray[np.int16]
RATE_HZ = 8000
FRAME = 160
AUDIBLE_DBFS = -45.0
# Beyond this the next packet starts a new place on the time line instead of following the last one.
SLACK_S = 0.06


def _ulaw_table() -> Pcm:
    code = ~np.arange(256, dtype=np.uint8)
    exponent, mantissa = (code >> 4) & 7, (code & 15).astype(np.int32)
    value = ((2 * mantissa + 33) << exponent) - 33
    return np.where(code & 0x80, -value, value).astype(np.int16) * np.int16(4)


def _alaw_table() -> Pcm:
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent, mantissa = ((code >> 4) & 7).astype(np.int32), (code & 15).astype(np.int32)
    value = np.where(exponent == 0, 2 * mantissa + 1, (2 * mantissa + 33) << np.maximum(exponent - 1, 0))
    return (np.where(code & 0x80, value, -value) * 8).astype(np.int16)


TABLES = {0: _ulaw_table(), 8: _alaw_table()}


def decode(payload: bytes, payload_type: int) -> Pcm:
    """G.711 bytes of RTP payload type 0 (μ-law) or 8 (A-law) as PCM (ITU-T G.711)."""
    return TABLES[payload_type][np.frombuffer(payload, np.uint8)]


def speak(text: str, *, voice: str = "en-us", words_per_minute: int = 150) -> Pcm:
    """``text`` spoken by espeak-ng."""
    command = ["espeak-ng", "-v", voice, "-s", str(words_per_minute), "--stdout", text]
    spoken = subprocess.run(command, capture_output=True, check=True).stdout
    # espeak-ng cannot know the length of a pipe's WAV, so it is read as raw samples after the header.
    with wave.open(io.BytesIO(spoken)) as header:
        rate = header.getframerate()
    sox = ["sox", "-t", "raw", "-e", "signed", "-b", "16", "-c", "1", "-r", str(rate), "-"]
    sox += ["-t", "raw", "-e", "signed", "-b", "16", "-r", str(RATE_HZ), "-", "gain", "-n", "-6"]
    raw = subprocess.run(sox, input=spoken[44:], capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.int16)


def write_wav(path: Path, *channels: Pcm) -> None:
    """A WAV of one channel, or of several beside each other (the shorter padded with silence)."""
    length = max(len(channel) for channel in channels)
    padded = [np.pad(channel, (0, length - len(channel))) for channel in channels]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(np.stack(padded, axis=1).astype("<i2").tobytes())


def timeline(packets: Iterable[Packet], start: float) -> Pcm:
    """The G.711 payloads laid out by their times of arrival; sample 0 is at ``start``, gaps are silence."""
    audio = np.zeros(0, np.int16)
    cursor = 0
    for packet in packets:
        if packet.rtcp or packet.payload_type not in TABLES:
            continue
        place = round((packet.time - start) * RATE_HZ)
        if abs(place - cursor) < SLACK_S * RATE_HZ:
            place = cursor
        pcm = decode(packet.payload, packet.payload_type)
        place = max(place, 0)
        cursor = place + len(pcm)
        if cursor > len(audio):
            audio = np.pad(audio, (0, cursor - len(audio) + 60 * RATE_HZ))
        audio[place:cursor] = pcm
    return audio[:cursor]


def level_dbfs(pcm: Pcm) -> float:
    """RMS level against full scale; −120 for digital silence."""
    if not len(pcm):
        return -120.0
    rms = float(np.sqrt(np.mean(pcm.astype(np.float64) ** 2)))
    return max(20 * float(np.log10(max(rms, 1e-9) / 32768)), -120.0)


def audible(packet: Packet) -> bool:
    """Whether a packet carries G.711 louder than −45 dBFS."""
    if packet.rtcp or packet.payload_type not in TABLES:
        return False
    return level_dbfs(decode(packet.payload, packet.payload_type)) > AUDIBLE_DBFS


def likeness(wanted: Pcm, heard: Pcm) -> tuple[float, int]:
    """Greatest normalised correlation (0–1) of ``wanted`` within ``heard``, and the sample where it lies."""
    if len(heard) < len(wanted):
        return 0.0, 0
    a, b = wanted.astype(np.float64), heard.astype(np.float64)
    size = 1 << (len(a) + len(b) - 1).bit_length()
    product = np.fft.irfft(np.fft.rfft(b, size) * np.conj(np.fft.rfft(a, size)), size)[: len(b) - len(a) + 1]
    sums = np.concatenate(([0.0], np.cumsum(b**2)))
    energy = np.sqrt(np.maximum(sums[len(a) :] - sums[: -len(a)], 1e-9) * max(float(np.sum(a**2)), 1e-9))
    score = product / np.maximum(energy, 1.0)
    best = int(np.argmax(score))
    return float(score[best]), best
