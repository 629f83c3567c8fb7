"""What went wrong in a replay, counted against the judge, and which settings did best. PURE."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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
LOST_COST, UNCUT_COST = 20.0, 10.0
"""For all interruptions without a suspect, without a commit; a share of them costs its share."""
FALSE_COMMIT_COST, FALSE_SUSPECT_COST = 10.0, 2.0
"""For one in a minute of the agent's speech."""
MS_A_POINT = 50.0
ALIKE = 1.0
"""Costs this near each other are the same: another recording would swap them."""


class Score(NamedTuple):
    """Percent are of frames. Of ``interruptions``, ``lost`` brought no suspect and ``uncut`` no commit;
    ``pause_ms`` is the median from onset to suspect."""

    missed_pct: float
    false_pct: float
    suspects: int
    false_suspects: int
    commits: int
    false_commits: int
    interruptions: int
    lost: int
    uncut: int
    pause_ms: float | None
    agent_minutes: float
    transitions_a_minute: float
    missed: list[Span]
    false: list[Span]

    @property
    def costs(self) -> dict[str, float]:
        """What settings are compared by, in points: one for each percent and each 50 ms until the agent
        pauses; for the rest see above."""
        pause_ms, all_of_them = self.pause_ms or 0.0, max(self.interruptions, 1)
        minutes = max(self.agent_minutes, 1.0)
        return {
            f"{self.missed_pct:.0f} % of speech missed": self.missed_pct,
            f"{self.false_pct:.0f} % of the rest taken for speech": self.false_pct,
            f"{pause_ms:.0f} ms until the agent pauses": pause_ms / MS_A_POINT,
            f"barge-ins lost: {self.lost}": LOST_COST * self.lost / all_of_them,
            f"barge-ins uncut: {self.uncut}": UNCUT_COST * self.uncut / all_of_them,
            f"false suspects: {self.false_suspects}": FALSE_SUSPECT_COST * self.false_suspects / minutes,
            f"false commits: {self.false_commits}": FALSE_COMMIT_COST * self.false_commits / minutes,
        }

    @property
    def cost(self) -> float:
        return sum(self.costs.values())


def score(outcome: Outcome, reference: Reference, agent: Flags) -> Score:
    """Count; ``agent`` are the frames of the agent's turns."""
    voiced, speech = outcome.voiced, reference.speech
    long = [(start, end) for start, end in reference.utterances if end - start >= BACKCHANNEL]
    over = [_over_agent(span, agent) for span in long]
    gates = [outcome.gate[a:b] for a, b in over if b - a >= INTERRUPTION]
    waits = [
        int((gate != "closed").argmax()) + 1 for gate in gates if gate[0] == "closed" and not _shut(gate)
    ]
    return Score(
        missed_pct=_percent(~voiced[speech]),
        false_pct=_percent(voiced[~reference.about]),
        suspects=len(outcome.suspects),
        false_suspects=sum(not _within(n, reference.utterances) for n in outcome.suspects),
        commits=len(outcome.commits),
        false_commits=sum(not _within(n, long) for n in outcome.commits),
        interruptions=len(gates),
        lost=sum(_shut(gate) for gate in gates),
        uncut=sum("open" not in gate for gate in gates),
        pause_ms=FRAME_MS * float(np.median(waits)) if waits else None,
        agent_minutes=float(agent.sum()) / FRAMES_A_SECOND / 60,
        transitions_a_minute=outcome.transitions / (len(voiced) / FRAMES_A_SECOND / 60),
        missed=[(a, b) for a, b in reference.utterances if voiced[a:b][speech[a:b]].mean() < LEAST_SHARE],
        false=[(a, b) for a, b in spans(bridged(voiced & ~reference.about, 2)) if b - a >= LEAST_FALSE],
    )


def _over_agent(utterance: Span, agent: Flags) -> Span:
    """The part of it, and of what may still be decided about it, in the turn of the agent it began in."""
    start, end = utterance
    return next(((start, min(end + LATE, b)) for a, b in spans(agent) if a <= start < b), (start, start))


def _shut(gate: NDArray[np.str_]) -> bool:
    """Nobody suspected anything. A gate that is open is one of an earlier commit."""
    return bool((gate == "closed").all())


def _percent(flags: Flags) -> float:
    return 100 * float(flags.mean()) if len(flags) else 0.0


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
    best = scores[chosen]
    why = f"it costs {best.cost:.1f}, mostly {max(best.costs, key=lambda part: best.costs[part])}"
    if len(alike) > 1:
        why += f"; {', '.join(labels[n] for n in alike)} do alike"
        why += ", and it is in the middle" if len(alike) > 2 else ""
    others = [f"{labels[n]} costs {one.cost:.1f}: {_worse(one, best)}" for n, one in enumerate(scores)]
    return Choice(chosen, "; ".join([why, *(other for n, other in enumerate(others) if n not in alike)]))


def _worse(one: Score, best: Score) -> str:
    """Where it loses most against the best."""
    parts = zip(one.costs, one.costs.values(), best.costs.values(), strict=True)
    return max(parts, key=lambda part: part[1] - part[2])[0]
