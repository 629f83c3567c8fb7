"""8 kHz for the phone, 24 kHz for the model: a streaming polyphase FIR each way.

One low-pass serves both: a Kaiser window of 73 taps at 24 kHz, cut at 3950 Hz. Everything from 4.6 kHz on,
which would alias into speech, is 63 dB down; 300–3400 Hz is flat within 0.1 dB; the delay is 36 samples,
1.5 ms. A stream may come in chunks of any size: the output is the same, three samples for one however long
the call, and nothing is held back but the samples that do not yet make a whole one.
"""

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

# Down: the window ends with the last sample of its group of three; the filter is centred on the first, so
# that the delay is a whole number of samples at either rate.
_DOWN = _banded(np.append(low_pass()[::-1], np.zeros(RATIO - 1)).reshape(-1, 1), RATIO)
# Up: two in three samples of the stuffed 24 kHz signal are zero, so each phase keeps every third tap.
_UP = _banded(np.append(RATIO * low_pass(), np.zeros(RATIO - 1)).reshape(-1, RATIO)[::-1], 1)


class _Polyphase:
    """Takes ``group_in`` samples at a time and gives ``group_out`` for them; ``matrix`` from ``_banded``."""

    def __init__(self, matrix: Floats, group_in: int, group_out: int) -> None:
        self._matrix = matrix
        self._group_in, self._group_out = group_in, group_out
        self._history_length = len(matrix) - group_in * _BLOCK
        self._history: Floats = np.zeros(self._history_length, np.float32)
        self._odd = b""

    def process(self, pcm: bytes) -> bytes:
        """The next chunk, 16-bit PCM of any length (half a sample waits for its other half), resampled."""
        if self._odd or len(pcm) % 2:
            pcm = self._odd + pcm
            whole = len(pcm) & ~1
            pcm, self._odd = pcm[:whole], pcm[whole:]
        waiting = len(self._history)
        available = waiting + len(pcm) // 2
        groups = (available - self._history_length) // self._group_in
        rows = -(-groups // _BLOCK)
        hop = _BLOCK * self._group_in
        samples = np.zeros(max(available, rows * hop + self._history_length), np.float32)
        samples[:waiting] = self._history
        samples[waiting:available] = np.frombuffer(pcm, "<i2")
        self._history = samples[groups * self._group_in : available].copy()
        windows: Floats = np.ndarray((rows, len(self._matrix)), np.float32, samples, strides=(hop * 4, 4))
        out: Floats = windows.dot(self._matrix).ravel()[: groups * self._group_out]
        np.rint(out, out=out)
        np.minimum(out, 32767, out=out)
        np.maximum(out, -32768, out=out)
        return out.astype("<i2").tobytes()

    def _drain(self, samples: int) -> bytes:
        """What ``samples`` zeros push out; then as new."""
        tail = self.process(bytes(2 * samples))
        self._history = np.zeros(self._history_length, np.float32)
        self._odd = b""
        return tail


class Downsampler(_Polyphase):
    """24 → 8 kHz, for the agent's voice."""

    def __init__(self) -> None:
        super().__init__(_DOWN, group_in=RATIO, group_out=1)

    def flush(self) -> bytes:
        """The end of the stream that is still in the filter (12 samples, 13 after a broken group)."""
        return self._drain(DELAY + RATIO - 1)


class Upsampler(_Polyphase):
    """8 → 24 kHz, for the model's ears. Silence after silence, which goes up while the agent talks, is always
    the same object, and costs nothing."""

    def __init__(self) -> None:
        super().__init__(_UP, group_in=1, group_out=RATIO)
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
