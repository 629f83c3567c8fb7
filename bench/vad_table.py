"""The tables of docs/vad.md: what each VAD setting does on speech, noise, music and echo at several levels.

    python -m bench.vad_table      (needs espeak-ng and the extra ``silero``; two minutes)

Speech is espeak-ng's, four voices; everything is 8 kHz through G.711. Speech frames are those within 25 dB of
the sentence's loudest; the first 1.5 s of each sound, in which webrtcvad learns the noise, do not count.
"""

import io
import itertools
import subprocess
import wave
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bot.audio.g711 import ULAW
from bot.audio.vad import Vad, VadParams

Floats = NDArray[np.float64]

VOICES = ("en-us", "en-us+f3", "en-gb+m7", "en-us+f5")
SENTENCES = (
    "Hello, I would like to change my appointment on Thursday, if that is possible.",
    "No, wait a moment please. Could you tell me the opening hours again?",
    "My number is five five five, one two, zero nine. Thank you very much.",
    "I am standing in the street, so it may be a little hard to hear me.",
)
AGENT_RMS = 3277
SKIPPED_FRAMES = 75
ON_FRAMES, OFF_FRAMES = 3, 15


@dataclass(frozen=True)
class Sound:
    """``speech``: which frames are the caller's voice; none of them for what must not be taken for one."""

    name: str
    samples: Floats
    speech: NDArray[np.bool_]


