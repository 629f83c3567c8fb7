"""8 kHz for the phone, 24 kHz for the model: a streaming polyphase FIR each way.

One low-pass serves both: a Kaiser window of 73 taps at 24 kHz, cut at 3950 Hz. Everything from 4.6 kHz on,
which would alias into speech, is 63 dB down; 300–3400 Hz is flat within 0.1 dB; the delay is 36 samples,
1.5 ms. A stream may come in chunks of any size: the output is the same, three samples for one however long
the call, and nothing is held back but the samples that do not yet make a whole one.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

RATIO = 3
TAPS = 73
DELAY = (TAPS - 1) // 2
"""Of the filter, in samples at 24 kHz."""
CUT_HZ = 3950
STOP_BAND_DB = 64

_BLOCK = 32
"""Groups of samples computed by one row of the matrix product; measured, 16–80 are alike."""


def low_pass() -> NDArray[np.float64]:
    """The 73 taps at 24 kHz, gain 1 at 0 Hz. Kaiser's formula for beta, from the stop band wanted."""
    beta = 0.1102 * (STOP_BAND_DB - 8.7)
    taps = np.sinc(2 * CUT_HZ / 24000 * (np.arange(TAPS) - DELAY)) * np.kaiser(TAPS, beta)
    low: NDArray[np.float64] = taps / taps.sum()
    return low


def _banded(phases: NDArray[np.float64], group_in: int) -> Floats:
    """``phases`` (window, group_out) repeated down the diagonal: one row of input samples times it gives a
    whole block of output groups, which BLAS does faster than many short products."""
    window, group_out = phases.shape
    matrix = np.zeros((window + group_in * (_BLOCK - 1), group_out * _BLOCK), np.float32)
    for n in range(_BLOCK):
        matrix[n * group_in :, n * group_out :][:window, :group_out] = phases
    return matrix


_SILENT_FRAME, _SILENT_FRAME_UP = bytes(2 * 160), bytes(2 * 160 * RATIO)
"""20 ms, more than the filter holds."""


@dataclass(frozen=True, eq=False)
class _Way:
    """Takes ``group_in`` samples at a time and gives ``group_out`` for them; ``matrix`` from ``_banded``."""

    matrix: Floats
    group_in: int
    group_out: int

    @property
    def history(self) -> int:
        """Samples of the past that the filter needs."""
        return len(self.matrix) - self.group_in * _BLOCK


# Down: the window ends with the last sample of its group of three; the filter is centred on the first, so
# that the delay is a whole number of samples at either rate.
_DOWN = _Way(_banded(np.append(low_pass()[::-1], np.zeros(RATIO - 1)).reshape(-1, 1), RATIO), RATIO, 1)
# Up: two in three samples of the stuffed 24 kHz signal are zero, so each phase keeps every third tap.
_UP = _Way(_banded(np.append(RATIO * low_pass(), np.zeros(RATIO - 1)).reshape(-1, RATIO)[::-1], 1), 1, RATIO)


class _Bench:
    """Arrays in which chunks of one size are worked on, by all streams in turn, of one thread. Nothing
    stays in them."""

    def __init__(self, way: _Way, waiting: int, samples: int) -> None:
        available = waiting + samples
        groups = (available - way.history) // way.group_in
        rows, hop = -(-groups // _BLOCK), _BLOCK * way.group_in
        whole = np.zeros(max(available, rows * hop + way.history), np.float32)
        self.past, self.chunk = whole[:waiting], whole[waiting:available]
        self.rest = whole[groups * way.group_in : available]
        self.windows: Floats = np.ndarray(
            (rows, len(way.matrix)), np.float32, whole, strides=(hop * whole.itemsize, whole.itemsize)
        )
        self.products: Floats = np.zeros((rows, way.matrix.shape[1]), np.float32)
        self.out = self.products.ravel()[: groups * way.group_out]


_bench = lru_cache(maxsize=64)(_Bench)
"""A line has one or two sizes of chunks."""


class _Polyphase:
    def __init__(self, way: _Way) -> None:
        self._way = way
        self._history: Floats = np.zeros(way.history, np.float32)
        self._odd = b""

    def process(self, pcm: bytes) -> bytes:
        """The next chunk, 16-bit PCM of any length (half a sample waits for its other half), resampled."""
        if self._odd or len(pcm) % 2:
            pcm = self._odd + pcm
            whole = len(pcm) & ~1
            pcm, self._odd = pcm[:whole], pcm[whole:]
        bench = _bench(self._way, len(self._history), len(pcm) // 2)
        np.copyto(bench.past, self._history)
        np.copyto(bench.chunk, np.frombuffer(pcm, "<i2"))
        self._history = bench.rest.copy()
        np.dot(bench.windows, self._way.matrix, out=bench.products)
        out = bench.out
        np.rint(out, out=out)
        np.minimum(out, 32767, out=out)
        np.maximum(out, -32768, out=out)
        return out.astype("<i2").tobytes()

    def _drain(self, samples: int) -> bytes:
        """What ``samples`` zeros push out; then as new."""
        tail = self.process(bytes(2 * samples))
        self._history = np.zeros(self._way.history, np.float32)
        self._odd = b""
        return tail


class Downsampler(_Polyphase):
    """24 → 8 kHz, for the agent's voice."""

    def __init__(self) -> None:
        super().__init__(_DOWN)

    def flush(self) -> bytes:
        """The end of the stream that is still in the filter (12 samples, 13 after a broken group)."""
        return self._drain(DELAY + RATIO - 1)


class Upsampler(_Polyphase):
    """8 → 24 kHz, for the model's ears. Silence after silence, which goes up while the agent talks, is always
    the same object, and costs nothing."""

    def __init__(self) -> None:
        super().__init__(_UP)
        self._silent = False  # what is in the filter

    def process(self, pcm: bytes) -> bytes:
        if pcm != _SILENT_FRAME:
            self._silent = False
        elif self._silent:
            return _SILENT_FRAME_UP
        else:
            self._silent = not self._odd
        return super().process(pcm)

    def flush(self) -> bytes:
        """The end of the stream that is still in the filter: 36 samples."""
        return self._drain(DELAY // RATIO)
