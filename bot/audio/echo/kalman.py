"""The linear part of the echo canceller: a partitioned-block frequency-domain Kalman filter.

G. Enzner and P. Vary, "Frequency-domain adaptive Kalman filter for acoustic echo control in hands-free
telephones", Signal Processing 86 (2006), with the echo path cut into partitions of one frame (F. Kuech et
al., "State-space architecture of the partitioned-block-based acoustic echo controller", ICASSP 2014).

The state is the echo path: partition p answers for echo between 20·p and 20·(p+1) ms after it was sent. It is
linear on purpose: it takes away what it can explain by the far end and leaves the caller as spoken.

Two things differ from the papers. The work that they do on all partitions after each block (gradient
constraint, state transition, process noise) is done on five partitions every fifth block, in turn. And the
filter *focuses*: once its own weights show where the echo begins, it expects a room that decays from there
on, instead of an equally likely echo everywhere; that halves the time to learn a path.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float32]
Complex = NDArray[np.complex64]

BLOCK = 160
"""Samples of a block: one frame of 20 ms at 8 kHz. Blocks overlap by half in an FFT of 320 (overlap-save)."""
BINS = BLOCK + 1

TRANSITION = 0.9995
"""A, how much of the path survives a block. Its loss is what keeps the filter listening to slow changes: from
0.9998 on, a clock 20 ppm off makes false alarms."""
INITIAL_VARIANCE = 0.01
"""P0, the power gain that any bin of any partition may have before anything was heard."""
NOISE_SMOOTHING = 0.9
NOISE_SHARE = 0.02
"""The least share of a block's error that is taken for the near end."""
REGULARISATION = 1e4
"""Power of a bin (PCM16 units, FFT of 320) that is nothing worth learning from: about -58 dB of full
scale."""

TURN = 5
"""Partitions that are constrained at a time, in one FFT call, every so many blocks."""

FOCUS_FROM, FOCUS_UNTIL, FOCUS_EVERY = 25, 500, 5
"""Blocks of agent speech after which the focus is looked for, given up, and how often."""
FOCUS_PEAK = 15.0
"""A partition this much stronger (power) than the median one is where the echo begins."""
FOCUS_GAIN = 6.0
"""The variance expected there, against the power found so far, which the unfinished filter underestimates."""
FOCUS_DECAY_DB = 4.0
"""The room's decay per partition: 60 dB in 300 ms."""
FOCUS_FLOOR = 10**-2.5


class Block(NamedTuple):
    """``residual`` and ``echo``: 160 samples each, input = residual + echo.

    ``doubt`` is the mean power (PCM16 units squared) of echo that the filter expects to have missed, from the
    state's variance: large before it has learned, and again when it restarts.
    """

    residual: Real
    echo: Real
    doubt: float


class _Bench:
    """Arrays in which a block is worked on, by the filters of all calls in turn, of one thread. Nothing stays
    in them."""

    def __init__(self, partitions: int) -> None:
        self.products = np.empty((partitions, BINS), np.complex64)
        self.powers = np.empty((partitions, BINS), np.float32)
        self.error = np.empty(BINS, np.complex64)
        self.certainty, self.squares = np.empty(BINS, np.float32), np.empty(BINS, np.float32)
        self.error_block = np.zeros(2 * BLOCK, np.float32)  # its first half is never written
        self.echo_block = np.empty(2 * BLOCK, np.float32)


_bench = lru_cache(maxsize=8)(_Bench)


