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
LEADS_S = (0.0, 0.05, 0.13, 0.2)
"""Silence put before each sound. Ears so small hear the same sound differently after a moment more of it,
which is noise here; hearing each sound several times leaves less of it.
"""
FEW_LEADS_S = LEADS_S[::2]
"""Where the bound is wide. A short run takes one."""
QUICK_POINTS = 25.0
"""Of twenty words each is five points, so a short run can only find what is badly broken."""


class Heard(NamedTuple):
    """Errors (substituted, missing and added words) of each sound in all its hearings, of so many words, and
    the sentence that was said in it."""

    errors: tuple[int, ...]
    words: tuple[int, ...]
    said: tuple[str, ...]

    @property
    def percent(self) -> float:
        return 100 * sum(self.errors) / sum(self.words)


def hear(sentences: Sequence[str], sounds: Iterable[Pcm], rate_hz: int, what: str) -> Heard:
    """Let the ears hear each sound, after each of the leads."""
    return together(hearings(sentences, sounds, rate_hz, what))


def hearings(
    sentences: Sequence[str],
    sounds: Iterable[Pcm],
    rate_hz: int,
    what: str,
    leads_s: Sequence[float] = LEADS_S,
) -> list[Heard]:
    """The same, lead by lead."""
    leads = [np.zeros(round(lead_s * rate_hz), np.int16) for lead_s in leads_s]
    led = (np.concatenate([lead, pcm]).astype("<i2").tobytes() for pcm in sounds for lead in leads)
    heard = []
    with ThreadPoolExecutor(2) as pool:
        for text in pool.map(lambda pcm: transcribe(pcm, rate_hz), led):
            heard.append(plain(text))
            if len(heard) % (20 * len(leads)) == 0:
                tell(f"{what}: {len(heard) // len(leads)} of {len(sentences)} sentences heard")
    said = tuple(plain(sentence) for sentence in sentences)
    words = tuple(len(sentence.split()) for sentence in said)
    return [
        Heard(tuple(map(wrong, said, heard[lead :: len(leads)])), words, said) for lead in range(len(leads))
    ]


def together(heard: Sequence[Heard]) -> Heard:
    """Several hearings of the same sounds."""
    errors = np.sum([one.errors for one in heard], axis=0)
    words = np.sum([one.words for one in heard], axis=0)
    return Heard(tuple(errors.tolist()), tuple(words.tolist()), heard[0].said)


def wrong(said: str, heard: str) -> int:
    """Errors of one hearing. At most every word: ears that fall into repeating themselves add dozens, which
    is one sentence not understood and would outweigh all the others."""
    counts = jiwer.process_words(said, heard)
    return min(counts.substitutions + counts.deletions + counts.insertions, len(said.split()))


def plain(text: str) -> str:
    """Lower case, letters and digits alone."""
    return " ".join("".join(c if c.isalnum() else " " for c in text.lower().replace("'", "")).split())


def interval(path: Heard, source: Heard) -> tuple[float, float]:
    """The 95 % interval of the difference in percentage points: sentences, each with all the voices that said
    it, drawn again, 10,000 times."""
    _, which = np.unique(path.said, return_inverse=True)
    added = np.bincount(which, np.subtract(path.errors, source.errors))
    words = np.bincount(which, path.words)
    drawn = np.random.default_rng(1).integers(0, len(added), (RESAMPLED, len(added)))
    points = 100 * added[drawn].sum(axis=1) / words[drawn].sum(axis=1)
    low, high = np.percentile(points, [2.5, 97.5])
    return float(low), float(high)


def figures(path: Heard, source: Heard) -> str:
    """What a row says was measured."""
    low, high = interval(path, source)
    difference = path.percent - source.percent
    return (
        f"{source.percent:.1f} → {path.percent:.1f} %, {difference:+.1f} points, "
        f"95 %: {low:+.1f} to {high:+.1f} ({len(path.errors)} sentences)"
    )


def row(what: str, path: Heard, source: Heard, points: float, *, quick: bool) -> Row:
    """One line of the table. ``points``: what the upper end of the interval must stay below."""
    if quick:
        kept = path.percent - source.percent < QUICK_POINTS
        return Row(what, figures(path, source), f"short run: below +{QUICK_POINTS:g}", kept)
    kept = interval(path, source)[1] < points
    return Row(what, figures(path, source), f"interval below +{points:g}", kept)
