"""Hears the caller speak over the agent in what the linear filter leaves.

The residual is never only the caller. The filter is unfinished at first: how much echo it may have
missed, it knows itself (its *doubt*, from the variance of its state). A loudspeaker distorts and G.711
rounds: that grows with the echo, so the detector learns, for each level of predicted echo, how loud the
residual usually is once the doubt is small. What is louder than both, and than the line's noise, is the
caller. It hears energy, not speech: a cough fires it too.
"""

import math
from collections import deque

BIN_DB = 3.0
LOWEST_DB = 15.0
BINS = 26
"""Predicted-echo levels from 15 to 90 dB (0 dB: 1 RMS of PCM16) in steps of 3 dB."""
DECAY_DB = 6.0
"""The predicted echo, and the doubt, ring on at this much less per frame."""
DOUBT_MARGIN_DB = -2.0
"""Added to what the filter may have missed. Below 0, since the score asks for 12 dB more than the usual
anyway."""
RELIEF_FALL_DB, RELIEF_RISE_DB, MOST_RELIEF_DB = 0.15, 1.0, 30.0
"""A doubt that proves too large is believed less, a little each frame: on a line without echo the filter
learns only slowly that there is none."""
SETTLED_DB = 12.0
"""A residual tells about the loudspeaker, not about an unfinished filter, with the doubt this far under
the echo."""
DEVIATIONS = 2.0
PRIOR_MEAN_DB, PRIOR_DEVIATION_DB = -6.0, 4.0
"""Residual against predicted echo that a level nobody has learned about starts from."""
RATE = 0.02
"""Share of a frame in its level's mean and deviation, once that has been met 50 times."""
RISE_DB, ENOUGH, LATER_RISE = 6.0, 25, 0.3
"""A frame lifts a mean as if it were at most 6 dB louder, after 25 frames 2 dB: a caller must not become
the rule."""

FLOOR_DB, MOST_DB = 30.0, 90.0
FLOOR_MARGIN_DB = 6.0
FLOOR_FALL = 0.1
FLOOR_SPANS, FLOOR_SPAN_FRAMES = 3, 25
"""The noise is no louder than the quietest frame of 1.5 s: a voice has pauses, a fan has none."""
NOTHING_DB = 0.0
"""Below it is silence that was put in place of sound: it says nothing about the noise."""
LEARN_FRAMES = 25
"""The first half second sets the noise floor; the first over the agent decides nothing."""
NO_ECHO_DB, NO_ECHO_BONUS_DB = 10.0, 5.0
"""With the echo predicted at less than floor + 10 dB there is little to confuse, and 5 dB less are asked
for."""

LEAST, MOST = -8.0, 20.0
SPEECH = 12.0
FRAMES = 3
"""Speech: the mean score of 3 frames, each clipped to -8…20 dB, passes 12 dB."""


def level_db(power: float) -> float:
    """Mean power (PCM16 units squared) as dB, with silence at -30."""
    return 10 * math.log10(power + 1e-3)


