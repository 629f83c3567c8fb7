"""How the agent sounds at the caller, against the model's own audio at 8 kHz: PESQ (P.862, narrow band).

The package ``pesq`` is nobody's dependency here: the ITU's code in it may be used to evaluate the algorithm,
anything else needs a licence of its owners. Whoever may use it installs it; the row is told then.
"""

import importlib.util

import numpy as np

from bench.voice.row import Measure, Row
from bench.voice.rows_words import FULL, QUICK, agent_at_caller
from bench.voice.speech import PHONE_HZ, cut, track

MEAN, LOWEST = 4.2, 3.9


def pesq_rows(quick: bool) -> list[Row]:
    bound = f"mean ≥ {MEAN:g}, lowest ≥ {LOWEST:g}"
    what = "PESQ of the agent at the caller, clean line"
    if importlib.util.find_spec("pesq") is None:
        return [Row(what, "not measured: the package pesq is not installed", bound, None)]
    from pesq import pesq

    plan = QUICK if quick else FULL
    scores = []
    for sentence, heard in zip(plan.spoken(), agent_at_caller(plan), strict=True):
        alone = track((sentence,))
        scores.append(pesq(PHONE_HZ, cut(alone.phone, PHONE_HZ, alone.spans[0]), heard, "nb"))
    mean, lowest = float(np.mean(scores)), float(np.min(scores))
    measured = f"mean {mean:.2f}, lowest {lowest:.2f} ({len(scores)} sentences)"
    return [Row(what, measured, bound, mean >= MEAN and lowest >= LOWEST)]


ROWS: dict[str, Measure] = {"pesq": pesq_rows}
