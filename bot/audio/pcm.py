"""16-bit linear PCM in C: the one file that imports audioop.

``audioop`` is in the standard library up to Python 3.12 and comes from the package ``audioop-lts`` later,
under the same name. Samples are signed 16-bit little-endian mono in ``bytes`` everywhere in this package.
"""

import warnings

with warnings.catch_warnings():
    # Deprecated in 3.11 and 3.12; the remedy, audioop-lts, only exists from 3.13 on.
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

BYTES_PER_SAMPLE = 2


def ulaw_to_pcm(data: bytes) -> bytes:
    """G.711 μ-law bytes to PCM, two bytes for each one."""
    return audioop.ulaw2lin(data, BYTES_PER_SAMPLE)


def pcm_to_ulaw(pcm: bytes) -> bytes:
    return audioop.lin2ulaw(pcm, BYTES_PER_SAMPLE)


def alaw_to_pcm(data: bytes) -> bytes:
    """G.711 A-law bytes to PCM, two bytes for each one."""
    return audioop.alaw2lin(data, BYTES_PER_SAMPLE)


def pcm_to_alaw(pcm: bytes) -> bytes:
    return audioop.lin2alaw(pcm, BYTES_PER_SAMPLE)


def rms(pcm: bytes) -> int:
    """Root mean square, 0–32767; 0 for no samples."""
    return audioop.rms(pcm, BYTES_PER_SAMPLE)