class BargeInDetector:
    """One call's detector. ``speech`` and ``score`` (dB, -8…20) tell about the last frame."""

    def __init__(self) -> None:
        self.floor_db = FLOOR_DB
        self._frames = self._judged = 0
        self._spans: deque[float] = deque([FLOOR_DB] * FLOOR_SPANS, FLOOR_SPANS)
        self._span, self._quietest = 0, MOST_DB
        self._echo_db = self._doubt_db = LOWEST_DB
        self._scores: deque[float] = deque([LEAST] * FRAMES, FRAMES)
        self.forget()

    def forget(self) -> None:
        """The echo path changed: what was learned about the residual no longer holds."""
        self._mean = [LOWEST_DB + BIN_DB * i + PRIOR_MEAN_DB for i in range(BINS)]
        self._deviation = [PRIOR_DEVIATION_DB] * BINS
        self._met = [0] * BINS
        self._relief_db = 0.0

    @property
    def score(self) -> float:
        return sum(self._scores) / FRAMES

    @property
    def speech(self) -> bool:
        return self.score > SPEECH

    def rest(self, near_db: float) -> float:
        """Nothing is sent that could come back: the score of one frame, by the line's noise alone."""
        self._follow_floor(near_db, LOWEST_DB)
        return min(MOST, max(LEAST, near_db - self.floor_db - FLOOR_MARGIN_DB + NO_ECHO_BONUS_DB))

    def hear(self, residual_db: float, echo_db: float, doubt_db: float, *, veto: bool) -> None:
        """Judge one frame by its residual, the predicted echo, and the echo that the filter may have missed.

        ``veto``: the filter made this frame louder, so it is the filter that speaks.
        """
        self._echo_db = max(echo_db, self._echo_db - DECAY_DB)
        self._doubt_db = max(doubt_db - self._relief_db, self._doubt_db - DECAY_DB)
        self._follow_floor(residual_db, max(self._echo_db, self._doubt_db))
        level = min(BINS - 1, max(0, int((self._echo_db - LOWEST_DB) / BIN_DB + 0.5)))
        score = residual_db - max(
            self._usual_db(level), self._doubt_db + DOUBT_MARGIN_DB, self.floor_db + FLOOR_MARGIN_DB
        )
        if max(self._echo_db, self._doubt_db) < self.floor_db + NO_ECHO_DB:
            score += NO_ECHO_BONUS_DB
        self._relieve(residual_db, doubt_db)
        if self._doubt_db < self._echo_db - SETTLED_DB:
            self._learn(level, residual_db)
        self._judged += 1
        if self._judged <= LEARN_FRAMES:
            score = LEAST
        self._scores.append(min(MOST, max(LEAST, min(score, 0.0) if veto else score)))

    def _usual_db(self, level: int) -> float:
        """Mean and two deviations of a level's residual, if it is one that was learned about."""
        if self._met[level] <= ENOUGH and self._doubt_db >= self._echo_db - SETTLED_DB:
            return LEAST
        return self._mean[level] + DEVIATIONS * self._deviation[level]

    def _follow_floor(self, residual_db: float, echo_db: float) -> None:
        """``echo_db``: how loud an echo this frame may hold. One that drowns the noise does not raise it."""
        if residual_db < NOTHING_DB:
            return
        if residual_db > echo_db:
            self._quietest = min(self._quietest, residual_db)
            self._span += 1
        self._frames += 1
        if self._frames <= LEARN_FRAMES:
            self.floor_db = residual_db if self._frames < 4 else min(self.floor_db, residual_db) + 0.05
        elif residual_db < self.floor_db:
            self.floor_db += (residual_db - self.floor_db) * FLOOR_FALL
        if self._span == FLOOR_SPAN_FRAMES:
            self._spans.append(self._quietest)
            self.floor_db = max(self.floor_db, min(self._spans))
            self._span, self._quietest = 0, residual_db

    def _relieve(self, residual_db: float, doubt_db: float) -> None:
        if doubt_db > self.floor_db + NO_ECHO_DB:
            step = doubt_db - self._relief_db - residual_db
            relief = self._relief_db + max(-RELIEF_RISE_DB, min(RELIEF_FALL_DB, step))
            self._relief_db = max(0.0, min(MOST_RELIEF_DB, relief))

    def _learn(self, level: int, residual_db: float) -> None:
        self._met[level] += 1
        met = self._met[level]
        rate = max(RATE, 1 / (met + 1))
        rise_db = RISE_DB if met < ENOUGH else RISE_DB * LATER_RISE
        for other, weight in ((level, 1.0), (level - 1, 0.5), (level + 1, 0.5)):
            if 0 <= other < BINS:
                surprise = residual_db + (other - level) * BIN_DB - self._mean[other]
                surprise = max(-2 * RISE_DB, min(rise_db, surprise))
                self._mean[other] += rate * weight * surprise
                self._deviation[other] += rate * weight * (1.25 * abs(surprise) - self._deviation[other])
