"""The E-model against the points that ITU-T publishes."""

import pytest

from bot.rtp.emodel import (
    R_AT_BEST,
    WITH_CONCEALMENT,
    WITHOUT_CONCEALMENT,
    delay_impairment,
    loss_impairment,
    mos,
    score,
)


@pytest.mark.parametrize(("r", "published"), [(90, 4.34), (80, 4.03), (70, 3.60), (60, 3.10), (50, 2.58)])
def test_r_becomes_the_score_of_table_b1(r: float, published: float) -> None:
    """G.107 table B.1: the borders between the categories of user satisfaction."""
    assert score(r) == pytest.approx(published, abs=0.01)


def test_g711_at_its_best_is_4_41() -> None:
    assert round(mos(0, 0, WITH_CONCEALMENT), 2) == round(score(R_AT_BEST), 2) == 4.41


@pytest.mark.parametrize(("percent", "published"), [(0, 0), (2, 7), (3, 10), (5, 15), (7, 20), (10, 25)])
def test_concealed_loss_follows_the_published_impairments(percent: float, published: float) -> None:
    """G.113 (02/2001) table I.3, G.711 with PLC and random loss: found by ear, and rounded. The formula came
    later and was fitted to them."""
    assert loss_impairment(percent, WITH_CONCEALMENT) == pytest.approx(published, abs=2.5)


@pytest.mark.parametrize(("percent", "published"), [(2, 35), (3, 45), (5, 55)])
def test_loss_without_concealment_too(percent: float, published: float) -> None:
    """The same table, without PLC."""
    assert loss_impairment(percent, WITHOUT_CONCEALMENT) == pytest.approx(published, abs=6.5)


def test_delay_costs_nothing_up_to_100_ms_and_then_ever_more() -> None:
    """G.114: hardly felt up to 150 ms; 400 ms is the most to plan for, where many are dissatisfied (R 70)."""
    assert delay_impairment(100) == 0
    assert delay_impairment(150) < 1
    assert R_AT_BEST - delay_impairment(400) == pytest.approx(70, abs=1.5)


def test_the_score_stays_between_1_and_4_5() -> None:
    scores = [mos(n / 100, 10 * n, WITHOUT_CONCEALMENT) for n in range(101)]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) >= 1
    assert max(scores) <= 4.5
