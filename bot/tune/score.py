"""What went wrong in a replay, counted against the judge, and which settings did best. PURE."""

from typing import NamedTuple

import numpy as np

from bot.tune.recording import FRAMES_A_SECOND
from bot.tune.reference import Reference
from bot.tune.replay import Outcome
from bot.tune.spans import Flags, Span, bridged, spans

FRAME_MS = 1000 // FRAMES_A_SECOND
BACKCHANNEL, INTERRUPTION = 30, 40
"""Frames of an utterance over the agent: one below the first must not be committed, from the second on it
must."""
LATE = 25
"""Frames after an utterance in which a decision still belongs to it."""
LEAST_FALSE, LEAST_SHARE = 3, 0.5
"""A false stretch has so many frames; an utterance is missed when less than this share of it is heard."""
EVENT_COST, COMMIT_COST, SUSPECT_COST, MS_A_POINT = 10.0, 5.0, 2.0, 50.0
ALIKE = 1.0
"""Costs this near each other are the same: another recording would swap them."""


class Score(NamedTuple):
    """Percent are of frames. ``pause_ms``: median from an interruption's onset to its suspect.
    ``missed_interruptions`` brought no suspect, ``uncommitted`` no commit."""

    missed_pct: float
    false_pct: float
    suspects: int
    false_suspects: int
    commits: int
    false_commits: int
    interruptions: int
    missed_interruptions: int
    uncommitted: int
    pause_ms: float | None
    transitions_a_minute: float
    missed: list[Span]
    false: list[Span]

    @property
    def costs(self) -> dict[str, float]:
        """What settings are compared by: a point for each percent and each 50 ms until the agent pauses, 2
        for a false suspect, 5 for an interruption without a commit, 10 for one without a suspect and for a
        false commit."""
        pause_ms = self.pause_ms or 0.0
        return {
            f"{self.missed_pct:.0f} % of speech missed": self.missed_pct,
            f"{self.false_pct:.0f} % of the rest taken for speech": self.false_pct,
            f"{pause_ms:.0f} ms until the agent pauses": pause_ms / MS_A_POINT,
            f"{self.false_suspects} false suspects": SUSPECT_COST * self.false_suspects,
            f"{self.uncommitted} interruptions not committed": COMMIT_COST * self.uncommitted,
            f"{self.missed_interruptions} interruptions missed": EVENT_COST * self.missed_interruptions,
            f"{self.false_commits} false commits": EVENT_COST * self.false_commits,
        }

    @property
    def cost(self) -> float:
        return sum(self.costs.values())


def score(outcome: Outcome, reference: Reference, agent: Flags) -> Score:
    """Count; ``agent`` are the frames of the agent's turns."""
    voiced, speech = outcome.voiced, reference.speech
    long = [(start, end) for start, end in reference.utterances if end - start >= BACKCHANNEL]
    over = [(start, end) for start, end in long if agent[start] and agent[start:end].sum() >= INTERRUPTION]
    pauses = [_first(outcome.suspects, span) for span in over]
    waits = [n + 1 - start for n, (start, _) in zip(pauses, over, strict=True) if n is not None]
    return Score(
        missed_pct=_percent(~voiced[speech]),
        false_pct=_percent(voiced[~reference.about]),
        suspects=len(outcome.suspects),
        false_suspects=sum(not _within(n, reference.utterances) for n in outcome.suspects),
        commits=len(outcome.commits),
        false_commits=sum(not _within(n, long) for n in outcome.commits),
        interruptions=len(over),
        missed_interruptions=sum(n is None for n in pauses),
        uncommitted=sum(_first(outcome.commits, span) is None for span in over),
        pause_ms=FRAME_MS * float(np.median(waits)) if waits else None,
        transitions_a_minute=outcome.transitions / (len(voiced) / FRAMES_A_SECOND / 60),
        missed=[(a, b) for a, b in reference.utterances if voiced[a:b][speech[a:b]].mean() < LEAST_SHARE],
        false=[(a, b) for a, b in spans(bridged(voiced & ~reference.about, 2)) if b - a >= LEAST_FALSE],
    )


def _percent(flags: Flags) -> float:
    return 100 * float(flags.mean()) if len(flags) else 0.0


def _first(decisions: tuple[int, ...], span: Span) -> int | None:
    return next((n for n in decisions if _within(n, [span])), None)


def _within(frame: int, utterances: list[Span]) -> bool:
    return any(start <= frame < end + LATE for start, end in utterances)


class Choice(NamedTuple):
    """Which of the outcomes, and why, in a sentence."""

    chosen: int
    why: str


def choose(labels: list[str], scores: list[Score]) -> Choice:
    """The least cost; of those alike, the middle one, which has room on both sides."""
    least = min(one.cost for one in scores)
    alike = [n for n, one in enumerate(scores) if one.cost <= least + ALIKE]
    chosen = alike[(len(alike) - 1) // 2]
    why = f"it costs {scores[chosen].cost:.1f}, mostly {_most(scores[chosen])}"
    if len(alike) > 1:
        why += f"; {', '.join(labels[n] for n in alike)} do alike, and it is in the middle"
    others = [f"{labels[n]} costs {one.cost:.1f}, mostly {_most(one)}" for n, one in enumerate(scores)]
    return Choice(chosen, "; ".join([why, *(other for n, other in enumerate(others) if n not in alike)]))


def _most(one: Score) -> str:
    """What makes up most of its cost."""
    return max(one.costs, key=lambda part: one.costs[part])
