"""The audio formats of the Realtime API, and resampling of whole utterances.

In: ``decode`` turns what a client appended into PCM16 at the format's own rate. Out: ``encode`` turns an
utterance at 24 kHz into the client's format. ``resample`` works on a whole utterance at once (no state,
no delay), for any pair of rates: 22.05 to 24 kHz for the voice, 24 or 8 to 16 kHz for the ears.
"""

from functools import lru_cache
from math import gcd

import numpy as np
from numpy.typing import NDArray

from bot.audio import g711
from bot.offline.config import Format

VOICE_RATE = 24000
_CODECS = {"audio/pcmu": g711.ULAW, "audio/pcma": g711.ALAW}
_ZERO_CROSSINGS = 24


def rate_hz(audio_format: Format) -> int:
    """Samples a second of PCM that ``decode`` gives and that one encoded second stands for."""
    return VOICE_RATE if audio_format == "audio/pcm" else g711.SAMPLE_RATE


def bytes_per_ms(audio_format: Format) -> int:
    """Bytes of the encoded format in one millisecond."""
    return 48 if audio_format == "audio/pcm" else 8


def decode(data: bytes, audio_format: Format) -> bytes:
    """PCM16 mono at ``rate_hz(audio_format)``."""
    return data if audio_format == "audio/pcm" else _CODECS[audio_format].decode(data)


@lru_cache(maxsize=512)
def encode(pcm: bytes, audio_format: Format) -> bytes:
    """An utterance of PCM16 at 24 kHz in the client's format. Remembered: sentences repeat."""
    if audio_format == "audio/pcm":
        return pcm
    return _CODECS[audio_format].encode(resample(pcm, VOICE_RATE, g711.SAMPLE_RATE))


def resample(pcm: bytes, from_hz: int, to_hz: int) -> bytes:
    """PCM16 mono at ``to_hz`` from PCM16 mono at ``from_hz``, aligned in time with it.

    A polyphase Kaiser-windowed sinc: flat within 0.1 dB up to 90 % of the narrower band, images and
    aliases below -70 dB.
    """
    if from_hz == to_hz or not pcm:
        return pcm
    divisor = gcd(from_hz, to_hz)
    up, down = to_hz // divisor, from_hz // divisor
    taps = _phases(up, down)
    width = taps.shape[1]
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32)
    padded = np.pad(samples, (width // 2 - 1, width))
    position = np.arange(len(samples) * up // down) * down
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)[position // up]
    out = np.einsum("nt,nt->n", windows, taps[position % up])
    return bytes(np.clip(np.rint(out), -32768, 32767).astype("<i2").tobytes())


@lru_cache(maxsize=16)
def _phases(up: int, down: int) -> NDArray[np.float32]:
    """Filter taps, one row for each position between two input samples: shape ``(up, width)``."""
    cutoff = 0.95 * min(1.0, up / down)
    width = 2 * round(_ZERO_CROSSINGS / cutoff)
    offset = np.arange(width) - (width // 2 - 1) - np.arange(up)[:, None] / up
    window = np.i0(8.0 * np.sqrt(np.clip(1 - (offset / (width / 2)) ** 2, 0, 1))) / np.i0(8.0)
    taps = cutoff * np.sinc(cutoff * offset) * window
    return np.asarray(taps / taps.sum(axis=1, keepdims=True), dtype=np.float32)
