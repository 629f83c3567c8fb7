"""Speech-like sound and an echoing room, made from a seed: voiced syllables, formants, and pauses."""

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]
FRAME = 160
AGENT_RMS = 3277.0


def babble(rng: np.random.Generator, seconds: float, pitch_hz: float) -> Signal:
    """Syllables of 120–300 ms at 1 RMS while they last; every tenth is a breath of noise."""
    count, position = int(seconds * 50) * FRAME, 0
    out = np.zeros(count)
    while position < count:
        length = int(rng.uniform(0.12, 0.3) * 8000)
        time = np.arange(length) / 8000
        pitch = pitch_hz * rng.uniform(0.85, 1.15) * (1 + rng.uniform(-0.2, 0.2) * time)
        phase, formants = (
            2 * np.pi * np.cumsum(pitch) / 8000,
            rng.uniform([300, 900, 2200], [800, 2000, 3200]),
        )
        syllable = 0.05 * rng.normal(size=length)
        if rng.random() > 0.1:
            for harmonic in range(1, int(3600 / pitch.max())):
                distance = (harmonic * pitch.mean() - formants) / 150
                syllable += np.sin(harmonic * phase) * (
                    0.03 + (np.array([1, 0.6, 0.3]) / (1 + distance**2)).sum()
                )
        syllable *= np.hanning(length) ** 0.4
        syllable /= np.sqrt((syllable**2).mean())
        out[position : position + length] = syllable[: count - position]
        position += length + int(rng.choice([0.02, 0.05, 0.25]) * 8000)
    return out


def room(rng: np.random.Generator, delay_ms: float, echo_db: float) -> Signal:
    """An impulse response: delay, a direct sound, a tail with T60 250 ms; its power gain is ``echo_db``."""
    tail = rng.normal(size=2000) * 10 ** (-3 * np.arange(2000) / 2000)
    tail[0] += 10
    tail *= 10 ** (echo_db / 20) / np.sqrt((tail**2).sum())
    return np.concatenate([np.zeros(int(delay_ms * 8)), tail])


def echo(far: Signal, taps: Signal) -> Signal:
    size = 1 << (len(far) + len(taps)).bit_length()
    out: Signal = np.fft.irfft(np.fft.rfft(far, size) * np.fft.rfft(taps, size), size)[: len(far)]
    return out


def frames(samples: Signal) -> list[bytes]:
    pcm = np.clip(np.rint(samples), -32768, 32767).astype("<i2")
    return [row.tobytes() for row in pcm.reshape(-1, FRAME)]


def samples(pcm: list[bytes]) -> Signal:
    return np.frombuffer(b"".join(pcm), "<i2").astype(np.float64)


def power_db(signal: Signal) -> float:
    return float(10 * np.log10((signal**2).mean() + 1e-3))
