"""Words that ears get wrong, and what a path adds to them: the same sentences with and without it, paired.

The ears are the embedded model's (Whisper, tiny.en). They get some words wrong of any speech, so only the
difference says something about the path.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jiwer
import numpy as np

from bench.voice.row import Row, tell
from bench.voice.speech import Pcm
from bot.offline.ears import transcribe

RESAMPLED = 10_000
LEADS_S = (0.0, 0.13)
"""Silence put before each sound. Ears so small hear the same sound differently after a moment more of it,
which is noise here; hearing each sound twice leaves less of it.
"""
QUICK_POINTS = 25.0
"""Of twenty words each is five points, so a short run can only find what is badly broken."""


class Heard(NamedTuple):
    """Errors (substituted, missing and added words) of each sentence."""

    errors: tuple[int, ...]
    words: tuple[int, ...]

    @property
    def percent(self) -> float:
        return 100 * sum(self.errors) / sum(self.words)


def hear(sentences: Sequence[str], sounds: Iterable[Pcm], rate_hz: int, what: str) -> Heard:
    """Let the ears hear each sound, after each of the ``LEADS_S``; errors and words are of all hearings."""
    leads = [np.zeros(round(lead_s * rate_hz), np.int16) for lead_s in LEADS_S]
    led = (np.concatenate([lead, pcm]).astype("<i2").tobytes() for pcm in sounds for lead in leads)
    heard = []
    with ThreadPoolExecutor(2) as pool:
        for text in pool.map(lambda pcm: transcribe(pcm, rate_hz), led):
            heard.append(plain(text))
            if len(heard) % (20 * len(leads)) == 0:
                tell(f"{what}: {len(heard) // len(leads)} of {len(sentences)} sentences heard")
    said = [plain(sentence) for sentence in sentences]
    errors = [
        _errors(sentence, text) for sentence, text in zip(np.repeat(said, len(leads)), heard, strict=True)
    ]
    return Heard(
        tuple(sum(errors[n : n + len(leads)]) for n in range(0, len(errors), len(leads))),
        tuple(len(leads) * len(sentence.split()) for sentence in said),
    )


def _errors(said: str, heard: str) -> int:
    counts = jiwer.process_words(said, heard)
    return counts.substitutions + counts.deletions + counts.insertions


def plain(text: str) -> str:
    """Lower case, letters and digits alone."""
    return " ".join("".join(c if c.isalnum() else " " for c in text.lower().replace("'", "")).split())


def interval(path: Heard, source: Heard) -> tuple[float, float]:
    """The 95 % interval of the difference in percentage points: sentences drawn again, 10,000 times."""
    added = np.subtract(path.errors, source.errors)
    words = np.array(path.words)
    drawn = np.random.default_rng(1).integers(0, len(added), (RESAMPLED, len(added)))
    points = 100 * added[drawn].sum(axis=1) / words[drawn].sum(axis=1)
    low, high = np.percentile(points, [2.5, 97.5])
    return float(low), float(high)


def row(what: str, path: Heard, source: Heard, points: float, *, quick: bool) -> Row:
    """One line of the table. ``points``: what the upper end of the interval must stay below."""
    difference = path.percent - source.percent
    figures = f"{source.percent:.1f} → {path.percent:.1f} %, {difference:+.1f} points"
    if quick:
        kept = difference < QUICK_POINTS
        return Row(what, figures, f"short run: below +{QUICK_POINTS:g}", kept)
    low, high = interval(path, source)
    measured = f"{figures}, 95 %: {low:+.1f} to {high:+.1f} ({len(path.errors)} sentences)"
    return Row(what, measured, f"interval below +{points:g}", high < points)
