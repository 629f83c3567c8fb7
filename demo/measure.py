"""What a call's packets at the phone say about it. PURE: audio and times in, numbers out."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tests.e2e.phone import Trace
from tests.e2e.sound import AUDIBLE_DBFS, FRAME, RATE_HZ, Pcm

FRAME_S = FRAME / RATE_HZ
#: Pauses up to this belong to the same stretch of talk.
PAUSE_S = 0.7
#: An agent who fell silent so shortly before the caller was loud yielded to him: a word begins softly.
SOFT_ONSET_S = 0.2


class Stretch(NamedTuple):
    """One party talking, in seconds since the answer."""

    start: float
    end: float


class Turn(NamedTuple):
    """``answered_s``: the caller's last sound to the agent's next, ``None`` when none came. ``yielded_s``:
    how long the agent talked on after the caller had begun, ``None`` when the agent was silent."""

    caller: Stretch
    answered_s: float | None
    yielded_s: float | None


@dataclass(frozen=True)
class Measures:
    """One call at the phone; seconds."""

    answer_s: float | None  # INVITE → 200
    first_audio_s: float | None  # 200 → the agent's first sound
    goodbye_s: float | None  # the agent's last sound → BYE
    turns: tuple[Turn, ...]
    agent: tuple[Stretch, ...]


def measure(trace: Trace) -> Measures:
    answered, first, last, ended = trace.answered, trace.first_audible, trace.last_audible, trace.ended
    agent = stretches(trace.heard())
    return Measures(
        answer_s=None if answered is None else answered - trace.invited,
        first_audio_s=None if answered is None or first is None else first - answered,
        goodbye_s=None if last is None or ended is None else ended - last,
        turns=turns(stretches(trace.said()), agent),
        agent=agent,
    )


def stretches(pcm: Pcm, pause_s: float = PAUSE_S) -> tuple[Stretch, ...]:
    """Where somebody is audible in PCM16 at 8 kHz."""
    frames = pcm[: len(pcm) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)
    level = np.sqrt(np.mean(frames**2, axis=1)) / 32768
    found: list[Stretch] = []
    for index in np.flatnonzero(level > 10 ** (AUDIBLE_DBFS / 20)):
        start, end = int(index) * FRAME_S, int(index + 1) * FRAME_S
        if found and start - found[-1].end <= pause_s:
            found[-1] = Stretch(found[-1].start, end)
        else:
            found.append(Stretch(start, end))
    return tuple(found)


def turns(caller: tuple[Stretch, ...], agent: tuple[Stretch, ...]) -> tuple[Turn, ...]:
    """Each of the caller's stretches with what the agent made of it."""
    result = []
    for one in caller:
        answer = next((other.start for other in agent if other.start >= one.end), None)
        over = next((o.end for o in agent if o.start < one.start < o.end + SOFT_ONSET_S), None)
        yielded = None if over is None else max(over - one.start, 0.0)
        result.append(Turn(one, None if answer is None else answer - one.end, yielded))
    return tuple(result)


def cut(pcm: Pcm, stretch: Stretch) -> Pcm:
    """The samples of a stretch, with a little quiet around them."""
    return pcm[max(round((stretch.start - 0.2) * RATE_HZ), 0) : round((stretch.end + 0.3) * RATE_HZ)]
