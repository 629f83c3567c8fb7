"""How the agent sounds at the caller, against the model's own audio at 8 kHz: PESQ (P.862, narrow band).

The package ``pesq`` is nobody's dependency here: the ITU's code in it may be used to evaluate the algorithm,
anything else needs a licence of its owners. Whoever may use it installs it; the row is told then.
"""

import importlib.util

import numpy as np

from bench.voice.row import Measure, Row
from bench.voice.rows_words import FULL, QUICK, agent_at_caller
from bench.voice.speech import PHONE_HZ, Pcm, cut, track
from tests.e2e.asterisk import HarnessError
from tests.e2e.sound import AUDIBLE_DBFS, level_dbfs

MEAN, LOWEST = 4.2, 3.9
MISSING = "not measured: the package pesq is not installed (pip install pesq; see docs/voice-quality.md)"


def pesq_rows(quick: bool) -> list[Row]:
    bound = f"mean ≥ {MEAN:g}, lowest ≥ {LOWEST:g}"
    what = "PESQ of the agent at the caller, clean line"
    if importlib.util.find_spec("pesq") is None:
        return [Row(what, MISSING, bound, None)]
    plan = QUICK if quick else FULL
    recorded = agent_at_caller(plan)
    scores = []
    for sentence, heard in zip(plan.spoken(), recorded.sounds, strict=True):
        alone = track((sentence,))
        scores.append(score(sentence.words, cut(alone.phone, PHONE_HZ, alone.spans[0]), heard))
    mean, lowest = float(np.mean(scores)), float(np.min(scores))
    measured = f"mean {mean:.2f}, lowest {lowest:.2f} ({len(scores)} sentences){recorded.note}"
    return [Row(what, measured, bound, mean >= MEAN and lowest >= LOWEST)]


def score(words: str, alone: Pcm, heard: Pcm) -> float:
    """Raises HarnessError with the sentence where P.862 has nothing to say: of silence, or of too little."""
    from pesq import PesqError, pesq

    if level_dbfs(heard) < AUDIBLE_DBFS:
        raise HarnessError(f"silence came for «{words}»")
    try:
        found = float(pesq(PHONE_HZ, alone, heard, "nb"))
    except PesqError as error:
        raise HarnessError(f"{type(error).__name__} for «{words}»") from error
    if not np.isfinite(found):
        raise HarnessError(f"no score for «{words}»")
    return found


ROWS: dict[str, Measure] = {"pesq": pesq_rows}
