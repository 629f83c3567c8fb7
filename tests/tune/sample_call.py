"""A recorded call made of espeak-ng speech: an agent, its echo, a caller who answers and interrupts."""

import io
import subprocess
import wave
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bot.audio.g711 import ULAW
from bot.offline.formats import resample

Signal = NDArray[np.float64]
RATE_HZ = 8000
AGENT_RMS = 3277.0
GREETING = (
    "Good morning and thank you for calling the northern water company. I can help you with your bill, a "
    "meter reading, or a fault in your street. Please have your address ready."
)
DETAILS = (
    "Our engineers are working on the main pipe near the old railway station. The pressure should be back to "
    "normal before six this evening, and we are very sorry for the trouble that this is causing you."
)
ANSWER = "Hello, I would like to ask about the pressure in my street."
INTERRUPTION = "Sorry, can I stop you there for a second? I have a different question."


class Said(NamedTuple):
    at_s: float
    sound: Signal

    @property
    def end_s(self) -> float:
        return self.at_s + len(self.sound) / RATE_HZ


class SampleCall(NamedTuple):
    """``caller`` and ``agent`` as recorded; what the caller said, and when."""

    caller: Signal
    agent: Signal
    answer: Said
    interruption: Said


@cache
def spoken(text: str, voice: str) -> Signal:
    """At 8 kHz, without the silence around it; 1 RMS over its loud frames."""
    done = subprocess.run(["espeak-ng", "-v", voice, "--stdout", text], check=True, capture_output=True)
    with wave.open(io.BytesIO(done.stdout)) as header:
        pcm = resample(done.stdout[44:], header.getframerate(), RATE_HZ)
    samples = np.frombuffer(pcm, "<i2").astype(float)
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    level = np.sqrt((frames**2).mean(axis=1))
    loud = level > level.max() * 0.056
    first, last = np.flatnonzero(loud)[[0, -1]]
    return np.asarray(frames[first : last + 1].reshape(-1) / np.sqrt((frames[loud] ** 2).mean()))


def sample_call(
    *, echo_db: float | None = -12, caller_rms: float = 1000, noise_rms: float = 10
) -> SampleCall:
    """The agent greets, the caller answers, the agent explains, the caller interrupts in vain."""
    greeting, details = spoken(GREETING, "en-us+f2"), spoken(DETAILS, "en-us+f2")
    answer = Said(1.0 + len(greeting) / RATE_HZ + 0.8, caller_rms * spoken(ANSWER, "en-gb+m7"))
    explains_s = answer.end_s + 1.0
    interruption = Said(explains_s + 4.0, caller_rms * spoken(INTERRUPTION, "en-gb+m7"))
    length = int(RATE_HZ * (explains_s + len(details) / RATE_HZ + 2.0))
    agent = AGENT_RMS * (_placed(greeting, 1.0, length) + _placed(details, explains_s, length))
    rng = np.random.default_rng(3)
    caller = noise_rms * rng.standard_normal(length)
    caller += _placed(answer.sound, answer.at_s, length) + _placed(
        interruption.sound, interruption.at_s, length
    )
    if echo_db is not None:
        caller += 10 ** (echo_db / 20) * _room(agent, rng)
    return SampleCall(_ulaw(caller), _ulaw(agent), answer, interruption)


def write(path: Path, *tracks: Signal, rate_hz: int = RATE_HZ) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((len(tracks), 2, rate_hz, 0, "NONE", ""))
        file.writeframes(np.stack(tracks, axis=1).astype("<i2").tobytes())
    return path


def _placed(sound: Signal, at_s: float, length: int) -> Signal:
    out = np.zeros(length)
    start = round(at_s * RATE_HZ)
    out[start : start + len(sound)] = sound
    return out


def _room(agent: Signal, rng: np.random.Generator) -> Signal:
    """120 ms away, T60 250 ms; as loud as the agent."""
    tail = rng.standard_normal(2000) * 10 ** (-3 * np.arange(2000) / 2000)
    path = np.concatenate([np.zeros(960), tail / np.sqrt((tail**2).sum())])
    size = len(agent) + len(path)
    return np.asarray(np.fft.irfft(np.fft.rfft(agent, size) * np.fft.rfft(path, size), size)[: len(agent)])


def _ulaw(samples: Signal) -> Signal:
    pcm = ULAW.encode(np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes())
    return np.frombuffer(ULAW.decode(pcm), "<i2").astype(float)
