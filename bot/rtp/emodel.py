"""How a line would be judged: the E-model of ITU-T G.107, reduced to what is known of a G.711 call. PURE.

R = 93.2 − Idd − Ie,eff: every parameter that a server cannot know (loudness, room noise, side tone, echo at
the phone) stands at its default (G.107 clause 7.7). R becomes a mean opinion score, MOS-CQE, by G.107
annex B. Loss is taken for random (BurstR = 1); losses in bursts sound worse than the figure says.
"""

from math import log2

R_AT_BEST = 93.2
"""G.107 with all its defaults; 4.41 as MOS."""
WITHOUT_CONCEALMENT = 4.3
WITH_CONCEALMENT = 25.1
"""Bpl of G.711 (G.113 appendix I), how much loss it bears: played as silence, or concealed as G.711 appendix
I does. Its Ie is 0."""


def mos(loss: float, one_way_ms: float, bpl: float) -> float:
    """1 to 4.5, for a share of packets that never came in time (0 to 1) and the delay from mouth to ear."""
    return score(R_AT_BEST - delay_impairment(one_way_ms) - loss_impairment(100 * loss, bpl))


def loss_impairment(loss_percent: float, bpl: float) -> float:
    """Ie,eff of G.711 under random loss (G.107 clause 7.5)."""
    return 95 * loss_percent / (loss_percent + bpl)


def delay_impairment(one_way_ms: float) -> float:
    """Idd: too long a way, even without echo (G.107 clause 7.4)."""
    if one_way_ms <= 100:
        return 0.0
    x = log2(one_way_ms / 100)
    impairment: float = 25 * ((1 + x**6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2)
    return impairment


def score(r: float) -> float:
    """R as MOS-CQE (G.107 annex B)."""
    if r <= 0:
        return 1.0
    if r >= 100:
        return 4.5
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)
