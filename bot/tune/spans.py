"""Rows of yes and no, a frame each, as stretches of time. PURE."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]
Span = tuple[int, int]
"""Frames ``[start, end)``."""


def spans(flags: Flags) -> list[Span]:
    """Runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def bridged(flags: Flags, gap: int) -> Flags:
    """With the runs of False of up to ``gap`` frames between two of True filled."""
    out = flags.copy()
    inside = spans(flags)
    for (_, end), (start, _) in pairwise(inside):
        if start - end <= gap:
            out[end:start] = True
    return out


def widened(flags: Flags, frames: int) -> Flags:
    """With so many frames before and after each run of True."""
    out = flags.copy()
    for start, end in spans(flags):
        out[max(0, start - frames) : end + frames] = True
    return out
