"""Counting and choosing, on hand-made outcomes."""

import numpy as np
import pytest

from bot.config.settings import Settings
from bot.tune.reference import Reference
from bot.tune.replay import Outcome
from bot.tune.score import Score, choose, score
from bot.tune.spans import Flags, Span, spans, widened

COUNT = 1000


def flags(*stretches: Span) -> Flags:
    out = np.zeros(COUNT, bool)
    for start, end in stretches:
        out[start:end] = True
    return out


def reference(*utterances: Span) -> Reference:
    speech = flags(*utterances)
    return Reference(speech, widened(speech, 10), list(utterances), np.ones(COUNT))


def outcome(
    voiced: Flags,
    *,
    suspects: tuple[int, ...] = (),
    commits: tuple[int, ...] = (),
    held: Flags | None = None,
    opened: Flags | None = None,
) -> Outcome:
    gate = np.full(COUNT, "closed")
    gate[flags() if held is None else held] = "held"
    gate[flags() if opened is None else opened] = "open"
    return Outcome("", Settings(), voiced, gate, suspects, commits, 10)


def test_spans_there_and_back() -> None:
    stretches = [(0, 3), (10, 11), (990, COUNT)]
    assert spans(flags(*stretches)) == stretches


def test_missed_and_false_speech() -> None:
    found = score(
        outcome(flags((100, 125), (200, 205), (500, 504))), reference((100, 150), (300, 350)), flags()
    )
    assert found.missed_pct == 75
    assert found.missed == [(300, 350)]
    assert found.false == [(200, 205), (500, 504)]
    assert found.false_pct == pytest.approx(100 * 9 / (COUNT - 140))
    assert found.transitions_a_minute == 30


def test_interruptions_are_those_that_begin_over_the_agent() -> None:
    agent, heard = flags((0, 600)), reference((100, 200), (300, 400), (560, 800), (900, 990))
    found = score(
        outcome(agent, suspects=(108,), commits=(130,), held=flags((108, 130)), opened=flags((130, 250))),
        heard,
        agent,
    )
    assert (found.interruptions, found.lost, found.uncut, found.pause_ms) == (3, 2, 2, 180)
    assert (found.false_suspects, found.false_commits) == (0, 0)


def test_a_decision_without_speech_is_false_and_so_is_a_commit_for_a_murmur() -> None:
    found = score(
        outcome(flags(), suspects=(108, 500), commits=(112, 520)), reference((100, 115)), flags((0, 900))
    )
    assert (found.interruptions, found.false_suspects, found.false_commits) == (0, 1, 2)


def a_score(missed_pct: float, false_pct: float) -> Score:
    return Score(missed_pct, false_pct, 0, 0, 0, 0, 0, 0, 0, None, 1.0, 0.0, [], [])


def test_the_least_cost_is_chosen_and_the_others_are_told_why_not() -> None:
    choice = choose(["100", "200", "800"], [a_score(0, 30), a_score(5, 1), a_score(60, 0)])
    assert choice.chosen == 1
    assert "100 costs 30.0: 30 % of the rest taken for speech" in choice.why
    assert "800 costs 60.0: 60 % of speech missed" in choice.why


def test_of_settings_that_do_alike_the_middle_one_is_chosen() -> None:
    choice = choose(list("abcd"), [a_score(2, 0), a_score(1.5, 0), a_score(2.2, 0), a_score(9, 0)])
    assert choice.chosen == 1
    assert "a, b, c do alike" in choice.why