def espeak(text: str, voice: str) -> Floats:
    """At 8 kHz, by cutting the spectrum."""
    done = subprocess.run(["espeak-ng", "-v", voice, "--stdout", text], check=True, capture_output=True)
    with wave.open(io.BytesIO(done.stdout)) as file:
        rate = file.getframerate()
        samples = np.frombuffer(done.stdout[44:], "<i2").astype(float)
    count = int(len(samples) * 8000 / rate)
    spectrum = np.fft.rfft(samples)[: count // 2 + 1]
    spectrum[: 200 * len(samples) // rate] = 0  # a telephone's band
    return np.asarray(np.fft.irfft(spectrum, count) * count / len(samples))


def frame_levels(samples: Floats) -> Floats:
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    return np.asarray(np.sqrt(np.mean(frames**2, axis=1)))


def talk(voices: tuple[str, ...]) -> tuple[Floats, NDArray[np.bool_]]:
    """All sentences, a second of silence before each; 1 RMS over its speech frames."""
    parts = []
    for voice, text in itertools.product(voices, SENTENCES):
        spoken = espeak(text, voice)
        level = frame_levels(spoken)
        parts += [np.zeros(8000), spoken / np.sqrt(np.mean(level[level > level.max() * 0.056] ** 2))]
    samples = np.concatenate([np.zeros(8000), *parts])
    level = frame_levels(samples)
    return samples, level > level.max() * 0.056


def unit(samples: Floats) -> Floats:
    return np.asarray(samples / np.sqrt(np.mean(samples**2)))


def pink(rng: np.random.Generator, count: int) -> Floats:
    spectrum = np.fft.rfft(rng.standard_normal(count))
    spectrum /= np.sqrt(np.maximum(np.fft.rfftfreq(count, 1 / 8000), 50))
    return unit(np.fft.irfft(spectrum, count))


def music(rng: np.random.Generator, seconds: int) -> Floats:
    """Chords of plucked harmonics, four notes a second, as music on hold has them."""
    out = np.zeros(8000 * seconds)
    t = np.arange(8000) / 8000
    for start in range(0, len(out) - 8000, 2000):
        for note in rng.choice((196, 220, 262, 294, 330, 392, 440, 523), 3):
            tone = sum(np.sin(2 * np.pi * note * n * t) / n for n in range(1, 7))
            out[start : start + 8000] += tone * np.exp(-3 * t)
    return unit(out)


def echo(agent: Floats, rng: np.random.Generator) -> Floats:
    """The agent through G.711 and a room (T60 250 ms) 120 ms away; 1 RMS for 1 RMS of the agent."""
    tail = rng.standard_normal(2000) * 10 ** (-3 * np.arange(2000) / 2000)
    path = np.concatenate([np.zeros(960), tail / np.sqrt(np.sum(tail**2))])
    size = len(agent) + len(path) - 1
    return np.asarray(np.fft.irfft(np.fft.rfft(agent, size) * np.fft.rfft(path, size), size)[: len(agent)])


def sounds() -> list[Sound]:
    rng = np.random.default_rng(1)
    caller, speech = talk(VOICES)
    agent, _ = talk(("en-us+f2",))
    none = np.zeros(len(caller) // 160 + 1, bool)
    minute = 8000 * 60
    quiet = 8 * rng.standard_normal(len(caller))
    found = [Sound(f"speech {rms}", caller * rms + quiet, speech) for rms in (3000, 1000, 500, 250, 125)]
    found.append(Sound("speech 1000, noise 100", caller * 1000 + 100 * pink(rng, len(caller)), speech))
    found += [Sound(f"pink noise {rms}", rms * pink(rng, minute), none) for rms in (30, 100, 300, 1000)]
    babble = unit(sum((np.roll(caller, 37777 * n)[:minute] for n in range(1, 7)), np.zeros(1)))
    found += [Sound(f"babble {rms}", rms * babble, none) for rms in (100, 300)]
    found += [Sound(f"music {rms}", rms * music(rng, 60), none) for rms in (100, 300, 1000)]
    back = echo(agent, rng)
    for db in (6, 12, 24, 28, 32, 36):
        level = AGENT_RMS * 10 ** (-db / 20)
        found.append(Sound(f"echo −{db} dB", level * back + quiet[: len(back)], none))
    return found


def decide(sound: Sound, params: VadParams) -> NDArray[np.bool_]:
    vad = Vad(params)
    pcm = ULAW.decode(ULAW.encode(np.clip(np.rint(sound.samples), -32768, 32767).astype("<i2").tobytes()))
    return np.array([vad.process(pcm[n : n + 320]) for n in range(0, len(pcm) - 319, 320)])


def transitions(voiced: NDArray[np.bool_]) -> int:
    """Of a gate that opens after three voiced frames and closes after 300 ms without one."""
    is_open, run, changes = False, 0, 0
    for frame in voiced:
        run = run + 1 if bool(frame) != is_open else 0
        if run >= (OFF_FRAMES if is_open else ON_FRAMES):
            is_open, run, changes = not is_open, 0, changes + 1
    return changes


def cell(sound: Sound, params: VadParams) -> str:
    """Speech: its frames that are heard / the others that are taken for it. Else: transitions a minute."""
    voiced = decide(sound, params)[SKIPPED_FRAMES:]
    speech = sound.speech[SKIPPED_FRAMES : SKIPPED_FRAMES + len(voiced)]
    if speech.any():
        return f"{100 * voiced[speech].mean():.0f} / {100 * voiced[~speech].mean():.0f}"
    return f"{transitions(voiced) / (len(voiced) / 3000):.0f} ({100 * voiced.mean():.0f})"


def table(title: str, columns: dict[str, VadParams], all_sounds: list[Sound]) -> str:
    lines = [f"### {title}", "", f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for sound in all_sounds:
        cells = " | ".join(cell(sound, params) for params in columns.values())
        lines.append(f"| {sound.name} | {cells} |")
    return "\n".join([*lines, ""])


def main() -> None:
    every = sounds()
    base = VadParams()
    plain = replace(base, enhanced_enabled=False)
    levels = (50, 100, 150, 200, 300, 600, 1500)
    tables = {
        "`webrtc_aggressiveness`, `enhanced_enabled: false`": {
            str(n): replace(plain, webrtc_aggressiveness=n) for n in range(4)
        },
        "`webrtc_aggressiveness`, `enhanced_enabled: true`": {
            str(n): replace(base, webrtc_aggressiveness=n) for n in range(4)
        },
        "`energy_threshold`": {str(n): replace(base, energy_threshold=n) for n in levels},
        "`confidence_threshold`": {
            str(n): replace(base, confidence_threshold=n) for n in (0.1, 0.3, 0.45, 0.5, 0.6, 0.7, 0.8, 1.0)
        },
        "`engine`": {
            "webrtc alone": plain,
            "silero alone": replace(plain, engine="silero"),
            "webrtc, 200": base,
            "silero, 200": replace(base, engine="silero"),
            "silero, 50": replace(base, engine="silero", energy_threshold=50),
        },
    }
    for title, columns in tables.items():
        print(table(title, columns, every))


if __name__ == "__main__":
    main()
