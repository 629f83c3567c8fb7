"""A WAV file as frames of the caller and of the agent: the bot's own stereo recording, or any other."""

import wave
from math import gcd
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bot.errors import ResourceError
from bot.offline.formats import resample

RATE_HZ = 8000
FRAME = 160
FRAMES_A_SECOND = RATE_HZ // FRAME
LEAST_S, MOST_S = 1, 3600
LEAST_HZ, MOST_HZ = 4000, 192_000
MARGINS_A_SECOND = 10
"""To a second that is resampled, a tenth of its neighbours is added for the filter."""

Track = NDArray[np.int16]


class Recording(NamedTuple):
    """Tracks are rows of 160 samples, 8 kHz, of equal count; ``agent`` None: the file has one track."""

    caller: Track
    agent: Track | None

    @property
    def seconds(self) -> float:
        return len(self.caller) / FRAMES_A_SECOND


def read(file: Path) -> Recording:
    """Left is the caller, right the agent; other rates become 8 kHz.

    Raises ResourceError for what is no 16-bit PCM WAV of one or two tracks, 1 s to 1 h long.
    """
    convert = f"convert it: sox {file.name} -b 16 -e signed-integer new.wav"
    try:
        with wave.open(str(file)) as wav:
            rate_hz, tracks, width = wav.getframerate(), wav.getnchannels(), wav.getsampwidth()
            data = wav.readframes(min(wav.getnframes(), (MOST_S + 1) * rate_hz))
    except FileNotFoundError:
        raise ResourceError(f"{file}: no such file") from None
    except OSError as error:
        raise ResourceError(f"{file}: cannot be read ({error.strerror})") from None
    except (wave.Error, EOFError) as error:
        raise ResourceError(f"{file}: no PCM WAV file ({error or 'it ends early'})", remedy=convert) from None
    if width != 2 or tracks > 2 or not LEAST_HZ <= rate_hz <= MOST_HZ:
        form = f"{8 * width} bits, {tracks} tracks, {rate_hz} Hz"
        raise ResourceError(f"{file}: {form}; it takes 16 bits, one or two tracks", remedy=convert)
    samples = np.frombuffer(data[: len(data) // (2 * tracks) * 2 * tracks], "<i2").reshape(-1, tracks)
    if not LEAST_S * rate_hz <= len(samples) <= MOST_S * rate_hz:
        raise ResourceError(
            f"{file}: lasts {len(samples) / rate_hz:.1f} s", remedy="take 1 s to 1 h of a call"
        )
    caller, *agent = (_frames(column, rate_hz) for column in samples.T)
    return Recording(caller, agent[0] if agent else None)


def _frames(samples: Track, rate_hz: int) -> Track:
    """The last piece of a frame is left out."""
    if rate_hz != RATE_HZ:
        samples = np.concatenate([_second(samples, n, rate_hz) for n in range(len(samples) // rate_hz + 1)])
    return samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)


def _second(samples: Track, number: int, rate_hz: int) -> Track:
    """One second at a time, because ``resample`` holds all that it works on several hundred times."""
    step = rate_hz // gcd(rate_hz, RATE_HZ)  # so many samples are a whole number of ours
    margin = -(-rate_hz // MARGINS_A_SECOND // step) * step
    start, before = number * rate_hz, margin if number else 0
    piece = samples[start - before : start + rate_hz + margin].astype("<i2")
    out = np.frombuffer(resample(piece.tobytes(), rate_hz, RATE_HZ), "<i2")
    skipped = before * RATE_HZ // rate_hz
    wanted = min(rate_hz, len(samples) - start) * RATE_HZ // rate_hz
    return out[skipped : skipped + wanted]


def rms(track: Track) -> NDArray[np.float64]:
    """Of each frame, in units of 16-bit samples."""
    return np.asarray(np.sqrt(np.mean(track.astype(np.float64) ** 2, axis=1)))
