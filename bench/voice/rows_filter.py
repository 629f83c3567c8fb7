"""Tones through the resampler alone: on the wire G.711's own noise, 38 dB below a tone, would hide what
they show.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.voice.row import Measure, Row
from bot.audio.resample import Downsampler, Upsampler

Floats = NDArray[np.float64]

PEAK = 16000
ALIASES_HZ = range(4600, 11501, 100)
BAND_HZ = range(300, 3401, 100)
ALIAS_DB, FLAT_DB, DELAY_MS = -60.0, 0.5, 3.0


class Way(NamedTuple):
    """Towards the caller, or towards the model."""

    resampler: type[Downsampler | Upsampler]
    rate_hz: int
    rate_out_hz: int

    def through(self, samples: Floats) -> Floats:
        out = self.resampler().process(np.rint(samples).astype("<i2").tobytes())
        return np.frombuffer(out, "<i2").astype(float)


def filter_rows(quick: bool) -> list[Row]:
    """Each tone takes half a second of audio; ``quick`` takes every fifth."""
    every = 5 if quick else 1
    down, up = Way(Downsampler, 24000, 8000), Way(Upsampler, 8000, 24000)
    alias = max(_gain_db(down, hz) for hz in ALIASES_HZ[::every])
    flat = {
        name: max((_gain_db(way, hz) for hz in BAND_HZ[::every]), key=abs)
        for name, way in (("down", down), ("up", up))
    }
    delays = {"down": _delay_ms(down), "up": _delay_ms(up)}
    return [
        Row("tones 4.6–11.5 kHz after 24→8 kHz", f"{alias:.1f} dB", f"≤ {ALIAS_DB:g} dB", alias <= ALIAS_DB),
        *(
            Row(f"300–3400 Hz, {name}", f"{gain:+.2f} dB", f"±{FLAT_DB:g} dB", abs(gain) <= FLAT_DB)
            for name, gain in flat.items()
        ),
        *(
            Row(f"delay of the filter, {name}", f"{ms:.2f} ms", f"≤ {DELAY_MS:g} ms", ms <= DELAY_MS)
            for name, ms in delays.items()
        ),
    ]


def _gain_db(way: Way, hz: int) -> float:
    t = np.arange(way.rate_hz // 2) / way.rate_hz
    edge = way.rate_out_hz // 20
    out = way.through(PEAK * np.sin(2 * np.pi * hz * t))[edge:-edge]
    return float(10 * np.log10(max(float(np.mean(out**2)), 1e-9) / (PEAK**2 / 2)))


def _delay_ms(way: Way) -> float:
    impulse = np.zeros(way.rate_hz // 10)
    impulse[0] = 30000
    return float(way.through(impulse).argmax() * 1000 / way.rate_out_hz)


ROWS: dict[str, Measure] = {"filter": filter_rows}