class EchoFilter:
    """One call's estimate of the echo path, ``partitions`` x 20 ms long. Its whole state is a few fixed
    arrays.

    The far end's last spectra lie in a buffer of twice the length, each written in two places, so that
    "newest to oldest" is always one contiguous view.
    """

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self._far = np.zeros((2 * partitions, BINS), np.complex64)
        self._far_power = np.zeros((2 * partitions, BINS), np.float32)
        self._newest = 0
        self._far_block = np.zeros(2 * BLOCK, np.float32)
        self._path = np.zeros((partitions, BINS), np.complex64)
        self._variance = np.empty((partitions, BINS), np.float32)
        self._bench = _bench(partitions)
        self._restart()

    def _restart(self) -> None:
        self._path.fill(0)
        self._variance.fill(INITIAL_VARIANCE)
        self._noise = np.ones(BINS, np.float32)
        self._blocks = 0
        self._heard = 0
        self.focus: int | None = None

    def reset(self) -> None:
        """Forget the path; what was sent stays known."""
        self._restart()

    def advance(self, far: Real) -> None:
        """Take the next 160 samples of the far end as the newest partition."""
        block = self._far_block
        block[:BLOCK] = block[BLOCK:]
        block[BLOCK:] = far
        self._newest = (self._newest - 1) % self.partitions
        here, again = self._newest, self._newest + self.partitions
        spectrum = self._far[again] = _spectrum(block, self._far[here])
        self._far_power[again] = _power(spectrum, self._far_power[here], self._bench.squares)

    def slip(self, blocks: int) -> None:
        """The near end now comes ``blocks`` later (+) or earlier (-) against the far end: shift the path,
        exactly."""
        self._path = np.roll(self._path, blocks, axis=0)
        self._variance = np.roll(self._variance, blocks, axis=0)
        fresh = slice(0, blocks) if blocks > 0 else slice(blocks, None)
        self._path[fresh] = 0
        self._variance[fresh] = INITIAL_VARIANCE * FOCUS_FLOOR
        if self.focus is not None:
            self.focus = min(max(0, self.focus + blocks), self.partitions - 1)

    def cancel(self, near: Real) -> Block:
        """Take the echo out of 160 samples of the near end, then correct the path by what is left."""
        bench = self._bench
        view = slice(self._newest, self._newest + self.partitions)
        far, far_power = self._far[view], self._far_power[view]
        np.multiply(far, self._path, out=bench.products)
        echo = _samples(np.add.reduce(bench.products), bench.echo_block)[BLOCK:].copy()
        residual = near - echo
        np.multiply(far_power, self._variance, out=bench.powers)
        missed = np.add.reduce(bench.powers)
        # Parseval: the sum over 161 bins is half of that over 320, and half a block is known to be zero.
        doubt = float(np.add.reduce(missed)) / (BLOCK * BLOCK * 2)
        bench.error_block[BLOCK:] = residual
        self._correct(far, _spectrum(bench.error_block, bench.error), missed)
        self._blocks += 1
        if self._blocks % TURN == 0:
            self._transit(self._blocks % (-(-self.partitions // TURN) * TURN))
        return Block(residual, echo, doubt)

    def _transit(self, first: int) -> None:
        """Some partitions' turn: keep their answer causal and 20 ms long, and let them age by a whole round.

        After the correction, not before: the next prediction must not contain what is cut off here.
        """
        turn, kept = slice(first, first + TURN), TRANSITION**self.partitions
        path, variance = self._path[turn], self._variance[turn]
        taps = np.fft.irfft(path)
        taps[:, BLOCK:] = 0
        taps *= kept
        path[:] = np.fft.rfft(taps)
        variance *= kept * kept
        variance += (1 - kept * kept) * (path.real**2 + path.imag**2)

    def _correct(self, far: Complex, error: Complex, missed: Real) -> None:
        """Kalman gain and update (Enzner and Vary, section 3); the near end is the observation noise.

        The bench's ``powers`` hold the variance times the far end's power, and ``missed`` its sum over the
        partitions.
        """
        bench = self._bench
        power, certainty = bench.certainty, bench.squares  # the same memory, in turn
        _power(error, power, certainty)
        np.multiply(missed, 0.5, out=certainty)
        np.subtract(power, certainty, out=certainty)
        power *= NOISE_SHARE
        observed = np.maximum(certainty, power, out=power)
        observed *= 1 - NOISE_SMOOTHING
        self._noise *= NOISE_SMOOTHING
        self._noise += observed
        np.multiply(self._noise, 2, out=certainty)
        certainty += missed
        certainty += REGULARISATION
        np.reciprocal(certainty, out=certainty)
        # conj(X)·E·P/D, taken as conj(X·conj(E)/D)·P to save a pass over the far spectra.
        np.conjugate(error, out=error)
        error *= certainty
        np.multiply(far, error, out=bench.products)
        np.conjugate(bench.products, out=bench.products)
        bench.products *= self._variance
        self._path += bench.products
        # P·(1 - 0.5·P·|X|²/D); the 0.5 is the overlap's.
        certainty *= -0.5
        bench.powers *= certainty
        bench.powers += 1
        self._variance *= bench.powers

    def seek_focus(self) -> None:
        """Call once per learned block of agent speech: finds where the echo begins, or moves it when it
        moved."""
        self._heard += 1
        if not FOCUS_FROM <= self._heard < FOCUS_UNTIL or self._heard % FOCUS_EVERY:
            return
        parts = self._path.view(np.float32)
        strength = np.einsum("ij,ij->i", parts, parts) / BINS
        first, median = int(strength.argmax()), float(np.sort(strength)[self.partitions // 2])
        known = self.focus is not None and abs(first - self.focus) <= 1
        if known or strength[first] <= FOCUS_PEAK * median:
            return
        after = np.arange(self.partitions) - first
        room = 10 ** (-FOCUS_DECAY_DB / 10 * np.maximum(after - 1, 0)) * (after >= -1)
        expected = FOCUS_GAIN * strength[first] * np.maximum(room, FOCUS_FLOOR)
        self._path *= (expected / (expected + median)).astype(np.float32)[:, None]
        self._variance[:] = expected.astype(np.float32)[:, None]
        self.focus = first


def _spectrum(samples: Real, out: Any) -> Complex:
    """numpy keeps single precision here, which its type hints do not know."""
    np.fft.rfft(samples, out=out)
    return out  # type: ignore[no-any-return]


def _samples(spectrum: Complex, out: Any) -> Real:
    np.fft.irfft(spectrum, out=out)
    return out  # type: ignore[no-any-return]


def _power(spectrum: Complex, out: Real, scratch: Real) -> Real:
    np.square(spectrum.real, out=out)
    np.square(spectrum.imag, out=scratch)
    out += scratch
    return out
